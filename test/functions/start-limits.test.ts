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

describeWithPostgres('limits on starts', () => {
  let api: TestApi;
  let database: TestDatabase;
  let tenant: string;
  let client: Client;
  /** Calls that are under way, in the order in which they came; each waits to be let go. */
  let calls: { readonly id: string; readonly end: () => void }[];
  let begun: string[];

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database, {
      performer: {
        call: ({ executionId }) =>
          new Promise((resolve) => {
            begun.push(executionId);
            calls.push({
              id: executionId,
              end: () => resolve({ ok: true, output: null, compensation: null }),
            });
          }),
        compensate: async () => ({ ok: true }),
      },
    });
  });
  beforeEach(async () => {
    calls = [];
    begun = [];
    tenant = await api.createTenant();
    client = api.client(await api.createKey(tenant, ['*']));
  });
  afterAll(() => api?.close());

  const store = (more: JsonObject = {}) =>
    client.createWorkflow({ body: aDefinition({ steps: [CALL], ...more }) });
  const begin = async (body: JsonObject = {}, workflow_id = 'greeting') =>
    client.executeWorkflow({ workflow_id, body });
  const get = (execution_id: string) => client.getExecution({ execution_id });
  async function until<T>(look: () => T | Promise<T>, is: (value: T) => boolean): Promise<T> {
    for (let i = 0; i < 1_500; i++) {
      const last = await look();
      if (is(last)) return last;
      await pause(15);
    }
    throw new Error('never so');
  }
  const running = (count: number) =>
    until(
      () => calls.length,
      (length) => length === count,
    );
  async function endNext(): Promise<string> {
    const next = await until(
      () => calls[0],
      (call) => call !== undefined,
    );
    calls.shift();
    next?.end();
    return next?.id ?? '';
  }
  const rejects = (promise: Promise<unknown>, code: ApiErrorCode) =>
    expect(promise).rejects.toSatisfy((error) => hasErrorCode(error, code));

  it('a definition says how many run at once: the next begins when one has ended, in order', async () => {
    await store({ limits: { concurrency: 2 } });
    const started: { execution_id: string; held: boolean }[] = [];
    for (let i = 0; i < 5; i++) started.push(await begin());
    expect(started.map(({ held }) => held)).toEqual([false, false, true, true, true]);
    const ids = started.map(({ execution_id }) => execution_id);
    await running(2);
    expect(await get(ids[3] as string)).toMatchObject({
      status: 'PENDING',
      phase: 'queued',
      held: { because: 'workflow_concurrency', place: 2, waiting: 3, limit: 2, running: 2 },
      waits: [{ reason: 'turn', detail: expect.stringContaining('2 of 2 executions') }],
    });
    const { items } = await client.listExecutions({ query: { held: true } });
    expect(items.map(({ id }) => id).sort()).toEqual(ids.slice(2));
    for (let ended = 0; ended < 5; ended++) {
      await running(Math.min(2, 5 - ended));
      await endNext();
    }
    await until(
      () => get(ids[4] as string),
      ({ status }) => status === 'COMPLETED',
    );
    expect(begun.slice(2)).toEqual(ids.slice(2));
    expect((await get(ids[4] as string)).held).toBeNull();
    expect(await client.getWorkflowLimits({ workflow_id: 'greeting' })).toMatchObject({
      declared: { concurrency: 2, starts: null, max_waiting: null },
      set: null,
      running: 0,
      waiting: 0,
      oldest_waiting: null,
    });
  });

  it('what runs already is counted when a limit is new, and nothing begins before it is', async () => {
    await store();
    await begin();
    await begin();
    await running(2);
    const limits = await client.setWorkflowLimits({
      workflow_id: 'greeting',
      body: { concurrency: 2, max_waiting: 7 },
      ifMatch: '*',
    });
    expect(limits).toMatchObject({
      declared: null,
      set: { concurrency: 2, starts: null, max_waiting: 7, by: expect.stringMatching(/^key:/) },
      running: 2,
    });
    const { execution_id, held } = await begin();
    expect(held).toBe(true);
    await until(
      () => get(execution_id),
      (shown) => shown.held?.because === 'workflow_concurrency',
    );
    expect(calls).toHaveLength(2);
    await endNext();
    await until(
      () => begun,
      (ids) => ids.includes(execution_id),
    );
    // The stricter of the two holds, and taking it away lets everything begin.
    const more = (await begin()).execution_id;
    await client.setWorkflowLimits({ workflow_id: 'greeting', body: {}, ifMatch: '*' });
    await until(
      () => begun,
      (ids) => ids.includes(more),
    );
    expect((await client.getWorkflowLimits({ workflow_id: 'greeting' })).set).toBeNull();
  });

  it('of a rate: no more begin within a span, and it is told when the next may', async () => {
    await store({ limits: { starts: { count: 3, per: '1h' } } });
    const started: { execution_id: string; held: boolean }[] = [];
    for (let i = 0; i < 4; i++) started.push(await begin());
    expect(started.map(({ held }) => held)).toEqual([false, false, false, true]);
    for (let i = 0; i < 3; i++) await endNext();
    const shown = await get(started[3]?.execution_id as string);
    expect(shown.held).toMatchObject({ because: 'workflow_starts', place: 1, limit: null });
    const first = await get(started[0]?.execution_id as string);
    expect(Date.parse(shown.held?.until ?? '') - Date.parse(first.created_at)).toBe(3_600_000);
    await pause(600);
    expect(begun).toHaveLength(3);
    // An hour later, as far as the gate can tell.
    await database.admin.query(
      `update workflow_executions set let_in_at = let_in_at - interval '1 hour' where tenant_id = $1`,
      [tenant],
    );
    await until(
      () => begun.length,
      (count) => count === 4,
    );
  });

  it('of all workflows together: what waits goes in the order of turns, whatever workflow it is of', async () => {
    await store();
    await store({ workflow_id: 'other' });
    await client.setLimits({ body: { concurrency: 1 }, ifMatch: '*' });
    const first = await begin();
    await until(
      () => calls.length,
      (count) => count === 1,
    );
    const order = [first.execution_id];
    for (const workflow of ['other', 'greeting', 'other']) {
      order.push((await begin({}, workflow)).execution_id);
    }
    expect((await get(order[2] as string)).held).toMatchObject({
      because: 'tenant_concurrency',
      place: 1,
      limit: 1,
      running: 1,
    });
    expect(await client.getLimits({})).toMatchObject({ running: 1, waiting: 3 });
    for (let i = 0; i < 4; i++) await endNext();
    expect(begun).toEqual(order);
  });

  it('priority goes first, and a definition may say which', async () => {
    await store({ limits: { concurrency: 1 }, priority: 2 });
    await begin();
    const low = (await begin({ priority: 0 })).execution_id;
    const declared = (await begin()).execution_id;
    const high = (await begin({ priority: 9 })).execution_id;
    expect((await get(declared)).priority).toBe(2);
    expect((await get(high)).held?.place).toBe(1);
    for (let i = 0; i < 4; i++) await endNext();
    expect(begun.slice(1)).toEqual([high, declared, low]);
    await rejects(begin({ priority: 10 }), 'REQUEST_INVALID');
  });

  it('one that waited long enough is passed by no priority', async () => {
    await store({ limits: { concurrency: 1 } });
    await begin();
    const old = (await begin()).execution_id;
    // It has waited for 46 minutes: a step of priority is worth five, and there are nine.
    await database.admin.query(
      `update waiting_starts set turn = turn - interval '46 minutes' where execution_id = $1`,
      [old],
    );
    const urgent = (await begin({ priority: 9 })).execution_id;
    for (let i = 0; i < 3; i++) await endNext();
    expect(begun.slice(1)).toEqual([old, urgent]);
  });

  it('when as many wait as may, the next is refused; a repeat of one that waits is not', async () => {
    await store({ limits: { concurrency: 1, max_waiting: 2 } });
    await begin();
    await begin();
    const now = Date.now().toString(16).padStart(12, '0');
    const own = `${now.slice(0, 8)}-${now.slice(8)}-7000-8000-000000000000`;
    await begin({ execution_id: own });
    const full = await begin().catch((error: unknown) => error);
    expect(full).toMatchObject({ code: 'TOO_MANY_WAITING', details: { retry_after_seconds: 30 } });
    expect(await begin({ execution_id: own })).toMatchObject({ execution_id: own, held: true });
    expect((await client.listExecutions({})).items).toHaveLength(3);
  });

  it('cancelling one that waits frees its place and takes no slot; cancelling one that runs frees its slot', async () => {
    await store({ limits: { concurrency: 1 } });
    const runs = (await begin()).execution_id;
    await running(1);
    const waits = (await begin()).execution_id;
    const next = (await begin()).execution_id;
    await client.cancelExecution({ execution_id: waits });
    await until(
      () => get(waits),
      ({ status }) => status === 'CANCELLED',
    );
    expect(begun).toEqual([runs]);
    await client.cancelExecution({ execution_id: runs });
    await until(
      () => begun,
      (ids) => ids.includes(next),
    );
    expect(begun).toEqual([runs, next]);
  });

  it('an execution on Step Functions takes a slot as any other, and frees it when it ends', async () => {
    const work = createStepFunctionsWork({
      pool: database.pool('cloudflow_engine'),
      codec: createPlainCodec(),
    });
    await store({ limits: { concurrency: 1 } });
    const machine = await begin({ runtime: 'step_functions' });
    expect(machine.held).toBe(false);
    const held = await begin({ runtime: 'step_functions' });
    const engine = await begin({ runtime: 'engine' });
    expect([held.held, engine.held]).toEqual([true, true]);
    const open = async () =>
      (await work.open('PENDING', null, 100)).map((each) => each.executionId);
    await pause(600);
    expect(await open()).toEqual([machine.execution_id]);
    // What its driver writes at its end.
    await database.admin.query(
      `update workflow_executions set status = 'FAILED', ended_at = now() where id = $1`,
      [machine.execution_id],
    );
    await until(open, (ids) => ids.includes(held.execution_id));
    expect(begun).toEqual([]);
  });

  it('a retry waits as any start', async () => {
    await store({ limits: { concurrency: 1 } });
    const first = (await begin()).execution_id;
    await running(1);
    await client.cancelExecution({ execution_id: first });
    await until(
      () => get(first),
      ({ status }) => status === 'CANCELLED',
    );
    calls = [];
    await begin();
    await running(1);
    const retried = await client.retryExecution({ execution_id: first, body: {} });
    const id = retried.execution_id as string;
    expect((await get(id)).held?.because).toBe('workflow_concurrency');
    await endNext();
    await until(
      () => begun,
      (ids) => ids.includes(id),
    );
  });

  it('a newer version says what holds for all; a version that says nothing takes it away', async () => {
    await store({ limits: { concurrency: 1 } });
    await begin();
    const held = (await begin()).execution_id;
    await store({ version: '2.0.0', limits: { concurrency: 2 } });
    await until(
      () => begun,
      (ids) => ids.includes(held),
    );
    await store({ version: '1.5.0', limits: { concurrency: 1 } });
    expect((await client.getWorkflowLimits({ workflow_id: 'greeting' })).declared).toMatchObject({
      concurrency: 2,
    });
    const third = (await begin()).execution_id;
    await store({ version: '3.0.0' });
    await until(
      () => begun,
      (ids) => ids.includes(third),
    );
  });

  it('a pause says what still runs, and what waits goes on waiting for a slot after it', async () => {
    await store({ limits: { concurrency: 1 } });
    const runs = (await begin()).execution_id;
    await running(1);
    const held = (await begin()).execution_id;
    const paused = await client.pauseWorkflow({ workflow_id: 'greeting' });
    expect(paused.running).toEqual({ count: 1, execution_ids: [runs] });
    expect((await get(held)).held?.because).toBe('paused');
    await endNext();
    await pause(600);
    expect(begun).toEqual([runs]);
    await client.resumeWorkflow({ workflow_id: 'greeting' });
    await until(
      () => begun,
      (ids) => ids.includes(held),
    );
  });

  it('whoever sets limits says what they saw, and learns if somebody was faster', async () => {
    const seen = await fetch(new URL('/api/v1/limits', api.server.url), {
      headers: { authorization: `Bearer ${await api.createKey(tenant, ['*'])}` },
    });
    const tag = seen.headers.get('etag') as string;
    await client.setLimits({ body: { concurrency: 5 }, ifMatch: tag });
    await rejects(client.setLimits({ body: {}, ifMatch: tag }), 'PRECONDITION_FAILED');
    expect((await client.getLimits({})).set).toMatchObject({ concurrency: 5 });
  });

  it('holds one mode of one tenant; a key for certain workflows sets no limits of all', async () => {
    await store();
    await client.setLimits({ body: { concurrency: 1 }, ifMatch: '*' });
    await begin();
    expect((await begin()).held).toBe(true);
    const test = api.client(await api.createKey(tenant, ['*'], { mode: 'test' }));
    await test.createWorkflow({ body: aDefinition({ steps: [CALL] }) });
    for (let i = 0; i < 2; i++) {
      const { held } = await test.executeWorkflow({ workflow_id: 'greeting', body: {} });
      expect(held).toBe(false);
    }
    const narrow = api.client(await api.createKey(tenant, ['*'], { workflows: ['greeting'] }));
    await rejects(narrow.setLimits({ body: {}, ifMatch: '*' }), 'PERMISSION_DENIED');
    await rejects(narrow.getLimits({}), 'PERMISSION_DENIED');
    await rejects(narrow.getWorkflowLimits({ workflow_id: 'other' }), 'NOT_FOUND');
    const reader = api.client(await api.createKey(tenant, ['workflow:read', 'workflow:write']));
    await rejects(
      reader.setWorkflowLimits({ workflow_id: 'greeting', body: {}, ifMatch: '*' }),
      'PERMISSION_DENIED',
    );
    await rejects(
      client.setWorkflowLimits({ workflow_id: 'gone', body: {}, ifMatch: '*' }),
      'NOT_FOUND',
    );
    for (const body of [{ concurrency: 0 }, { starts: { count: 1 } }, { starts: null }]) {
      await rejects(client.setLimits({ body: body as never, ifMatch: '*' }), 'REQUEST_INVALID');
    }
  });
});
