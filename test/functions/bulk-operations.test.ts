import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { createBulkWork } from '#adapters/postgres/bulk-operations.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import type { Client } from '#client/client.ts';
import { type ApiErrorCode, hasErrorCode } from '#core/errors.ts';
import type { JsonObject } from '#core/json.ts';
import type { BulkWork } from '#ports/bulk-operations.ts';
import { NO_CACHE } from '#ports/cache.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { createAuditor } from '#services/audit/auditor.ts';
import { bulkTurn } from '#services/executions/bulk-worker.ts';
import { createCatalog } from '#services/workflows/catalog.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const NAP: JsonObject = { id: 'nap', type: 'wait', config: { duration: '1h' } };
const CALL: JsonObject = {
  id: 'call',
  type: 'http_request',
  config: { url: 'https://shop.example/' },
};

describeWithPostgres('bulk operations', () => {
  let api: TestApi;
  let database: TestDatabase;
  let tenant: string;
  let client: Client;
  let work: BulkWork;
  let fails: boolean;
  let turn: (work?: BulkWork) => Promise<boolean>;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database, {
      performer: {
        call: async () =>
          fails
            ? { ok: false, error: { code: 'CloudFlow.ClientError', message: 'no' } }
            : { ok: true, output: null, compensation: null },
        compensate: async () => ({ ok: true }),
      },
    });
    const app = database.pool('cloudflow_app');
    const codec = createPlainCodec();
    const ids = createIds();
    const { clock } = api;
    const log = { ...silent(), with: () => silent() } as never;
    work = createBulkWork({ pool: database.pool('cloudflow_engine'), codec });
    turn = (by = work) =>
      bulkTurn({
        ...{ clock, ids, log, work: by, runtimes: new Set(['engine']) },
        executions: createExecutionAccess({
          ...{ pool: app, readers: app, codec, ids, adopter: null },
          partitions: createPartitions(app),
        }),
        programs: createPostgresPrograms(app, NO_CACHE),
        catalog: createCatalog(createPostgresWorkflowStore({ pool: app, codec, ids }), NO_CACHE),
        hints: { accepted() {}, signalled() {} },
        auditor: createAuditor({
          ...{ clock, ids, log, randomBytes, metrics: NO_METRICS },
          trail: createPostgresAuditTrail(app),
        }),
      });
  });
  beforeEach(async () => {
    fails = false;
    tenant = await api.createTenant();
    client = api.client(await api.createKey(tenant, ['*']));
    await client.createWorkflow({ body: aDefinition({ workflow_id: 'sleeps', steps: [NAP] }) });
    await client.createWorkflow({ body: aDefinition({ workflow_id: 'calls', steps: [CALL] }) });
  });
  afterAll(() => api?.close());

  function silent() {
    return { debug() {}, info() {}, warn() {}, error() {} };
  }
  async function begin(workflow_id: string, many: number, by = client): Promise<string[]> {
    const started = Array.from({ length: many }, () => by.executeWorkflow({ workflow_id }));
    return (await Promise.all(started)).map(({ execution_id }) => execution_id);
  }
  async function until(is: () => Promise<boolean>): Promise<void> {
    for (let i = 0; i < 800; i++) {
      if (await is()) return;
      await pause(15);
    }
    throw new Error('never so');
  }
  async function statuses(): Promise<Record<string, number>> {
    const { rows } = await database.admin.query<{ status: string; n: number }>(
      `select status, count(*)::integer as n from workflow_executions
       where tenant_id = $1 group by status order by status`,
      [tenant],
    );
    return Object.fromEntries(rows.map(({ status, n }) => [status, n]));
  }
  const become = (wanted: Record<string, number>) =>
    until(async () => JSON.stringify(await statuses()) === JSON.stringify(wanted));
  const show = (operation_id: string) => client.getBulkOperation({ operation_id });
  async function start(body: Parameters<Client['startBulkOperation']>[0]['body'], by = client) {
    const { id } = await by.startBulkOperation({ body });
    if (id === null) throw new Error('it has no id');
    return id;
  }
  const rejects = (promise: Promise<unknown>, code: ApiErrorCode) =>
    expect(promise).rejects.toSatisfy((error) => hasErrorCode(error, code));

  it('a dry run counts and shows, and changes nothing', async () => {
    await begin('sleeps', 12);
    await become({ RUNNING: 12 });
    const shown = await client.startBulkOperation({
      body: { action: 'cancel', filter: { workflow_id: 'sleeps' }, dry_run: true },
    });
    expect(shown).toMatchObject({
      id: null,
      status: 'DRY_RUN',
      preview: { count: 12, more: false },
    });
    expect(shown.preview?.sample).toHaveLength(10);
    const some = await client.startBulkOperation({
      body: { action: 'cancel', limit: 5, dry_run: true },
    });
    expect(some.preview).toMatchObject({ count: 5, more: true });
    expect((await client.listBulkOperations({})).items).toEqual([]);
    expect(await turn()).toBe(false);
    expect(await statuses()).toEqual({ RUNNING: 12 });
  });

  it('cancels what the filter finds, batch by batch, and each change is in the audit trail', async () => {
    const others = await begin('calls', 1);
    await begin('sleeps', 70);
    await become({ COMPLETED: 1, RUNNING: 70 });
    const id = await start({ action: 'cancel', filter: { workflow_id: 'sleeps' }, reason: 'over' });
    const later = await begin('sleeps', 1);
    expect(await turn()).toBe(true);
    expect(await show(id)).toMatchObject({ status: 'RUNNING', seen: 50, changed: 50 });
    expect(await turn()).toBe(true);
    expect(await show(id)).toMatchObject({
      status: 'COMPLETED',
      seen: 70,
      changed: 70,
      refused: 0,
    });
    expect(await turn()).toBe(false);
    await become({ CANCELLED: 70, COMPLETED: 1, RUNNING: 1 });
    expect((await client.getExecution({ execution_id: later[0] ?? '' })).status).toBe('RUNNING');
    expect((await client.getExecution({ execution_id: others[0] ?? '' })).status).toBe('COMPLETED');
    await api.sealAudit();
    const told = await client.listAuditEvents({
      query: { operation: 'cancelExecution', limit: 200 },
    });
    expect(told.items).toHaveLength(70);
    expect(told.items[0]).toMatchObject({
      outcome: 'done',
      actor: expect.stringMatching(/^key:/),
      details: { bulk_operation: id },
    });
  });

  it('a batch that was interrupted is done again, and a retry is not made twice', async () => {
    fails = true;
    await begin('calls', 8);
    await become({ FAILED: 8 });
    fails = false;
    const id = await start({ action: 'retry', filter: { workflow_id: 'calls' } });
    const dies: BulkWork = { ...work, save: () => Promise.reject(new Error('killed')) };
    await expect(turn(dies)).rejects.toThrow('killed');
    expect(await turn()).toBe(false); // leased still
    await become({ COMPLETED: 8, FAILED: 8 });
    await database.admin.query(`update bulk_operations set lease_until = '-infinity'`);
    expect(await turn()).toBe(true);
    expect(await show(id)).toMatchObject({ status: 'COMPLETED', seen: 8, changed: 8 });
    expect(await statuses()).toEqual({ COMPLETED: 8, FAILED: 8 });
  });

  it('whoever lost its lease writes nothing any more', async () => {
    await begin('sleeps', 3);
    await become({ RUNNING: 3 });
    const id = await start({ action: 'pause' });
    const first = await work.claim(1);
    await pause(20);
    expect(await turn()).toBe(true);
    if (first === null) throw new Error('nothing was claimed');
    const stale = { ...first, position: null, endedAt: null };
    expect(await work.save(first, { ...stale, seen: 99 })).toBe(false);
    expect(await show(id)).toMatchObject({ seen: 3, changed: 3 });
  });

  it('what cannot be changed is counted and named', async () => {
    const ids = await begin('sleeps', 3);
    await become({ RUNNING: 3 });
    await turnAll(await start({ action: 'pause' }));
    const again = await start({ action: 'pause' });
    await turnAll(again);
    const found = await show(again);
    expect(found).toMatchObject({
      status: 'COMPLETED',
      seen: 3,
      changed: 0,
      refused: 3,
      failed: 0,
    });
    expect(found.refusals.map(({ execution_id }) => execution_id).sort()).toEqual([...ids].sort());
    expect(new Set(found.refusals.map(({ code }) => code))).toEqual(new Set(['CONFLICT']));
    const resumed = await start({ action: 'resume' });
    await turnAll(resumed);
    expect(await show(resumed)).toMatchObject({ changed: 3, refused: 0 });
  });

  async function turnAll(id: string): Promise<void> {
    for (let i = 0; i < 10 && (await show(id)).status === 'RUNNING'; i++) await turn();
  }

  it('tenants take turns, and of one tenant what was asked for first is done first', async () => {
    const other = api.client(await api.createKey(await api.createTenant(), ['*']));
    await other.createWorkflow({ body: aDefinition({ workflow_id: 'sleeps', steps: [NAP] }) });
    await begin('sleeps', 120);
    await begin('sleeps', 2, other);
    const flood = await start({ action: 'pause' });
    const second = await start({ action: 'resume' });
    const small = await start({ action: 'cancel' }, other);
    await turn();
    await turn();
    expect(await other.getBulkOperation({ operation_id: small })).toMatchObject({
      status: 'COMPLETED',
      changed: 2,
    });
    expect(await show(flood)).toMatchObject({ status: 'RUNNING', seen: 50 });
    expect(await show(second)).toMatchObject({ seen: 0 });
    await turnAll(flood);
    await turnAll(second);
    expect(await show(second)).toMatchObject({ status: 'COMPLETED', changed: 120 });
  });

  it('it can be ended early, and what it has done stays done', async () => {
    await begin('sleeps', 60);
    const id = await start({ action: 'cancel' });
    await turn();
    expect(await client.cancelBulkOperation({ operation_id: id })).toMatchObject({
      status: 'CANCELLED',
      changed: 50,
    });
    expect(await turn()).toBe(false);
    expect((await client.cancelBulkOperation({ operation_id: id })).status).toBe('CANCELLED');
    await become({ CANCELLED: 50, RUNNING: 10 });
    await rejects(
      client.cancelBulkOperation({ operation_id: '019396f2-7a10-7c3e-8f21-5b7d0c9e4a61' }),
      'NOT_FOUND',
    );
  });

  it('a key for some workflows changes these and no others, and sees no other operation', async () => {
    await begin('sleeps', 2);
    await begin('calls', 1);
    const key = await api.createKey(tenant, ['execution:*'], { workflows: ['calls'] });
    const narrow = api.client(key);
    const wide = await start({ action: 'pause' });
    await turnAll(wide);
    await rejects(narrow.getBulkOperation({ operation_id: wide }), 'NOT_FOUND');
    const own = await start({ action: 'cancel' }, narrow);
    await turnAll(own);
    expect(await show(own)).toMatchObject({ changed: 0 });
    expect((await statuses())['CANCELLED']).toBeUndefined();
  });

  it('refuses a status that the action is not possible for, and more than 20 at once', async () => {
    await rejects(
      client.startBulkOperation({ body: { action: 'cancel', filter: { status: 'COMPLETED' } } }),
      'REQUEST_INVALID',
    );
    for (let i = 0; i < 20; i++) await start({ action: 'cancel' });
    await rejects(client.startBulkOperation({ body: { action: 'cancel' } }), 'TOO_MANY_WAITING');
    await database.admin.query(`delete from bulk_operations where tenant_id = $1`, [tenant]);
  });
});
