import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { Role } from './roles.ts';

/**
 * Forward-only migrations from numbered plain SQL files.
 *
 *  M1 each file runs once, in order of its number, in a transaction of its own with its record;
 *  M2 two processes never migrate one database at once (advisory lock);
 *  M3 a file that was applied never changes: its checksum is compared at every start.
 */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

export const MIGRATIONS_FOLDER = fileURLToPath(new URL('./migrations/', import.meta.url));

/** The database was made by another version of the code: its migration of this name reads otherwise. */
export class MigrationChanged extends Error {
  constructor(name: string) {
    super(`the database was made by another version: ${name} was applied with another text`);
    this.name = 'MigrationChanged';
  }
}

/** Any two numbers that nothing else of ours locks. */
const LOCK = [7_236_011, 1] as const;

/** Owns functions, and what they read of all tenants is all that it may. */
const LOOKUP: Role = 'cloudflow_lookup';

export async function readMigrations(folder = MIGRATIONS_FOLDER): Promise<readonly Migration[]> {
  const migrations: Migration[] = [];
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.sql')).sort()) {
    const match = /^(\d{4})-[a-z0-9-]+\.sql$/.exec(name);
    if (match === null) throw new TypeError(`migration ${name} is not named 0001-what-it-does.sql`);
    const sql = await readFile(join(folder, name), 'utf8');
    migrations.push({
      number: Number(match[1]),
      name,
      sql,
      checksum: createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex'),
    });
  }
  for (const [i, migration] of migrations.entries()) {
    if (migrations[i + 1]?.number === migration.number) {
      throw new TypeError(`two migrations have number ${migration.number}`);
    }
  }
  return migrations;
}

/** Applies what is missing, as the owner of the schema; answers the names of what was applied. */
export async function migrate(
  url: string,
  migrations?: readonly Migration[],
): Promise<readonly string[]> {
  const wanted = migrations ?? (await readMigrations());
  const client = new pg.Client({ connectionString: url, application_name: 'cloudflow migrate' });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1, $2)', [...LOCK]);
    await client.query(
      `create table if not exists schema_migrations (
         number integer primary key, name text not null, checksum text not null,
         applied_at timestamptz not null default clock_timestamp())`,
    );
    const lending = await mustLend(client);
    const { rows } = await client.query<{ number: number; checksum: string }>(
      'select number, checksum from schema_migrations',
    );
    const applied = new Map(rows.map((row) => [row.number, row.checksum]));
    const names: string[] = [];
    for (const migration of wanted) {
      const checksum = applied.get(migration.number);
      if (checksum === undefined) {
        await apply(client, migration, lending);
        names.push(migration.name);
      } else if (checksum !== migration.checksum) {
        throw new MigrationChanged(migration.name);
      }
    }
    return names;
  } finally {
    await client.end(); // and with the session its lock
  }
}

/**
 * Functions that look up across tenants belong to a role of their own. Giving one away takes two
 * rights that a superuser has by nature and the owner of a database on Aurora has not: to become that
 * role, which who makes a role may ask for since PostgreSQL 16, and that the role may create in the
 * schema, which it is lent inside each migration. Answers whether it must be.
 */
async function mustLend(client: pg.Client): Promise<boolean> {
  await client.query(
    `select set_config(name, 'set', false) from pg_settings where name = 'createrole_self_grant'`,
  );
  const { rows } = await client.query<{ rolsuper: boolean }>(
    'select rolsuper from pg_roles where rolname = current_user',
  );
  return rows[0]?.rolsuper === false;
}

async function lend(client: pg.Client, change: 'grant' | 'revoke'): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [LOOKUP]);
  if (rowCount === 0) return; // the first migration makes it
  const preposition = change === 'grant' ? 'to' : 'from';
  await client.query(`${change} create on schema public ${preposition} ${LOOKUP}`);
}

async function apply(client: pg.Client, migration: Migration, lending: boolean): Promise<void> {
  await client.query('begin');
  try {
    if (lending) await lend(client, 'grant');
    await client.query(migration.sql);
    if (lending) await lend(client, 'revoke');
    await client.query(
      'insert into schema_migrations (number, name, checksum) values ($1, $2, $3)',
      [migration.number, migration.name, migration.checksum],
    );
    await client.query('commit');
  } catch (cause) {
    await client.query('rollback');
    throw new Error(`migration ${migration.name} failed: ${(cause as Error).message}`, { cause });
  }
}
