import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startEmbeddedPostgres } from '#local/embedded-postgres.ts';
import { describeWithPostgres } from '#test/support/database.ts';

const HOLDER = fileURLToPath(new URL('./postgres-holder.ts', import.meta.url));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describeWithPostgres('an embedded PostgreSQL', () => {
  let directory: string;
  let holder: ChildProcess | null = null;
  let serverPid: number | null = null;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cloudflow-pg-'));
    await chmod(directory, 0o755);
  });
  afterEach(async () => {
    if (holder !== null && holder.exitCode === null && holder.signalCode === null) {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    holder = null;
    const held = serverPid;
    if (held !== null) await expect.poll(() => isAlive(held), { timeout: 10_000 }).toBe(false);
    serverPid = null;
    await rm(directory, { recursive: true, force: true });
  });

  /** Another process that starts the server and keeps it. */
  async function hold(): Promise<{ pid: number; url: string }> {
    holder = spawn(process.execPath, [HOLDER, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(holder.stdout!, 'data');
    const held = JSON.parse(String(line)) as { pid: number; url: string };
    serverPid = held.pid;
    return held;
  }

  async function query(url: string, sql: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }

  it('keeps what was written over a stop and a start, and stops twice', async () => {
    const first = await startEmbeddedPostgres({ directory });
    await query(first.url, 'create table kept as select 7 as n');
    await first.stop();
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);
    const second = await startEmbeddedPostgres({ directory });
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 7 }]);
    expect(await query(second.url, 'show fsync')).toEqual([{ fsync: 'on' }]);
    await second.stop();
  });

  it('ends with a process that is killed, and starts again on the same data', async () => {
    const held = await hold();
    await query(held.url, 'create table kept as select 1 as n');
    holder!.kill('SIGKILL');
    await expect.poll(() => isAlive(held.pid), { timeout: 10_000 }).toBe(false);
    const next = await startEmbeddedPostgres({ directory });
    expect(await query(next.url, 'select n from kept')).toEqual([{ n: 1 }]);
    await next.stop();
  });

  it('refuses a directory that another living process uses', async () => {
    await hold();
    await expect(startEmbeddedPostgres({ directory })).rejects.toThrow(
      `in use by process ${holder!.pid}`,
    );
  });

  it('starts after a crash of its own, with a pid file that is now another program', async () => {
    const first = await startEmbeddedPostgres({ directory });
    await query(first.url, 'create table kept as select 3 as n');
    process.kill(first.pid, 'SIGKILL');
    await first.ended;
    await writeFile(join(directory, 'data', 'postmaster.pid'), `${process.pid}\n`);
    const second = await startEmbeddedPostgres({ directory });
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 3 }]);
    await second.stop();
  });
});
