import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createStepFunctionsWork } from '#adapters/postgres/step-functions-work.ts';
import type { Client } from '#client/client.ts';
import { type ApiErrorCode, hasErrorCode } from '#core/errors.ts';
import type { JsonObject } from '#core/json.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const CALL: JsonObject = {
  id: 'call',
  type: 'http_request',
  config: { url: 'https://shop.example/' },
};

describeWithPostgres('pausing a workflow', () => {
  let api: TestApi;
  let database: TestDatabase;
  let tenant: string;
  let client: Client;
  let calls: string[];
  /** Calls wait for it. */
  let gate: Promise<void>;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database, {
      performer: {
        call: async ({ executionId }) => {
          calls.push(executionId);
          await gate;
          return { ok: true, output: null, compensation: null };
        },
        compensate: async () => ({ ok: true }),
      },
    });
  });
  beforeEach(async () => {
    calls = [];
    gate = Promise.resolve();
    tenant = await api.createTenant();
    client = api.client(await api.createKey(tenant, ['*']));
    await client.createWorkflow({ body: aDefinition({ steps: [CALL] }) });
  });
  afterAll(() => api?.close());

  const begin = async (body: JsonObject = {}) =>
    (await client.executeWorkflow({ workflow_id: 'greeting', body })).execution_id;
  const get = (execution_id: string) => client.getExecution({ execution_id });
  async function until<T>(look: () => Promise<T>, is: (value: T) => boolean): Promise<T> {
    for (let i = 0; i < 800; i++) {
      const last = await look();
      if (is(last)) return last;
      await pause(15);
    }
    throw new Error('never so');
  }
  const ended = (id: string) =>
    until(
      () => get(id),
      ({ ended_at }) => ended_at !== null,
    );
  const rejects = (promise: Promise<unknown>, code: ApiErrorCode) =>
    expect(promise).rejects.toSatisfy((error) => hasErrorCode(error, code));
  const pauseIt = (body = {}) => client.pauseWorkflow({ workflow_id: 'greeting', body });
  const resumeIt = () => client.resumeWorkflow({ workflow_id: 'greeting' });

  it('holds what is started and lets what runs go on; resume lets the oldest begin first', async () => {
    let open = () => {};
    gate = new Promise((resolve) => {
      open = resolve;
    });
    const running = await begin();
    await until(
      async () => calls.length,
      (count) => count === 1,
    );
    const paused = await pauseIt({ reason: 'the shop is down' });
    expect(paused.paused).toMatchObject({
      reason: 'the shop is down',
      by: expect.stringMatching(/^key:/),
    });
    open();
    expect((await ended(running)).status).toBe('COMPLETED');

    const held: string[] = [];
    for (let i = 0; i < 5; i++) held.push(await begin());
    await pause(600); // two polls of the engine and more
    for (const id of held) {
      expect(await get(id)).toMatchObject({
        status: 'PENDING',
        phase: 'queued',
        waits: [{ step: null, reason: 'turn' }],
      });
    }
    expect(calls).toEqual([running]);

    expect((await resumeIt()).paused).toBeNull();
    for (const id of held) expect((await ended(id)).status).toBe('COMPLETED');
    const { rows: order } = await database.admin.query<{ id: string }>(
      `select id from workflow_executions where tenant_id = $1 and id = any ($2)
       order by started_at, id`,
      [tenant, held],
    );
    expect(order.map(({ id }) => id)).toEqual(held);
    expect((await ended(await begin())).status).toBe('COMPLETED');
  });

  it('is seen in the workflow and its list, changes its ETag, and minds If-Match', async () => {
    const before = await client.getWorkflow({ workflow_id: 'greeting' });
    expect(before.paused).toBeNull();
    const { revision } = await revisionOf();
    await pauseIt();
    expect((await revisionOf()).revision).toBe(revision + 1);
    const { items } = await client.listWorkflows({});
    expect(items.map(({ paused }) => paused?.reason)).toEqual([null]);
    await rejects(
      client.resumeWorkflow({ workflow_id: 'greeting', ifMatch: '"0-old"' } as never),
      'PRECONDITION_FAILED',
    );
    await rejects(pauseIt(), 'CONFLICT');
    await resumeIt();
    await rejects(resumeIt(), 'WORKFLOW_NOT_PAUSED');
    await rejects(client.pauseWorkflow({ workflow_id: 'other' }), 'NOT_FOUND');
  });

  async function revisionOf(): Promise<{ revision: number }> {
    const { rows } = await database.admin.query<{ revision: number }>(
      'select revision from workflows where tenant_id = $1',
      [tenant],
    );
    return rows[0] as { revision: number };
  }

  it('one that waits can be cancelled and then has done nothing; pausing it alone is refused', async () => {
    await pauseIt();
    const id = await begin();
    await rejects(client.pauseExecution({ execution_id: id }), 'CONFLICT');
    await client.cancelExecution({ execution_id: id, body: { reason: 'not needed' } });
    expect((await ended(id)).status).toBe('CANCELLED');
    const other = await begin({ runtime: 'step_functions' });
    await client.cancelExecution({ execution_id: other });
    expect((await ended(other)).status).toBe('CANCELLED');
    expect(calls).toEqual([]);
    expect((await client.listSteps({ execution_id: id })).items).not.toContainEqual(
      expect.objectContaining({ status: 'EXECUTING' }),
    );
  });

  it('holds starts on Step Functions too: its driver does not find them before they are let in', async () => {
    const work = createStepFunctionsWork({
      pool: database.pool('cloudflow_engine'),
      codec: createPlainCodec(),
    });
    const found = async () =>
      (await work.open('PENDING', null, 100)).map(({ executionId }) => executionId);
    await pauseIt();
    const id = await begin({ runtime: 'step_functions' });
    expect(api.hints).not.toContainEqual(expect.objectContaining({ executionId: id }));
    expect(await found()).not.toContain(id);
    await resumeIt();
    await until(found, (ids) => ids.includes(id));
    expect((await get(id)).phase).toBeNull();
  });

  it('a repeated start is the same execution, also when no more may wait', async () => {
    await pauseIt();
    await database.admin.query('update start_gates set max_waiting = 2 where tenant_id = $1', [
      tenant,
    ]);
    const id = '01900000-0000-7000-8000-000000000000';
    const now = Date.now().toString(16).padStart(12, '0');
    const own = `${now.slice(0, 8)}-${now.slice(8)}-${id.slice(14)}`;
    expect(await begin({ execution_id: own })).toBe(own);
    await begin();
    const full = await begin().catch((error: unknown) => error);
    expect(hasErrorCode(full, 'TOO_MANY_WAITING')).toBe(true);
    expect(await begin({ execution_id: own })).toBe(own);
    await rejects(begin({ execution_id: own, input: { another: 1 } }), 'EXECUTION_CONFLICT');
    expect((await client.listExecutions({})).items).toHaveLength(2);
  });

  it('holds one tenant and one mode: others begin', async () => {
    await pauseIt();
    const test = api.client(await api.createKey(tenant, ['*'], { mode: 'test' }));
    const other = api.client(await api.createKey(await api.createTenant(), ['*']));
    for (const another of [test, other]) {
      await another.createWorkflow({ body: aDefinition({ steps: [CALL] }) }).catch(() => null);
    }
    const { execution_id } = await other.executeWorkflow({ workflow_id: 'greeting', body: {} });
    await until(
      () => other.getExecution({ execution_id }),
      ({ status }) => status === 'COMPLETED',
    );
  });

  it('is not deleted while it is paused, for what waits would wait for ever', async () => {
    await pauseIt();
    const id = await begin();
    await rejects(client.deleteWorkflow({ workflow_id: 'greeting' }), 'WORKFLOW_PAUSED');
    await resumeIt();
    await client.deleteWorkflow({ workflow_id: 'greeting' });
    expect((await ended(id)).status).toBe('COMPLETED');
  });

  it('needs the permission to control executions', async () => {
    const author = api.client(await api.createKey(tenant, ['workflow:write', 'workflow:read']));
    await rejects(author.pauseWorkflow({ workflow_id: 'greeting' }), 'PERMISSION_DENIED');
  });
});
