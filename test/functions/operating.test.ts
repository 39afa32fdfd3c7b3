import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '#client/client.ts';
import { type ApiErrorCode, hasErrorCode } from '#core/errors.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { CallResult, StepCall } from '#steps/perform-call.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const http = (id: string, more: JsonObject = {}): JsonObject => ({
  id,
  type: 'http_request',
  config: { url: 'https://shop.example/' },
  ...more,
});
const following = (...ids: string[]): JsonObject => ({ depends_on: ids });

describeWithPostgres('operating an execution through the API', () => {
  let api: TestApi;
  let database: TestDatabase;
  let tenant: string;
  let client: Client;
  let calls: StepCall[];
  /** What each step's call answers; without one it succeeds. */
  let answers: Map<string, (call: StepCall) => CallResult>;
  let tokens: string[];

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database, {
      performer: {
        call: async (call) => {
          calls.push(call);
          if (call.callback !== undefined) tokens.push(call.callback.token);
          const answer = answers.get(call.key);
          if (answer !== undefined) return answer(call);
          const output: Json = call.callback === undefined ? { of: call.key } : null;
          return { ok: true, output, compensation: null };
        },
        compensate: async () => ({ ok: true }),
      },
    });
  });
  beforeEach(async () => {
    calls = [];
    tokens = [];
    answers = new Map();
    tenant = await api.createTenant();
    client = api.client(await api.createKey(tenant, ['*']));
  });
  afterAll(() => api?.close());

  async function start(steps: JsonObject[], more: JsonObject = {}, body = {}): Promise<string> {
    await client.createWorkflow({ body: aDefinition({ steps, ...more }) });
    const started = await client.executeWorkflow({ workflow_id: 'greeting', body });
    return started.execution_id;
  }

  /** Looks until it is so: the engine works beside us, and what it stores is seen here. */
  async function until<T>(look: () => Promise<T>, is: (value: T) => boolean): Promise<T> {
    let last: T | undefined;
    for (let i = 0; i < 400; i++) {
      last = await look();
      if (is(last)) return last;
      await pause(15);
    }
    throw new Error(`never so; last seen ${JSON.stringify(last)}`);
  }
  const get = (execution_id: string) => client.getExecution({ execution_id });
  const ended = (id: string) =>
    until(
      () => get(id),
      ({ status }) => status !== 'PENDING' && status !== 'RUNNING',
    );
  const waiting = (id: string, reason: string) =>
    until(
      () => get(id),
      ({ waits }) => waits.some((wait) => wait.reason === reason),
    );
  function rejects(promise: Promise<unknown>, code: ApiErrorCode) {
    return expect(promise).rejects.toSatisfy((error) => hasErrorCode(error, code));
  }

  const LONG = { id: 'nap', type: 'wait', config: { duration: '1h' } };

  it('says why it waits, for the execution and each of its steps', async () => {
    const id = await start([LONG, http('after', following('nap'))]);
    const found = await waiting(id, 'timer');
    expect(found.status).toBe('RUNNING');
    const byStep = Object.fromEntries(found.waits.map((wait) => [wait.step ?? '', wait]));
    expect(byStep['nap']).toMatchObject({ reason: 'timer', until: expect.any(String) });
    expect(byStep['after']).toMatchObject({ reason: 'dependencies', on: ['nap'] });
    expect(byStep['after']?.detail).toBe('waits for nap');
    expect(byStep['']).toMatchObject({ reason: 'body', on: ['nap', 'after'] });
  });

  it('cancel ends it, once', async () => {
    const id = await start([LONG]);
    await waiting(id, 'timer');
    await client.cancelExecution({ execution_id: id, body: { reason: 'not needed' } });
    const found = await ended(id);
    expect(found.status).toBe('CANCELLED');
    await rejects(client.cancelExecution({ execution_id: id }), 'EXECUTION_FINISHED');
    await rejects(client.pauseExecution({ execution_id: id }), 'EXECUTION_FINISHED');
    await rejects(client.resumeExecution({ execution_id: id }), 'EXECUTION_FINISHED');
    const events = await client.listEvents({ execution_id: id });
    expect(events.items.find(({ type }) => type === 'cancel_requested')?.data).toMatchObject({
      reason: 'not needed',
      compensate: false,
      by: expect.stringMatching(/^key:/),
    });
  });

  it('pause holds what comes next, resume lets it go', async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    answers.set('one', (() =>
      gate.then(() => ({ ok: true, output: 1, compensation: null }))) as never);
    const id = await start([http('one'), http('two', following('one'))]);
    await until(
      async () => calls.length,
      (count) => count === 1,
    );
    await rejects(client.resumeExecution({ execution_id: id }), 'EXECUTION_NOT_PAUSED');
    await client.pauseExecution({ execution_id: id });
    await rejects(client.pauseExecution({ execution_id: id }), 'CONFLICT');
    // Accepted is not yet heard: what was decided before goes on.
    await waiting(id, 'pause');
    open();
    await until(
      () => client.listSteps({ execution_id: id }),
      ({ items }) => items.some(({ step, status }) => step === 'one' && status === 'SUCCESS'),
    );
    const held = await waiting(id, 'pause');
    expect(held.waits.find(({ step }) => step === 'two')).toMatchObject({ reason: 'pause' });
    expect(calls.map(({ key }) => key)).toEqual(['one']);
    await client.resumeExecution({ execution_id: id });
    expect((await ended(id)).status).toBe('COMPLETED');
    expect(calls.map(({ key }) => key)).toEqual(['one', 'two']);
  });

  it('Step Functions cannot pause, and the answer names the runtime that can', async () => {
    const id = await start([LONG], {}, { runtime: 'step_functions' });
    const refused = await client
      .pauseExecution({ execution_id: id })
      .catch((error: unknown) => error);
    expect(hasErrorCode(refused, 'RUNTIME_CANNOT_PAUSE')).toBe(true);
    expect(refused).toMatchObject({ details: { runtime_that_can: 'engine', status: 409 } });
    await rejects(client.resumeExecution({ execution_id: id }), 'RUNTIME_CANNOT_PAUSE');
    await client.cancelExecution({ execution_id: id });
    expect(api.hints).toContainEqual(
      expect.objectContaining({
        executionId: id,
        runtime: 'step_functions',
        signal: expect.objectContaining({ kind: 'cancel' }),
      }),
    );
  });

  describe('retry', () => {
    const failing = (): CallResult => ({
      ok: false,
      error: { code: 'CloudFlow.ClientError', message: 'the shop said 404' },
    });

    it('shows first what would be carried and what would happen again, then does it', async () => {
      answers.set('charge', failing);
      const id = await start([
        http('reserve'),
        http('charge', following('reserve')),
        http('ship', following('charge')),
      ]);
      expect(await ended(id)).toMatchObject({
        status: 'FAILED',
        error: { code: 'CloudFlow.ClientError', step: 'charge' },
      });
      const preview = await client.send('retryExecution', {
        execution_id: id,
        body: { dry_run: true },
      });
      expect(preview).toMatchObject({
        status: 200,
        body: {
          execution_id: null,
          retry_of: id,
          root_id: id,
          carried: ['reserve'],
          repeated: [{ step: 'charge', attempts: 1, error: { code: 'CloudFlow.ClientError' } }],
          pending: ['ship'],
          compensated: [],
        },
      });
      expect((await client.listExecutions()).items).toHaveLength(1);

      answers.clear();
      calls = [];
      const retried = await client.retryExecution({ execution_id: id });
      const second = await ended(retried.execution_id ?? '');
      expect(second).toMatchObject({ status: 'COMPLETED', retry_of: id, root_id: id });
      expect(calls.map(({ key, rootId }) => [key, rootId])).toEqual([
        ['charge', id],
        ['ship', id],
      ]);
      expect(second.output).toMatchObject({ reserve: { of: 'reserve' } });
    });

    it('is started once under one key', async () => {
      answers.set('charge', failing);
      const id = await start([http('charge')]);
      await ended(id);
      const retry = () => client.retryExecution({ execution_id: id, idempotencyKey: 'again' });
      const [first, second] = [await retry(), await retry()];
      expect(second.execution_id).toBe(first.execution_id);
      expect((await client.listExecutions()).items).toHaveLength(2);
    });

    it('what still runs is not retried', async () => {
      const id = await start([LONG]);
      await rejects(client.retryExecution({ execution_id: id }), 'EXECUTION_NOT_FINISHED');
    });

    it('a newer version must keep what was done', async () => {
      answers.set('charge', failing);
      const id = await start([http('reserve'), http('charge', following('reserve'))]);
      await ended(id);
      await client.createWorkflow({
        body: aDefinition({ version: '2.0.0', steps: [http('charge')] }),
      });
      await client.createWorkflow({
        body: aDefinition({
          version: '1.1.0',
          steps: [http('reserve'), http('charge-better', following('reserve'))],
        }),
      });
      const refused = await client
        .retryExecution({ execution_id: id, body: { version: '2.0.0' } })
        .catch((error: unknown) => error);
      expect(hasErrorCode(refused, 'VERSION_INCOMPATIBLE')).toBe(true);
      expect(refused).toMatchObject({ problems: [{ code: 'VERSION_INCOMPATIBLE' }] });
      const retried = await client.retryExecution({
        execution_id: id,
        body: { version: '1.1.0', input: { edited: true } },
      });
      expect(await ended(retried.execution_id ?? '')).toMatchObject({
        status: 'COMPLETED',
        version: '1.1.0',
        input: { edited: true },
      });
    });
  });

  describe('approvals', () => {
    const APPROVAL = {
      id: 'decide',
      type: 'approval',
      config: { assignee: 'ada', timeout: '1h', message: 'ship it?' },
    };
    const open = (id: string) =>
      until(
        () => client.listApprovals({ query: { status: 'pending', execution_id: id } }),
        ({ items }) => items.length === 1,
      );

    it('are listed and answered once; the first answer wins', async () => {
      const id = await start([APPROVAL]);
      const { items } = await open(id);
      expect(items[0]).toMatchObject({
        execution_id: id,
        step: 'decide',
        status: 'pending',
        assignees: ['ada'],
        message: 'ship it?',
        answer: null,
      });
      const approval_id = items[0]?.id ?? '';
      const answer = (decision: 'approved' | 'rejected') =>
        client.answerApproval({ approval_id, body: { decision, comment: 'fine' } });
      const results = await Promise.allSettled([answer('approved'), answer('rejected')]);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const late = results.find((result) => result.status === 'rejected');
      expect(hasErrorCode(late?.reason, 'APPROVAL_ANSWERED')).toBe(true);
      await ended(id);
      await expect(answer('approved')).rejects.toMatchObject({
        code: 'APPROVAL_ANSWERED',
        message: expect.stringMatching(/^the approval was (approved|rejected) at 20/),
      });
      const { items: still } = await client.listApprovals({ query: { status: 'pending' } });
      expect(still).toEqual([]);
    });

    it('take no answer when their time is over, though their step may not have heard of it', async () => {
      const { items } = await open(await start([APPROVAL]));
      const approval_id = items[0]?.id ?? '';
      await database.admin.query(
        "update approvals set due_at = now() - interval '1 ms' where id = $1",
        [approval_id],
      );
      const late = client.answerApproval({ approval_id, body: { decision: 'approved' } });
      await rejects(late, 'APPROVAL_ANSWERED');
      expect(
        await client.getExecution({ execution_id: items[0]?.execution_id ?? '' }),
      ).toMatchObject({
        status: 'RUNNING',
      });
    });

    it('the decision and who made it are the output of the step', async () => {
      const id = await start([APPROVAL]);
      const { items } = await open(id);
      await client.answerApproval({
        approval_id: items[0]?.id ?? '',
        body: { decision: 'approved', comment: 'go' },
      });
      expect((await ended(id)).output).toMatchObject({
        decide: {
          decision: 'approved',
          comment: 'go',
          by: expect.stringMatching(/^key:/),
          at: expect.any(String),
        },
      });
    });
  });

  describe('callbacks', () => {
    const CALLBACK = {
      id: 'ask',
      type: 'callback',
      config: { request: { url: 'https://shop.example/' }, timeout: '1h', heartbeat: '10m' },
    };
    const suspended = async (id: string): Promise<string> => {
      await until(
        () => client.listEvents({ execution_id: id }),
        ({ items }) => items.some(({ type }) => type === 'step_suspended'),
      );
      return tokens[0] ?? '';
    };
    const anyone = () => api.client('');

    it('are completed with a result, once, with nothing but the token', async () => {
      const id = await start([CALLBACK]);
      const token = await suspended(id);
      await anyone().heartbeatCallback({ token });
      const accepted = await anyone().completeCallback({ token, body: { result: { ok: 1 } } });
      expect(accepted).toEqual({ execution_id: id, step: 'ask', accepted: true });
      expect(await ended(id)).toMatchObject({ status: 'COMPLETED', output: { ask: { ok: 1 } } });
      await rejects(anyone().completeCallback({ token }), 'CALLBACK_FINISHED');
      await rejects(anyone().failCallback({ token }), 'CALLBACK_FINISHED');
      await rejects(anyone().heartbeatCallback({ token }), 'CALLBACK_FINISHED');
    });

    it('a repeat under the same key gives the first answer', async () => {
      const id = await start([CALLBACK]);
      const token = await suspended(id);
      const complete = () =>
        anyone().send('completeCallback', { token, body: { result: 1 }, idempotencyKey: 'k' });
      const [first, second] = [await complete(), await complete()];
      expect([first.status, second.status]).toEqual([202, 202]);
      expect(second.body).toEqual(first.body);
    });

    it('fail the step with a name of the caller', async () => {
      const id = await start([CALLBACK]);
      const token = await suspended(id);
      await rejects(
        anyone().failCallback({ token, body: { code: 'CloudFlow.Timeout' } }),
        'REQUEST_INVALID',
      );
      await anyone().failCallback({ token, body: { code: 'OutOfStock', message: 'none left' } });
      expect(await ended(id)).toMatchObject({
        status: 'FAILED',
        error: { code: 'OutOfStock', message: 'none left', step: 'ask' },
      });
    });

    it('the token is stored nowhere in clear', async () => {
      const id = await start([CALLBACK]);
      const token = await suspended(id);
      const shown = JSON.stringify([
        await get(id),
        await client.listEvents({ execution_id: id }),
        await client.listSteps({ execution_id: id }),
      ]);
      expect(shown).not.toContain(token);
      expect(shown).not.toContain(token.slice(5));
    });
  });
});
