/** The platform as a user starts it: `cloudflow dev` with engines in processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, kill, until } from './children.ts';

const START_MS = 180_000;
const STOP_MS = 120_000;
/** As often as whoever looks after it starts one that has ended while it started: others keep the machine busy. */
const START_TRIES = 3;

export interface Process {
  readonly pid: number;
  readonly url: string;
}

export interface PlatformSettings {
  /** Of the repository that is run; another one where a bug was planted. */
  readonly root: string;
  readonly folder: string;
  readonly port: number;
  readonly engines: number;
  readonly databaseUrl: string;
  readonly redisUrl: string | null;
  readonly kafka: string | null;
  readonly egress: readonly string[];
  /** A module that every Node process of it loads first. */
  readonly preload: string;
  readonly env: NodeJS.ProcessEnv;
}

export interface RunningPlatform {
  readonly pid: number;
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Everything it has written since the run began. */
  readonly logFile: string;
  engines(): readonly Process[];
  readonly alive: boolean;
  /** Waits until it answers. */
  start(): Promise<void>;
  /** SIGKILL, and its engines end by themselves. */
  kill(): Promise<void>;
  /** SIGTERM; answers how it ended. */
  stop(): Promise<number | null>;
}

export function createPlatform(settings: PlatformSettings): RunningPlatform {
  const { root, folder, port } = settings;
  const logFile = join(folder, '..', 'platform.log');
  const log = createWriteStream(logFile, { flags: 'a' });
  let child: ChildProcess | null = null;

  const stack = () => {
    const file = join(folder, 'stack.json');
    if (!existsSync(file)) return null;
    return JSON.parse(readFileSync(file, 'utf8')) as {
      base_url: string;
      api_key: string;
      processes: { role: string; pid: number; url?: string }[];
    };
  };
  const engines = (): readonly Process[] =>
    (stack()?.processes ?? []).flatMap(({ role, pid, url }) =>
      role === 'engine' && url !== undefined && isAlive(pid) ? [{ pid, url }] : [],
    );
  const isReady = async (): Promise<boolean> => {
    const own = stack()?.processes.some(({ pid }) => pid === child?.pid);
    if (own !== true || engines().length < settings.engines) return false;
    const { status, body } = await fetch(`http://127.0.0.1:${port}/readyz`);
    await body?.cancel();
    return status === 200;
  };

  return {
    logFile,
    get pid() {
      return child?.pid ?? 0;
    },
    get alive() {
      return child !== null && child.exitCode === null && child.signalCode === null;
    },
    get baseUrl() {
      return `http://127.0.0.1:${port}`;
    },
    get apiKey() {
      return stack()?.api_key ?? '';
    },
    engines,
    async start() {
      for (let tries = 1; ; tries++) {
        try {
          await startOnce();
          return;
        } catch (error) {
          if (child !== null) await kill(child);
          if (tries === START_TRIES) throw error;
          log.write(`started again: ${error}\n`);
        }
      }
    },
    async kill() {
      const had = engines();
      if (child !== null) await kill(child);
      await until(30_000, () => had.every(({ pid }) => !isAlive(pid)));
    },
    async stop() {
      if (child === null || child.exitCode !== null || child.signalCode !== null) return null;
      const stopping = child;
      stopping.kill('SIGTERM');
      const ended = (): boolean => stopping.exitCode !== null || stopping.signalCode !== null;
      if (!(await until(STOP_MS, ended))) {
        await kill(stopping);
        throw new Error(`told to stop, it had not ended after ${STOP_MS} ms`);
      }
      return stopping.exitCode;
    },
  };

  async function startOnce(): Promise<void> {
    const { DATABASE_URL: _, NODE_OPTIONS = '', ...own } = process.env;
    const launched = spawn(
      process.execPath,
      [
        join(root, 'bin/cli.ts'),
        ...['dev', '--data-dir', folder, '--port', String(port), '--no-example'],
        ...['--engines', String(settings.engines)],
        ...(settings.kafka === null ? [] : ['--kafka', settings.kafka]),
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: root,
        env: {
          ...own,
          ...settings.env,
          NODE_OPTIONS: `${NODE_OPTIONS} --import ${settings.preload}`.trim(),
          DATABASE_URL: settings.databaseUrl,
          EGRESS_ALLOW: settings.egress.join(','),
          ...(settings.redisUrl === null ? {} : { REDIS_URL: settings.redisUrl }),
        },
      },
    );
    child = launched;
    for (const stream of [launched.stdout, launched.stderr]) {
      stream?.on('data', (chunk) => log.write(chunk));
    }
    const ended = (): boolean => launched.exitCode !== null || launched.signalCode !== null;
    const ready = await until(START_MS, async () => ended() || (await isReady()), 250);
    if (!ready || ended()) {
      const told = readFileSync(logFile, 'utf8').slice(-3_000);
      throw new Error(`the platform is not ready (exit ${launched.exitCode}): ${told}`);
    }
  }
}
