/**
 * The one real PostgreSQL server of an integration run: started before the first file, migrated once
 * into a template that every file clones (test/support/database.ts), stopped after the last.
 *
 * `TEST_DATABASE_URL` uses a server that is there already (a superuser's URL). Without either, tests
 * that need it skip loudly; with CLOUDFLOW_REQUIRE_SERVICES=1 the run fails instead.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrate } from '#adapters/postgres/migrate.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#local/embedded-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Null: no server could be had, and `postgresMissing` says why. */
    readonly postgresUrl: string | null;
    readonly postgresMissing: string | null;
    readonly postgresTemplate: string;
  }
}

let server: EmbeddedPostgres | null = null;
let directory: string | null = null;
let url: string | null = null;
const template = `cloudflow_template_${process.pid}`;

export async function setup(project: TestProject): Promise<void> {
  project.provide('postgresTemplate', template);
  try {
    url = process.env['TEST_DATABASE_URL'] ?? (await startOwn());
  } catch (error) {
    if (process.env['CLOUDFLOW_REQUIRE_SERVICES'] === '1') throw error;
    project.provide('postgresUrl', null);
    project.provide('postgresMissing', (error as Error).message);
    process.stderr.write(`\nSKIPPING tests that need PostgreSQL: ${(error as Error).message}\n\n`);
    await teardown();
    return;
  }
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query(`create database ${template}`);
  await admin.end();
  const target = new URL(url);
  target.pathname = `/${template}`;
  await migrate(target.href);
  project.provide('postgresUrl', url);
  project.provide('postgresMissing', null);
}

async function startOwn(): Promise<string> {
  directory = await mkdtemp(join(tmpdir(), 'cloudflow-test-'));
  // The server may run as another user, who must be able to enter.
  await chmod(directory, 0o755);
  // Tests of durability itself start a durable server of their own.
  server = await startEmbeddedPostgres({ directory, durability: 'fast' });
  return server.url;
}

export async function teardown(): Promise<void> {
  if (url !== null && server === null) {
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    await admin.query(`drop database if exists ${template} with (force)`);
    await admin.end();
  }
  await server?.stop();
  if (directory !== null) await rm(directory, { recursive: true, force: true });
}
