/** The PostgreSQL of a run: on a disk of its own where one can be had, so that it can be full. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#local/embedded-postgres.ts';
import { freePort } from '#test/support/free-port.ts';
import { signal } from './children.ts';

const SETTINGS = { max_connections: '200', max_wal_size: '512MB', shared_buffers: '256MB' };
const BLOCK = Buffer.alloc(1 << 20);

export interface Database {
  readonly port: number;
  /** Of the superuser, past the proxy. */
  readonly url: string;
  urlAt(port: number, database: string): string;
  /** Ends at once, as a crash would, and tells the number of the process that ended. */
  crash(): Promise<number>;
  start(): Promise<number>;
  /** Null: its disk is shared with others, and is not filled. */
  readonly disk: { fill(): number; free(): void } | null;
  remove(): Promise<void>;
}

export async function startDatabase(folder: string, diskMb: number | null): Promise<Database> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const mounted =
    diskMb !== null &&
    spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMb}m,mode=755`, 'tmpfs', folder])
      .status === 0;
  const directory = join(folder, 'postgres');
  const port = await freePort();
  let server: EmbeddedPostgres;
  const start = async (): Promise<number> => {
    server = await startEmbeddedPostgres({
      directory,
      port,
      durability: 'durable',
      settings: SETTINGS,
    });
    return server.pid;
  };
  await start();
  await onServer((client) => client.query('create database cloudflow'));
  await onServer((client) => client.query('create database effects'));

  async function onServer(act: (client: pg.Client) => Promise<unknown>): Promise<void> {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    try {
      await act(client);
    } finally {
      await client.end();
    }
  }

  const ballast = join(folder, 'ballast');
  return {
    port,
    get url() {
      return server.urlOf('cloudflow');
    },
    urlAt(at, database) {
      const url = new URL(server.urlOf(database));
      url.port = String(at);
      return url.href;
    },
    async crash() {
      const { pid, ended } = server;
      signal(pid, 'SIGQUIT');
      await ended;
      return pid;
    },
    start,
    disk: mounted
      ? {
          fill() {
            const file = openSync(ballast, 'a');
            let bytes = 0;
            try {
              for (;;) bytes += writeSync(file, BLOCK);
            } catch (error) {
              if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
            } finally {
              closeSync(file);
            }
            const { bavail, bsize } = statfsSync(folder);
            return bytes - bavail * bsize;
          },
          free: () => rmSync(ballast, { force: true }),
        }
      : null,
    async remove() {
      await server.stop();
      if (mounted) spawnSync('umount', [folder]);
    },
  };
}
