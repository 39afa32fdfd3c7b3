/**
 * A server of its own and a real copy that follows it: PostgreSQL's own streaming replication, as far
 * behind as a test holds it. Stopped after the tests of the file.
 */
import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll } from 'vitest';
import { migrate } from '#adapters/postgres/migrate.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#local/embedded-postgres.ts';

export interface Standby {
  /** Superuser's URLs of one migrated database, on the server that writes and on the one that follows. */
  readonly writerUrl: string;
  readonly readerUrl: string;
  /** The copy shows what it has, however far the other goes on. */
  hold(): Promise<void>;
  /** Lets it go on, and waits until it has all that was committed before. */
  catchUp(): Promise<void>;
  /** The copy is gone. */
  stopReader(): Promise<void>;
}

const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const SETTINGS = {
  wal_level: 'replica',
  max_wal_senders: '4',
  hot_standby: 'on',
  wal_keep_size: '512MB',
  // What is committed is sent at once.
  synchronous_commit: 'on',
} as const;
const CATCH_UP_TRIES = 600;

export async function startStandby(): Promise<Standby> {
  const folder = await mkdtemp(join(tmpdir(), 'cloudflow-standby-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  const [first, second] = [join(folder, 'writer'), join(folder, 'reader')];
  const start = async (directory: string, settings: Readonly<Record<string, string>>) => {
    const server = await startEmbeddedPostgres({
      directory,
      durability: 'fast',
      settings: { ...SETTINGS, ...settings },
    });
    closers.push(() => server.stop());
    return server;
  };
  await (await start(first, {})).stop();
  const copied = spawnSync('cp', ['-a', first, second], { encoding: 'utf8' });
  if (copied.status !== 0) throw new Error(`no copy could be made: ${copied.stderr}`);
  const signal = join(second, 'data', 'standby.signal');
  await writeFile(signal, '');
  const { uid, gid } = await stat(join(second, 'data'));
  await chown(signal, uid, gid);

  const writer = await start(first, {});
  const { username, password } = new URL(writer.url);
  const reader = await start(second, {
    primary_conninfo: `host=127.0.0.1 port=${writer.port} user=${username} password=${decodeURIComponent(password)}`,
  });
  const on = sessions(writer, reader);
  await on.writer('create database cloudflow');
  await migrate(writer.urlOf('cloudflow'));

  const standby: Standby = {
    writerUrl: writer.urlOf('cloudflow'),
    readerUrl: reader.urlOf('cloudflow'),
    hold: async () => void (await on.reader('select pg_wal_replay_pause()')),
    async catchUp() {
      await on.reader('select pg_wal_replay_resume()');
      const { rows } = await on.writer('select pg_current_wal_lsn()::text as at');
      const { at } = rows[0] as { at: string };
      for (let tries = 0; tries < CATCH_UP_TRIES; tries++) {
        const told = await on.reader('select pg_last_wal_replay_lsn() >= $1::pg_lsn as there', [
          at,
        ]);
        if (told.rows[0]?.['there'] === true) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error('the reader does not catch up');
    },
    stopReader: () => reader.stop(),
  };
  await standby.catchUp();
  return standby;
}

/** One statement on a connection of its own: servers may stop between two. */
function sessions(writer: EmbeddedPostgres, reader: EmbeddedPostgres) {
  const ask =
    (url: string) =>
    async (text: string, values: readonly unknown[] = []) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      try {
        return await client.query<Record<string, unknown>>(text, [...values]);
      } finally {
        await client.end();
      }
    };
  return { writer: ask(writer.url), reader: ask(reader.url) };
}
