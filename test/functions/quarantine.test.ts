import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createIntegrityReader } from '#adapters/postgres/integrity-reader.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createQuarantine } from '#adapters/postgres/quarantine.ts';
import { checkIntegrity } from '#services/operations/integrity.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const DEFINITION = {
  workflow_id: 'order',
  version: '1.0.0',
  runtime: 'engine',
  steps: [
    { id: 'hold', type: 'http_request', config: { url: 'https://example.com/hold' } },
    { id: 'nap', type: 'wait', depends_on: ['hold'], config: { duration: '1s' } },
    {
      id: 'pay',
      type: 'http_request',
      depends_on: ['nap'],
      config: { url: 'https://example.com/pay' },
    },
  ],
} as const;
const LONG = { timeout: 60_000, interval: 50 };

describeWithPostgres('an execution that contradicts its log', () => {
  let database: TestDatabase;
  let api: TestApi;
  let tenant: string;
  let client: ReturnType<TestApi['client']>;
  const asked: string[] = [];

  beforeEach(async () => {
    database = await createTestDatabase();
    asked.length = 0;
    api = await startTestApi(database, {
      performer: {
        call: async ({ key }) => {
          asked.push(key);
          return { ok: true, output: {}, compensation: null };
        },
        compensate: async () => ({ ok: true }),
      },
    });
    tenant = await api.createTenant();
    client = api.client(await api.createKey(tenant, ['*']));
    await client.createWorkflow({ body: DEFINITION });
  });
  afterEach(() => api.close());

  const check = async (quarantine: boolean) => {
    const pool = database.pool('cloudflow_auditor');
    const deps = {
      reader: createIntegrityReader({ pool, codec: createPlainCodec() }),
      clock: createSystemClock(),
      quarantine: quarantine ? createQuarantine({ pool, ids: createIds() }) : null,
    };
    return checkIntegrity(deps, { executions: 'all', seed: 1, withinMs: 60_000 });
  };
  const damage = (id: string) =>
    database.admin.query(
      "update workflow_steps set output = '0:7' where execution_id = $1 and step = 'hold'",
      [id],
    );
  const repair = (id: string) =>
    database.admin.query(
      "update workflow_steps set output = '0:{}' where execution_id = $1 and step = 'hold'",
      [id],
    );

  async function begun(): Promise<string> {
    const { execution_id: id } = await client.executeWorkflow({ workflow_id: 'order', body: {} });
    await vi.waitUntil(async () => {
      const { rows } = await database.admin.query(
        `select from workflow_steps where execution_id = $1 and step = 'hold' and status = 'SUCCESS'`,
        [id],
      );
      return rows.length === 1;
    }, LONG);
    return id;
  }

  it('is set aside, moved by nobody, shown and listed with what is wrong, and goes on once it is released', async () => {
    const id = await begun();
    await damage(id);
    expect(await check(false)).toMatchObject({ ok: false, quarantined: 0 });
    expect((await client.getExecution({ execution_id: id })).quarantine).toBeNull();
    expect(await check(true)).toMatchObject({ ok: false, quarantined: 1 });
    expect(await check(true)).toMatchObject({ ok: false, quarantined: 0 });

    const why = { code: 'step_row', reason: 'the log says otherwise of hold: output' };
    expect(await client.getExecution({ execution_id: id })).toMatchObject({
      ...{ status: 'RUNNING', quarantine: why, waits: [] },
    });
    expect((await client.listQuarantined()).items).toMatchObject([
      { execution_id: id, workflow_id: 'order', ...why },
    ]);
    for (const act of ['cancelExecution', 'pauseExecution', 'resumeExecution'] as const) {
      await expect(client[act]({ execution_id: id })).rejects.toMatchObject({
        code: 'EXECUTION_QUARANTINED',
      });
    }
    // Longer than the wait that it is in, and than any look for work that is due.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(asked).toEqual(['hold']);
    const { rows } = await database.admin.query<{ owner: string }>(
      'select owner from workflow_executions where id = $1',
      [id],
    );
    expect(rows).toEqual([{ owner: 'quarantine' }]);

    await repair(id);
    await client.releaseExecution({ execution_id: id });
    await vi.waitUntil(
      async () => (await client.getExecution({ execution_id: id })).status === 'COMPLETED',
      LONG,
    );
    expect(asked).toEqual(['hold', 'pay']);
    expect(await check(true)).toMatchObject({ ok: true, quarantined: 0 });
    expect((await client.listQuarantined()).items).toEqual([]);
    await expect(client.releaseExecution({ execution_id: id })).rejects.toMatchObject({
      code: 'EXECUTION_NOT_QUARANTINED',
    });
  });

  it('is told the audit trail of its tenant when it is set aside, and when it is released', async () => {
    const id = await begun();
    await damage(id);
    await check(true);
    await client.releaseExecution({ execution_id: id });
    const { rows } = await database.admin.query<{ operation: string; actor: string }>(
      `select distinct operation, actor from (
         select coalesce(entry::jsonb -> 'facts', entry::jsonb) as facts from audit_inbox
         where tenant_id = $1 union all
         select content::jsonb from audit_events where tenant_id = $1) told,
         jsonb_to_record(facts) as f (operation text, actor text, target text)
       where target = $2 and operation in ('quarantineExecution', 'releaseExecution')
       order by operation`,
      [tenant, `execution:${id}`],
    );
    expect(rows.map(({ operation }) => operation)).toEqual([
      'quarantineExecution',
      'releaseExecution',
    ]);
    expect(rows[0]?.actor).toBe('platform');
  });

  it('can be set aside by whoever checks, and by nobody else; and whoever checks writes nothing besides', async () => {
    const id = await begun();
    const call = `select quarantine_execution('${tenant}', '${id}', 'x', 'y', now(), '${id}', '{}')`;
    for (const role of ['cloudflow_app', 'cloudflow_engine', 'cloudflow_relay'] as const) {
      await expect(database.pool(role).query(call)).rejects.toMatchObject({ code: '42501' });
    }
    const auditor = database.pool('cloudflow_auditor');
    for (const text of [
      "update workflow_executions set owner = 'quarantine'",
      'delete from quarantined_executions',
      `insert into audit_inbox (tenant_id, id, part, entry) values ('${tenant}', '${id}', 'whole', '{}')`,
    ]) {
      await expect(auditor.query(text)).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('is neither seen nor released by another tenant', async () => {
    const id = await begun();
    await damage(id);
    await check(true);
    const other = await api.createTenant();
    const stranger = api.client(await api.createKey(other, ['*']));
    expect((await stranger.listQuarantined()).items).toEqual([]);
    await expect(stranger.releaseExecution({ execution_id: id })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect((await client.listQuarantined()).items).toHaveLength(1);
  });
});
