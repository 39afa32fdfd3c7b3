import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, describe, inject } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createPool, type PoolOptions } from '#adapters/postgres/pool.ts';
import type { Role } from '#adapters/postgres/roles.ts';

/** A migrated database of one test file's own, dropped after its last test. */
export interface TestDatabase {
  /** As superuser: what an operator with psql would see, past row-level security. */
  readonly admin: pg.Pool;
  readonly url: string;
  /** A pool as one of our roles, closed with the database. */
  pool(role: Role | null, options?: Partial<PoolOptions>): pg.Pool;
}

/** `describe` for suites that need PostgreSQL: skipped, loudly, where there is none. */
export const describeWithPostgres =
  inject('postgresUrl') === null
    ? (name: string, body: () => void) =>
        describe.skip(`${name} (no PostgreSQL: ${inject('postgresMissing')})`, body)
    : (name: string, body: () => void) => describe(name, body);

/** What ends the databases of this file; a hook that is registered inside a hook would never run. */
const closers: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0)) await close();
});

/**
 * Clones the migrated template. After all tests of the file the database is dropped, and sessions
 * that the tests left behind fail the file.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = inject('postgresUrl');
  if (server === null) throw new Error('no PostgreSQL; wrap the suite in describeWithPostgres');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const main = new pg.Client({ connectionString: server });
  await main.connect();
  // Cloning fails while anyone else is connected to the template, as another clone briefly is.
  await main.query("select pg_advisory_lock(hashtext('cloudflow.test.clone'))");
  await main.query(`create database ${name} template ${inject('postgresTemplate')}`);
  await main.query("select pg_advisory_unlock(hashtext('cloudflow.test.clone'))");
  const target = new URL(server);
  target.pathname = `/${name}`;
  const pools: pg.Pool[] = [];
  const log = createSilentLog();
  const pool: TestDatabase['pool'] = (role, options = {}) => {
    const made = createPool({ url: target.href, role, max: 4, name: 'test', log, ...options });
    pools.push(made);
    return made;
  };
  const database: TestDatabase = { admin: pool(null), url: target.href, pool };
  closers.push(async () => {
    const leaked = pools.filter((each) => each.totalCount !== each.idleCount).length;
    await Promise.all(pools.map((each) => each.end()));
    const left = await sessionsLeft(main, name);
    await main.query(`drop database ${name} with (force)`);
    await main.end();
    if (leaked > 0) throw new Error(`${leaked} pools have a client that was never released`);
    if (left.length > 0) {
      throw new Error(`sessions left open: ${left.join(', ')}`);
    }
  });
  return database;
}

/** Leaves the conditions of statements alone between tenants, for tests of those. */
export async function withoutRowSecurity({ admin }: TestDatabase): Promise<void> {
  const { rows } = await admin.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
     where c.relrowsecurity and c.relnamespace = 'public'::regnamespace`,
  );
  if (rows.length < 10) throw new Error('no table has row-level security');
  for (const { name } of rows) await admin.query(`alter table ${name} disable row level security`);
}

/** Sessions end asynchronously after the client's goodbye; only those of pools never closed stay. */
async function sessionsLeft(main: pg.Client, database: string): Promise<string[]> {
  for (let look = 0; ; look++) {
    const { rows } = await main.query<{ application_name: string }>(
      `select application_name from pg_stat_activity
       where datname = $1 and application_name <> 'test' and pid <> pg_backend_pid()`,
      [database],
    );
    if (rows.length === 0 || look === 50) return rows.map((row) => row.application_name);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
