/** `cloudflow dev` as a process of its own, to be killed and started again on one folder. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '#client/client.ts';

const CLI = fileURLToPath(new URL('../../bin/cli.ts', import.meta.url));
const START_MS = 120_000;
const END_MS = 30_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningPlatform {
  readonly pid: number;
  readonly baseUrl: string;
  readonly postgresUrl: string;
  readonly client: Client;
  readonly ended: Promise<Ended>;
  readonly alive: boolean;
  /** What it has complained of so far. */
  readonly stderr: string;
  /** Moves business time; answers what it is then. */
  advance(ms: number): Promise<number>;
  signal(signal: NodeJS.Signals): void;
}

/** A folder and whatever was started on it; `remove` ends and deletes all of it, come what may. */
export interface PlatformFolder {
  readonly path: string;
  /** Starts and waits until it answers. */
  start(args?: readonly string[], env?: NodeJS.ProcessEnv): Promise<RunningPlatform>;
  /** Starts and does not wait. */
  launch(args?: readonly string[], env?: NodeJS.ProcessEnv): Launched;
  /** Everything a platform on this folder may leave behind: servers, evaluators. */
  remove(): Promise<void>;
}

export interface Launched {
  readonly pid: number;
  readonly stderr: string;
  readonly alive: boolean;
  readonly ended: Promise<Ended>;
  signal(signal: NodeJS.Signals): void;
}

export async function makeFolder(): Promise<PlatformFolder> {
  const root = await mkdtemp(join(tmpdir(), 'cloudflow-kill-'));
  await chmod(root, 0o755); // the server may run as another user
  const path = join(root, 'state');
  const launched: Launched[] = [];

  function launch(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Launched {
    const { DATABASE_URL: _, ...own } = process.env;
    const child: ChildProcess = spawn(
      process.execPath,
      [CLI, 'dev', '--data-dir', path, '--port', '0', ...args],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...own, ...env } },
    );
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk) => {
      stdout = `${stdout}${chunk}`.slice(-20_000);
    });
    child.stderr?.on('data', (chunk) => {
      stderr = `${stderr}${chunk}`.slice(-20_000);
    });
    let alive = true;
    const ended = once(child, 'exit').then(([code, signal]) => {
      alive = false;
      return { code, signal, stdout, stderr } as Ended;
    });
    const one: Launched = {
      pid: child.pid ?? 0,
      get alive() {
        return alive;
      },
      get stderr() {
        return stderr;
      },
      ended,
      signal: (signal) => {
        child.kill(signal);
      },
    };
    launched.push(one);
    return one;
  }

  return {
    path,
    launch,
    async start(args, env) {
      const process = launch(args, env);
      const stack = await untilReady(path, process);
      return running(process, stack);
    },
    async remove() {
      for (const one of launched) if (one.alive) one.signal('SIGKILL');
      await Promise.all(launched.map((one) => one.ended));
      await within(
        'servers of the folder to end',
        END_MS,
        () => leftovers(path).length === 0,
      ).catch((error: unknown) => {
        for (const { pid } of leftovers(path)) process.kill(pid, 'SIGKILL');
        throw error;
      });
      await rm(root, { recursive: true, force: true });
    },
  };
}

interface Stack {
  readonly base_url: string;
  readonly api_key: string;
  readonly postgres_url: string;
  readonly processes: readonly { readonly pid: number }[];
}

export function readStack(path: string): Stack | null {
  const file = join(path, 'stack.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Stack) : null;
}

async function untilReady(path: string, process: Launched): Promise<Stack> {
  let stack: Stack | null = null;
  await within('the platform to be ready', START_MS, async () => {
    if (!process.alive) {
      const { code, signal, stderr } = await process.ended;
      throw new Error(`the platform ended (${code ?? signal}) before it was ready: ${stderr}`);
    }
    stack = readStack(path);
    return stack?.processes[0]?.pid === process.pid;
  });
  return stack as unknown as Stack;
}

function running(launched: Launched, stack: Stack): RunningPlatform {
  return {
    pid: launched.pid,
    baseUrl: stack.base_url,
    postgresUrl: stack.postgres_url,
    client: createClient({ baseUrl: stack.base_url, credential: stack.api_key, maxRetries: 0 }),
    ended: launched.ended,
    get alive() {
      return launched.alive;
    },
    get stderr() {
      return launched.stderr;
    },
    async advance(ms) {
      const response = await fetch(`${stack.base_url}/local/clock/advance`, {
        method: 'POST',
        body: JSON.stringify({ seconds: ms / 1_000 }),
        signal: AbortSignal.timeout(60_000),
      });
      const answer = (await response.json()) as { now?: string };
      if (answer.now === undefined) throw new Error(`advance: ${JSON.stringify(answer)}`);
      return Date.parse(answer.now);
    },
    signal: launched.signal,
  };
}

export interface Found {
  readonly pid: number;
  readonly ppid: number;
  readonly args: string;
}

export function processes(): Found[] {
  const text = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], {
    encoding: 'utf8',
    maxBuffer: 16_000_000,
  });
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    if (match === null || match[3]?.includes('<defunct>')) return [];
    return [{ pid: Number(match[1]), ppid: Number(match[2]), args: match[3] ?? '' }];
  });
}

/** What runs on this folder: the platform, the watching shell, the server. */
export function leftovers(path: string): Found[] {
  return processes().filter(({ args }) => args.includes(path));
}

/** All that descends from a process, as it is now. */
export function descendants(pid: number): number[] {
  const all = processes();
  const found: number[] = [];
  for (let level = [pid]; level.length > 0; ) {
    level = all.filter(({ ppid }) => level.includes(ppid)).map((each) => each.pid);
    found.push(...level);
  }
  return found;
}

export function isAlive(pid: number): boolean {
  return processes().some((each) => each.pid === pid);
}

/** Waits in real time until `test` holds. */
export async function within(
  what: string,
  ms: number,
  test: () => boolean | Promise<boolean>,
): Promise<void> {
  const until = performance.now() + ms;
  for (;;) {
    if (await test()) return;
    if (performance.now() > until) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await pause(20);
  }
}
