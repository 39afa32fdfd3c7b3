/** The stores of a run: one PostgreSQL for all who use one, and a Redis where this machine has it. */
import { spawn, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#local/embedded-postgres.ts';

export interface Stores {
  readonly directory: string;
  readonly postgres: EmbeddedPostgres;
  /** An empty database after a checkpoint, so that nobody pays for another's pages. */
  createDatabase(): Promise<string>;
  dropDatabase(url: string): Promise<void>;
  close(): Promise<void>;
}

/** Durable as ever (fsync, synchronous_commit and full_page_writes are on by default). */
const SETTINGS = {
  shared_buffers: '512MB',
  max_connections: '300',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
};

export async function startStores(more: Readonly<Record<string, string>> = {}): Promise<Stores> {
  const directory = await mkdtemp(join(tmpdir(), 'cloudflow-bench-'));
  await chmod(directory, 0o755);
  const postgres = await startEmbeddedPostgres({
    directory: join(directory, 'postgres'),
    settings: { ...SETTINGS, ...more },
  });
  const ask = async (...statements: string[]): Promise<void> => {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.end();
    }
  };
  let made = 0;
  return {
    directory,
    postgres,
    async createDatabase() {
      const name = `bench_${++made}`;
      await ask(`create database ${name}`, 'checkpoint');
      return postgres.urlOf(name);
    },
    dropDatabase: (url) =>
      ask(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`),
    async close() {
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** What a server must be started with to tell where its time goes. */
export const STATEMENT_SETTINGS = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track': 'all',
};

/** The dearest statements of a database, functions' own ones included; forgets them. */
export async function dearestStatements(url: string, count: number): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('create extension if not exists pg_stat_statements');
    const { rows } = await client.query<{ line: string }>(
      `select format('%s ms, %s calls, %s rows: %s', round(total_exec_time), calls, rows,
                left(regexp_replace(query, '\\s+', ' ', 'g'), 100)) as line
       from pg_stat_statements s join pg_database d on d.oid = s.dbid
       where d.datname = current_database() order by total_exec_time desc limit $1`,
      [count],
    );
    await client.query('select pg_stat_statements_reset()');
    return rows.map(({ line }) => line);
  } finally {
    await client.end();
  }
}

export interface RedisServer {
  readonly port: number;
  readonly pid: number;
  close(): Promise<void>;
}

/** Null where there is no `redis-server` on the path. Empty, and durable write by write unless said otherwise. */
export async function startRedis(
  under: string,
  { durable }: { readonly durable: boolean } = { durable: true },
): Promise<RedisServer | null> {
  if (spawnSync('redis-server', ['--version']).status !== 0) return null;
  const directory = join(under, 'redis');
  await mkdir(directory, { recursive: true });
  const port = await freePort();
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: directory,
    save: '',
    appendonly: durable ? 'yes' : 'no',
    appendfsync: 'always',
    'maxmemory-policy': 'noeviction',
  };
  const server = spawn(
    'redis-server',
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  await untilListening(port);
  return {
    port,
    pid: server.pid as number,
    async close() {
      server.kill('SIGTERM');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new TypeError('no port was given');
  return address.port;
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ port, host: '127.0.0.1' });
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.end());
    });
    if (connected) return;
    await pause(25);
  }
  throw new Error(`nothing listens on port ${port}`);
}
