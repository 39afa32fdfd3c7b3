import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readMigrations } from '#adapters/postgres/migrate.ts';
import type { StepPerformer } from '#engine/deps.ts';
import { startTestApi } from '#test/support/api.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { playTape, startTape, type Taped } from './statement-tape.ts';

/**
 * While a deployment goes on, programs of the version before run on the schema of the new one. What they
 * ask of it was taped when that version was released (RECORD_RELEASE=1); here it is asked again, of a
 * database that every migration since has been applied to, and then today's programs read the rows.
 */
interface Released {
  /** The newest migration of the release. */
  readonly migration: string;
  /** All migrations that it knows. */
  readonly before: readonly string[];
  readonly tenant: string;
  readonly execution: string;
  readonly statements: readonly Taped[];
}

const FILE = new URL('released/statements.json', import.meta.url);
const released = (): Released => JSON.parse(readFileSync(FILE, 'utf8')) as Released;

const performer: StepPerformer = {
  call: async () => ({ ok: true, output: { done: true }, compensation: null }),
  compensate: async () => ({ ok: true }),
};

/** What people and programs do all day, once each. */
async function aDay(database: Awaited<ReturnType<typeof createTestDatabase>>) {
  const tape = startTape();
  try {
    const api = await startTestApi(database, { performer });
    const tenant = await api.createTenant();
    const client = api.client(await api.createKey(tenant, ['*']));
    const definition = (workflow_id: string, runtime: string, type: string, config: object) => ({
      ...{ workflow_id, version: '1.0.0', runtime, description: 'adds things up' },
      steps: [{ id: 'one', type, config }],
    });
    const call = { url: 'https://example.com/', method: 'POST' };
    await client.createWorkflow({
      body: definition('calls', 'engine', 'http_request', call) as never,
    });
    await client.createWorkflow({
      body: definition('waits', 'engine', 'wait', { duration: '2h' }) as never,
    });
    await client.listWorkflows({ query: { text: 'adds' } });
    await client.getWorkflow({ workflow_id: 'calls' });
    const start = (workflow_id: string, labels = {}) =>
      client.executeWorkflow({ workflow_id, body: { labels } as never });
    const done = await start('calls', { order: '17' });
    const waiting = await start('waits');
    const statusOf = async (execution_id: string) =>
      (await client.getExecution({ execution_id })).status;
    await expect.poll(() => statusOf(done.execution_id), { timeout: 30_000 }).toBe('COMPLETED');
    await expect.poll(() => statusOf(waiting.execution_id), { timeout: 30_000 }).toBe('RUNNING');
    await client.cancelExecution({ execution_id: waiting.execution_id, body: {} });
    await expect.poll(() => statusOf(waiting.execution_id), { timeout: 30_000 }).toBe('CANCELLED');
    await client.listExecutions({});
    await api.sealAudit();
    await api.close();
    return { tenant, execution: done.execution_id, statements: tape.stop() };
  } finally {
    tape.stop();
  }
}

describeWithPostgres('programs of the version before, on the schema of this one', () => {
  const record = async (): Promise<void> => {
    const { tenant, execution, statements } = await aDay(await createTestDatabase());
    const before = (await readMigrations()).map(({ name }) => name);
    const release = { migration: before.at(-1) ?? '', before, tenant, execution, statements };
    writeFileSync(FILE, `${JSON.stringify(release, null, 1)}\n`);
  };
  // No test otherwise: what is skipped would count as such.
  if (process.env['RECORD_RELEASE'] === '1') it('are taped', record);

  const tenantOf = async (database: Awaited<ReturnType<typeof createTestDatabase>>) => {
    const { tenant } = released();
    await database.admin.query(
      `insert into tenants (id, slug, name, created_at) values ($1, 'before', 'before', now())`,
      [tenant],
    );
  };

  it('go on as before, and this version reads what they wrote', async () => {
    const database = await createTestDatabase();
    await tenantOf(database);
    const { tenant, execution, statements } = released();
    expect(statements.length).toBeGreaterThan(100);
    expect(new Set(statements.map(({ role }) => role))).toContain('cloudflow_engine');
    expect(await playTape(database.url, statements)).toEqual([]);
    const api = await startTestApi(database);
    const client = api.client(await api.createKey(tenant, ['*']));
    const found = await client.getExecution({ execution_id: execution });
    expect(found).toMatchObject({
      status: 'COMPLETED',
      workflow_id: 'calls',
      labels: { order: '17' },
    });
    expect((await client.listWorkflows({})).items).toHaveLength(2);
    await api.close();
  });

  it.each([
    [
      'a column that they read is gone',
      'alter table workflow_executions drop column labels cascade',
    ],
    ['a table has another name', 'alter table workflow_versions rename to versions'],
    ['a right is gone', 'revoke insert on execution_events from cloudflow_app, cloudflow_engine'],
    [
      'a column must have a value that they do not write',
      'alter table workflows add column owner text not null',
    ],
    [
      'a function asks for something else',
      'alter function claim_due(text, integer, timestamptz) rename to claim',
    ],
  ])('and it is noticed when %s', async (_, sql) => {
    const database = await createTestDatabase();
    await tenantOf(database);
    await database.admin.query(sql);
    expect(await playTape(database.url, released().statements)).not.toEqual([]);
  });
});
