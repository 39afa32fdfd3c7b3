import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

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
    const { rows } = await client.query<{ number: number; checksum: string }>(
      'select number, checksum from schema_migrations',
    );
    const applied = new Map(rows.map((row) => [row.number, row.checksum]));
    const names: string[] = [];
    for (const migration of wanted) {
      const checksum = applied.get(migration.number);
      if (checksum === undefined) {
        await apply(client, migration);
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

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  await client.query('begin');
  try {
    await client.query(migration.sql);
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
