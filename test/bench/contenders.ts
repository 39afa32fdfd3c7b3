/** Who is measured, and how one of them is run: a process of its own on a database of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Measured, Shape, Task } from './shapes.ts';
import { type Stores, startRedis } from './stores.ts';

export interface ContenderEntry {
  readonly name: string;
  readonly script: string;
  readonly store: 'postgres' | 'redis' | 'own';
  readonly peer: boolean;
  /** Only measured where it is named. */
  readonly optional?: true;
}

export const OURS = 'ours';

export const CONTENDERS: readonly ContenderEntry[] = [
  { name: OURS, script: 'contender-ours.ts', store: 'postgres', peer: false },
  { name: 'bare loop', script: 'contender-bare.ts', store: 'postgres', peer: false },
  { name: 'dbos', script: 'peers/dbos.mjs', store: 'postgres', peer: true },
  { name: 'restate', script: 'peers/restate.mjs', store: 'own', peer: true },
  { name: 'pg-boss', script: 'peers/pg-boss.mjs', store: 'postgres', peer: true },
  { name: 'bullmq', script: 'peers/bullmq.mjs', store: 'redis', peer: true },
  {
    name: 'graphile-worker',
    script: 'peers/graphile-worker.mjs',
    store: 'postgres',
    peer: true,
    optional: true,
  },
];

export interface RunOptions {
  readonly steps: number;
  readonly shapes: readonly Shape[];
  readonly warmUp: number;
  readonly quietSeconds: number;
  readonly repeats: number;
  readonly say: (line: string) => void;
  /** Further flags of the contender's Node, e.g. a profiler's. */
  readonly nodeFlags?: readonly string[];
  /** Looks at the database before it is dropped. */
  readonly afterwards?: (databaseUrl: string) => Promise<void>;
}

const TIMEOUT_MS = 600_000;
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export async function runContender(
  entry: ContenderEntry,
  stores: Stores,
  options: RunOptions,
): Promise<Measured[]> {
  const { say, nodeFlags = [], afterwards, ...rest } = options;
  const redis = entry.store === 'redis' ? await startRedis(stores.directory) : null;
  if (entry.store === 'redis' && redis === null) {
    say(`${entry.name} is skipped: there is no redis-server on the path`);
    return [];
  }
  const postgresUrl = await stores.createDatabase();
  try {
    const task: Task = {
      ...rest,
      contender: entry.name,
      postgresUrl,
      postgresPid: stores.postgres.pid,
      redis: redis === null ? null : { port: redis.port, pid: redis.pid },
      directory: stores.directory,
    };
    const measured = await spawnContender(here(entry.script), task, nodeFlags);
    await afterwards?.(postgresUrl);
    return measured;
  } catch (error) {
    say(`${entry.name} failed: ${(error as Error).message}`);
    return [];
  } finally {
    await stores.dropDatabase(postgresUrl);
    await redis?.close();
  }
}

function spawnContender(
  script: string,
  task: Task,
  nodeFlags: readonly string[],
): Promise<Measured[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeFlags, '--no-warnings', script], {
      env: { ...process.env, NODE_ENV: 'production', BENCH_TASK: JSON.stringify(task) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const abandon = (): void => void child.kill('SIGTERM');
    process.once('exit', abandon);
    const late = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(late);
      process.off('exit', abandon);
      // A library may print lines of its own.
      const lines = text.split('\n').filter((line) => line.startsWith('{"contender":'));
      if (code === 0) resolve(lines.map((line) => JSON.parse(line) as Measured));
      else reject(new Error(`it ended with ${signal ?? `code ${code}`}`));
    });
  });
}

/** Installs the peers where they are not; false when that cannot be done here. */
export function installPeers(say: (line: string) => void): boolean {
  const directory = here('peers');
  if (existsSync(`${directory}/node_modules/.package-lock.json`)) return true;
  say('installing the peers from test/bench/peers/package-lock.json (265 MB, once) ...');
  // No install script is needed by what we use, so none runs.
  const done = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: directory,
    encoding: 'utf8',
  });
  if (done.status === 0) return true;
  const [reason = 'npm could not be started'] = `${done.stderr ?? ''}`
    .split('\n')
    .filter((line) => /^npm error (?!code|errno|syscall)./.test(line));
  say(`the peers are skipped: npm ci in test/bench/peers failed (${reason})`);
  return false;
}
