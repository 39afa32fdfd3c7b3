import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createIntegrityReader } from '#adapters/postgres/integrity-reader.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { stepErrorCode } from '#core/errors.ts';
import type { IntegrityReader } from '#ports/integrity-reader.ts';
import {
  checkIntegrity,
  type IntegrityReport,
  type ViolationKind,
} from '#services/operations/integrity.ts';
import { cloudflow } from '#test/bin/cli-process.ts';
import { startTestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

/** Succeeds, fails and is undone, or is skipped, as its input says. */
const DEFINITION = {
  workflow_id: 'order',
  version: '1.0.0',
  runtime: 'engine',
  steps: [
    {
      id: 'hold',
      type: 'http_request',
      config: { url: 'https://example.com/hold' },
      compensate: { type: 'http_request', config: { url: 'https://example.com/free' } },
    },
    {
      id: 'gift',
      type: 'http_request',
      when: '{% $input.gift = true %}',
      depends_on: ['hold'],
      config: { url: 'https://example.com/gift' },
    },
    {
      id: 'pay',
      type: 'http_request',
      depends_on: ['hold'],
      config: { url: 'https://example.com/pay', retry: { max_attempts: 1, interval: '1s' } },
    },
  ],
} as const;
const CANARY = 'canary-4711';

describeWithPostgres('the integrity of a store', () => {
  let database: TestDatabase;
  let reader: IntegrityReader;
  let tenant: string;
  const ids: string[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    const api = await startTestApi(database, {
      performer: {
        call: async ({ key, attempt }) =>
          key === 'pay' && attempt === 1
            ? { ok: false, error: { code: stepErrorCode('ServerError'), message: CANARY } }
            : key === 'gift'
              ? { ok: false, error: { code: stepErrorCode('ClientError'), message: CANARY } }
              : { ok: true, output: { said: CANARY }, compensation: null },
        compensate: async () => ({ ok: true }),
      },
    });
    tenant = await api.createTenant();
    const client = api.client(await api.createKey(tenant, ['*']));
    await client.createWorkflow({ body: DEFINITION });
    for (let i = 0; i < 12; i++) {
      const { execution_id: id } = await client.executeWorkflow({
        workflow_id: 'order',
        body: { input: { gift: i % 3 === 0 } },
      });
      ids.push(id);
    }
    await vi.waitUntil(
      async () => {
        const { rows } = await database.admin.query<{ n: string }>(
          'select count(*) as n from workflow_executions where ended_at is not null',
        );
        return rows[0]?.n === '12';
      },
      { timeout: 60_000, interval: 50 },
    );
    await api.close();
    reader = createIntegrityReader({
      pool: database.pool('cloudflow_auditor'),
      codec: createPlainCodec(),
    });
  });

  const check = (executions: number | 'all' = 'all', seed = 1): Promise<IntegrityReport> =>
    checkIntegrity(
      { reader, clock: createSystemClock(), quarantine: null },
      { executions, seed, withinMs: 60_000 },
    );

  /** Undoes the damage of one test, so that each sees only its own. */
  const repairs: (readonly [sql: string, values: readonly unknown[]])[] = [];
  afterEach(async () => {
    for (const [sql, values] of repairs.splice(0).reverse()) {
      await database.admin.query(sql, [...values]);
    }
    expect((await check()).violations).toEqual([]);
  });

  it('is whole where nothing happened to it, and says what was looked at', async () => {
    const report = await check();
    expect(report).toMatchObject({
      ok: true,
      complete: true,
      checked: { executions: 12 },
      totals: { executions: 12, tenants: 1, exact: true },
      violation_count: 0,
    });
    const { rows } = await database.admin.query<{ events: string; steps: string }>(
      `select (select count(*) from execution_events) as events,
              (select count(*) from workflow_steps) as steps`,
    );
    expect(report.totals.events).toBe(Number(rows[0]?.events));
    expect(report.checked.events).toBe(Number(rows[0]?.events));
    expect(report.totals.steps).toBe(Number(rows[0]?.steps));
    expect(Date.parse(report.last_accepted_at ?? '')).toBeGreaterThan(0);
  });

  it('is judged by a sample, the same one for the same seed', async () => {
    const drawn = await reader.sample(4, 7);
    expect(drawn.length).toBeGreaterThanOrEqual(4);
    expect(drawn.length).toBeLessThanOrEqual(6);
    expect(await reader.sample(4, 7)).toEqual(drawn);
    const report = await check(4, 7);
    expect(report).toMatchObject({ ok: true, complete: true, totals: { exact: false } });
    expect(report.checked.executions).toBe(drawn.length);
  });

  it('is left half judged when the time is up, and that is said', async () => {
    const report = await checkIntegrity(
      { reader, clock: createSystemClock(), quarantine: null },
      { executions: 'all', seed: 1, withinMs: -1 },
    );
    expect(report).toMatchObject({ ok: true, complete: false, checked: { executions: 0 } });
  });

  const EVENT = 'tenant_id = $1 and execution_id = $2';

  /** Damage, and what must be found. Each is put right again by `afterEach`. */
  const DAMAGE: readonly {
    readonly name: string;
    readonly kind: ViolationKind;
    readonly says: RegExp;
    readonly sql: string;
    readonly repair: string;
  }[] = [
    {
      name: 'a status that the log does not know',
      kind: 'execution_row',
      says: /^the log says otherwise of status$/,
      sql: "update workflow_executions set status = 'CANCELLED' where tenant_id = $1 and id = $2",
      repair: `update workflow_executions set status = case when error is null then 'COMPLETED' else 'FAILED' end
               where tenant_id = $1 and id = $2`,
    },
    {
      name: 'an output that nobody recorded',
      kind: 'execution_row',
      says: /output/,
      sql: `update workflow_executions set phase = output, output = '0:{"x":1}' where tenant_id = $1 and id = $2`,
      repair:
        'update workflow_executions set output = phase, phase = null where tenant_id = $1 and id = $2',
    },
    {
      name: 'an output that cannot be read',
      kind: 'execution_row',
      says: /output/,
      sql: `update workflow_executions set phase = output, output = '0:{broken' where tenant_id = $1 and id = $2`,
      repair:
        'update workflow_executions set output = phase, phase = null where tenant_id = $1 and id = $2',
    },
    {
      name: 'a step that is said to have failed',
      kind: 'step_row',
      says: /^the log says otherwise of hold: status$/,
      sql: `update workflow_steps set status = 'FAILED' where ${EVENT} and step = 'hold'`,
      repair: `update workflow_steps set status = 'SUCCESS' where ${EVENT} and step = 'hold'`,
    },
    {
      name: 'a row of a step that there is not',
      kind: 'step_row',
      says: /^ghost has a row and nothing in the log$/,
      sql: `insert into workflow_steps (tenant_id, execution_id, step, status, attempts)
            values ($1, $2, 'ghost', 'QUEUED', 0)`,
      repair: `delete from workflow_steps where ${EVENT} and step = 'ghost'`,
    },
    {
      name: 'an event that is gone',
      kind: 'sequence',
      says: /^event 3 is missing before event 1003$/,
      sql: `update execution_events set seq = seq + 1000 where ${EVENT} and seq > 2`,
      repair: `update execution_events set seq = seq - 1000 where ${EVENT} and seq > 1000`,
    },
    {
      name: 'an event that cannot be read',
      kind: 'unreadable',
      says: /^event 2 cannot be read$/,
      sql: `update execution_events set payload = 'x' || payload where ${EVENT} and seq = 2`,
      repair: `update execution_events set payload = substr(payload, 2) where ${EVENT} and seq = 2`,
    },
    {
      name: 'a time that falls',
      kind: 'time',
      says: /^it falls at event 3$/,
      sql: `update execution_events set at = at + interval '1 day' where ${EVENT} and seq <= 2`,
      repair: `update execution_events set at = at - interval '1 day' where ${EVENT} and seq <= 2`,
    },
    {
      name: 'an epoch that falls',
      kind: 'epoch',
      says: /^it falls at event 3$/,
      sql: `update execution_events set epoch = epoch + 9 where ${EVENT} and seq <= 2`,
      repair: `update execution_events set epoch = epoch - 9 where ${EVENT} and seq <= 2`,
    },
    {
      name: 'two events that changed places',
      kind: 'order',
      says: /^event 1 of \d+ is execution_started$/,
      sql: `update execution_events e set payload = o.payload from execution_events o
            where e.tenant_id = $1 and e.execution_id = $2 and e.seq <= 2
              and o.tenant_id = $1 and o.execution_id = $2 and o.seq = 3 - e.seq`,
      repair: `update execution_events e set payload = o.payload from execution_events o
            where e.tenant_id = $1 and e.execution_id = $2 and e.seq <= 2
              and o.tenant_id = $1 and o.execution_id = $2 and o.seq = 3 - e.seq`,
    },
    {
      name: 'a program that no version has',
      kind: 'program',
      says: /^no version has the program nothing$/,
      sql: "update workflow_executions set program_hash = 'nothing' where tenant_id = $1 and id = $2",
      repair: `update workflow_executions set program_hash = (select program_hash from workflow_versions) where tenant_id = $1 and id = $2`,
    },
    {
      name: 'an execution whose log is gone',
      kind: 'orphan',
      says: /^there is an execution and no event$/,
      sql: `update execution_events set tenant_id = '33333333-3333-4333-8333-333333333333' where ${EVENT}`,
      repair: `update execution_events set tenant_id = $1
               where tenant_id = '33333333-3333-4333-8333-333333333333' and execution_id = $2`,
    },
    {
      name: 'a log whose execution is gone',
      kind: 'orphan',
      says: /^there are events and no execution$/,
      sql: `update workflow_executions set tenant_id = '33333333-3333-4333-8333-333333333333'
            where tenant_id = $1 and id = $2`,
      repair: `update workflow_executions set tenant_id = $1
               where tenant_id = '33333333-3333-4333-8333-333333333333' and id = $2`,
    },
  ];

  it.each(DAMAGE)('$name is found, and named without what is stored', async (damage) => {
    const id = ids[0] ?? '';
    await database.admin.query(damage.sql, [tenant, id]);
    repairs.push([damage.repair, [tenant, id]]);
    const report = await check();
    expect(report.ok).toBe(false);
    const own = report.violations.filter(({ execution }) => execution === id);
    expect(own.map(({ kind, message }) => ({ kind, message }))).toContainEqual({
      kind: damage.kind,
      message: expect.stringMatching(damage.says),
    });
    expect(report.violations.every(({ execution }) => execution === id)).toBe(true);
    expect(JSON.stringify(report)).not.toContain(CANARY);
  });

  it('more than a page of damage is counted, and its beginning shown', async () => {
    await database.admin.query(
      "update workflow_steps set attempts = attempts + 1 where tenant_id = $1 and status <> 'SKIPPED'",
      [tenant],
    );
    repairs.push([
      "update workflow_steps set attempts = attempts - 1 where tenant_id = $1 and status <> 'SKIPPED'",
      [tenant],
    ]);
    const report = await check();
    expect(report.violation_count).toBeGreaterThanOrEqual(24);
    expect(report.violations.length).toBe(Math.min(50, report.violation_count));
  });

  it('is what `cloudflow integrity` answers, in words and by its exit status', async () => {
    const env = { DATABASE_URL: database.url };
    const whole = await cloudflow(['integrity', '--executions', 'all'], { env });
    expect(whole).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^✓ 12 executions of 12, \d+ events: rows are what the logs say\n$/,
      ),
    });
    const sql = "update workflow_steps set attempts = $2 where tenant_id = $1 and step = 'hold'";
    await database.admin.query(sql, [tenant, 7]);
    repairs.push([sql, [tenant, 1]]);
    const broken = await cloudflow(['integrity', '--executions', 'all', '--json'], { env });
    expect(broken.status).toBe(1);
    expect(broken.document).toMatchObject({ ok: false, violation_count: 12 });
    const { status, stdout } = await cloudflow(['integrity', '--executions', 'all'], { env });
    expect([status, stdout]).toEqual([
      1,
      expect.stringContaining('the log says otherwise of hold: attempts'),
    ]);
    const gone = new URL(database.url);
    gone.pathname = '/no_such_database';
    expect(await cloudflow(['integrity'], { env: { DATABASE_URL: gone.href } })).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('the database cannot be read'),
    });
  });

  it('is read by a role that can write nothing', async () => {
    const pool = database.pool('cloudflow_auditor');
    for (const sql of [
      'update workflow_executions set phase = null',
      'delete from execution_events',
      `insert into workflow_steps (tenant_id, execution_id, step, status, attempts)
       values ('${tenant}', '${tenant}', 'x', 'QUEUED', 0)`,
      'select * from api_keys',
      'select * from connections',
      'select * from outbox',
    ]) {
      await expect(pool.query(sql), sql).rejects.toThrow(/permission denied/);
    }
  });
});
