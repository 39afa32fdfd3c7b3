import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { hasErrorCode } from '#core/errors.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { type PlatformWorld, startWorld, until } from './platform-world.ts';

describeWithPostgres('operating executions over HTTP', () => {
  let world: PlatformWorld;
  let database: TestDatabase;
  let serial = 0;

  beforeAll(async () => {
    database = await createTestDatabase();
    world = await startWorld(database.url);
  });
  afterAll(() => world?.stop());
  beforeEach(() => {
    world.hits.length = 0;
    world.answer = () => ({ status: 200, body: { ok: true } });
  });

  const name = () => `operate-${++serial}`;
  const call = (id: string, more: object = {}, config: object = {}) => ({
    id,
    type: 'http_request',
    result: '{% $result.body %}',
    config: { url: `${world.target}/${id}`, method: 'POST', ...config },
    ...more,
  });
  const undo = (id: string) => ({
    type: 'http_request',
    config: { url: `${world.target}/undo-${id}`, method: 'POST' },
  });
  const workflow = (steps: object[], more: object = {}) =>
    ({ workflow_id: name(), version: '1.0.0', ...more, steps }) as never;
  const stepsOf = async (id: string) =>
    Object.fromEntries(
      (await world.client.listSteps({ execution_id: id })).items.map((step) => [step.step, step]),
    );
  const reasons = async (id: string, step: string | null) =>
    (await world.client.getExecution({ execution_id: id })).waits
      .filter((wait) => wait.step === step)
      .map((wait) => wait.reason);

  it('a limit holds over both runtimes together, and everything ends, the oldest first', async () => {
    const definition = {
      ...{ workflow_id: name(), version: '1.0.0', limits: { concurrency: 2 } },
      steps: [call('a'), call('b', { depends_on: ['a'] })],
    };
    await world.client.createWorkflow({ body: definition as never });
    const ids: string[] = [];
    for (let n = 0; n < 12; n++) {
      const started = await world.client.executeWorkflow({
        workflow_id: definition.workflow_id,
        body: { runtime: n % 3 === 0 ? 'step_functions' : 'engine' },
      });
      ids.push(started.execution_id);
    }
    await until('all have ended', async () => {
      await world.pass(1);
      const { rows } = await database.admin.query<{ most: number; open: number }>(
        `select count(*) filter (where outcome is null and phase is distinct from 'queued')::integer as most,
                count(*) filter (where outcome is null)::integer as open
         from workflow_executions where workflow_id = $1`,
        [definition.workflow_id],
      );
      expect(rows[0]?.most).toBeLessThanOrEqual(2);
      return rows[0]?.open === 0;
    });
    const { rows } = await database.admin.query<{ id: string; runtime: string; status: string }>(
      `select id, runtime, status from workflow_executions where workflow_id = $1
       order by let_in_at, id`,
      [definition.workflow_id],
    );
    expect(rows.map(({ id }) => id)).toEqual(ids);
    expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(['COMPLETED']));
    expect(rows.filter(({ runtime }) => runtime === 'step_functions')).toHaveLength(4);
    expect(world.hits).toHaveLength(24);
  });

  for (const runtime of ['engine', 'step_functions'] as const) {
    it(`${runtime}: a chain runs, its steps and events can be read, keys are stable`, async () => {
      world.answer = (hit) =>
        hit.step === 'a' && hit.attempt === 1
          ? { status: 503 }
          : { status: 200, body: { at: hit.step } };
      const id = await world.execute(
        workflow([call('a', {}, { retry: { max_attempts: 2 } }), call('b', { depends_on: ['a'] })]),
        runtime,
      );
      await until('the first attempt failed', async () =>
        (await reasons(id, 'a')).includes('retry'),
      );
      await world.pass(2);
      const execution = await world.finished(id);
      expect(execution.status).toBe('COMPLETED');
      expect(execution.output).toEqual({ a: { at: 'a' }, b: { at: 'b' } });
      expect(
        world.hits.map(({ step, attempt, idempotencyKey }) => [step, attempt, idempotencyKey]),
      ).toEqual([
        ['a', 1, `${id}/a`],
        ['a', 2, `${id}/a`],
        ['b', 1, `${id}/b`],
      ]);
      const steps = await stepsOf(id);
      expect(steps['a']).toMatchObject({ status: 'SUCCESS', attempts: 2 });
      const events = (await world.client.listEvents({ execution_id: id })).items;
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
      expect(events.map(({ type }) => type)).toContain('step_retry_scheduled');
    });

    it(`${runtime}: an approval is listed, answered once, and its answer is the output`, async () => {
      const id = await world.execute(
        workflow([
          {
            id: 'ask',
            type: 'approval',
            config: { assignee: 'ops', message: 'go?', timeout: '2d' },
          },
          call('go', { depends_on: ['ask'] }),
        ]),
        runtime,
      );
      await until('the approval is open', async () => {
        const { items } = await world.client.listApprovals({ query: { execution_id: id } });
        return items.length === 1;
      });
      expect(await reasons(id, 'ask')).toContain('approval');
      const [asked] = (
        await world.client.listApprovals({ query: { execution_id: id, status: 'pending' } })
      ).items;
      await world.client.answerApproval({
        approval_id: asked!.id,
        body: { decision: 'approved', comment: 'fine' },
      });
      await expect(
        world.client.answerApproval({ approval_id: asked!.id, body: { decision: 'rejected' } }),
      ).rejects.toSatisfy((error: unknown) => hasErrorCode(error, 'APPROVAL_ANSWERED'));
      const execution = await world.finished(id);
      expect(execution.output).toMatchObject({ ask: { decision: 'approved', comment: 'fine' } });
    });

    it(`${runtime}: an approval nobody answers times out, days later`, async () => {
      const id = await world.execute(
        workflow([{ id: 'ask', type: 'approval', config: { assignee: 'ops', timeout: '2d' } }]),
        runtime,
      );
      await until('the approval is open', async () => {
        const { items } = await world.client.listApprovals({ query: { execution_id: id } });
        return items.length === 1;
      });
      await world.pass(2 * 86_400 + 1);
      const execution = await world.finished(id);
      expect(execution).toMatchObject({ status: 'FAILED', error: { code: 'CloudFlow.Timeout' } });
      await until('the approval is closed', async () => {
        const { items } = await world.client.listApprovals({ query: { execution_id: id } });
        return items[0]?.status === 'closed';
      });
    });

    it(`${runtime}: a callback's token completes it, heartbeats keep it, a second answer is refused`, async () => {
      const id = await world.execute(
        workflow([
          {
            id: 'pay',
            type: 'callback',
            config: {
              request: { url: `${world.target}/pay`, method: 'POST', body: { amount: 5 } },
              timeout: '1d',
              heartbeat: '1h',
            },
          },
        ]),
        runtime,
      );
      await until('the request came', () => world.hits.length === 1);
      const token = String(world.hits[0]?.headers['x-cloudflow-callback-token']);
      expect(world.hits[0]?.body).toMatchObject({ amount: 5, callback: { token } });
      await until('it waits', async () => (await reasons(id, 'pay')).includes('callback'));
      await world.pass(50 * 60);
      await world.client.heartbeatCallback({ token });
      await world.clock.settle();
      await world.pass(50 * 60);
      await world.client.completeCallback({ token, body: { result: { paid: true } } });
      const execution = await world.finished(id);
      expect(execution).toMatchObject({ status: 'COMPLETED', output: { pay: { paid: true } } });
      await expect(world.client.completeCallback({ token })).rejects.toSatisfy(
        (error: unknown) =>
          hasErrorCode(error, 'CALLBACK_FINISHED') || hasErrorCode(error, 'NOT_FOUND'),
      );
    });

    it(`${runtime}: cancel with compensation undoes what was done, in reverse`, async () => {
      const id = await world.execute(
        workflow([
          call('a', { compensate: undo('a') }),
          call('b', { depends_on: ['a'], compensate: undo('b') }),
          { id: 'hold', type: 'wait', depends_on: ['b'], config: { duration: '1h' } },
          call('never', { depends_on: ['hold'] }),
        ]),
        runtime,
      );
      await until('b is done', async () => (await stepsOf(id))['b']?.status === 'SUCCESS');
      await until(
        'it holds',
        async () => (await stepsOf(id))['hold'] !== undefined || runtime === 'step_functions',
      );
      await world.client.cancelExecution({
        execution_id: id,
        body: { compensate: true, reason: 'no' },
      });
      const execution = await world.finished(id);
      expect(execution).toMatchObject({ status: 'CANCELLED', compensation: 'COMPLETE' });
      expect(world.hits.map(({ path }) => path)).toEqual(['/a', '/b', '/undo-b', '/undo-a']);
      await expect(world.client.cancelExecution({ execution_id: id })).rejects.toSatisfy(
        (error: unknown) => hasErrorCode(error, 'EXECUTION_FINISHED'),
      );
    });

    it(`${runtime}: a workflow's own time limit fails it`, async () => {
      const id = await world.execute(
        workflow([{ id: 'hold', type: 'wait', config: { duration: '2h' } }], { timeout: '1h' }),
        runtime,
      );
      await until(
        'it runs',
        async () => (await world.client.getExecution({ execution_id: id })).status === 'RUNNING',
      );
      await world.pass(3601);
      const execution = await world.finished(id);
      expect(execution).toMatchObject({
        status: 'FAILED',
        error: { code: 'CloudFlow.WorkflowTimeout' },
      });
    });

    it(`${runtime}: children run on either runtime, outputs and errors pass`, async () => {
      const other = runtime === 'engine' ? 'step_functions' : 'engine';
      const child = workflow([call('work', {}, { body: '{% $input %}' })], {
        runtime: other,
        output: { got: '{% $steps.work.output %}' },
      });
      const bad = workflow([{ id: 'stop', type: 'fail', config: { error: 'Stock.Empty' } }], {
        runtime: other,
      });
      const { workflow_id: good } = await world.client.createWorkflow({ body: child });
      const { workflow_id: failing } = await world.client.createWorkflow({ body: bad });
      const id = await world.execute(
        workflow([
          { id: 'good', type: 'sub_workflow', config: { workflow_id: good, input: { n: 1 } } },
          {
            id: 'bad',
            type: 'sub_workflow',
            continue_on_failure: true,
            config: { workflow_id: failing },
          },
          { id: 'gone', type: 'sub_workflow', config: { workflow_id: good, mode: 'detach' } },
          {
            id: 'none',
            type: 'sub_workflow',
            continue_on_failure: true,
            config: { workflow_id: 'nowhere' },
          },
        ]),
        runtime,
      );
      const execution = await world.finished(id);
      expect(execution.status).toBe('COMPLETED');
      expect(execution.output).toMatchObject({ good: { got: { ok: true } }, bad: null });
      const steps = await stepsOf(id);
      expect(steps['bad']?.error?.code).toBe('Stock.Empty');
      expect(steps['none']?.error?.code).toBe('CloudFlow.NotFound');
      expect(steps['gone']?.output).toHaveProperty('execution_id');
    });

    it(`${runtime}: retry carries what succeeded and keeps the root's keys`, async () => {
      let broken = true;
      world.answer = (hit) =>
        hit.step === 'b' && broken ? { status: 400 } : { status: 200, body: { at: hit.step } };
      const id = await world.execute(
        workflow([call('a'), call('b', { depends_on: ['a'] }), call('c', { depends_on: ['b'] })]),
        runtime,
      );
      expect((await world.finished(id)).status).toBe('FAILED');
      const preview = await world.client.retryExecution({
        execution_id: id,
        body: { dry_run: true },
      });
      expect(preview).toMatchObject({
        execution_id: null,
        carried: ['a'],
        repeated: [{ step: 'b' }],
        pending: ['c'],
      });
      broken = false;
      const again = await world.client.retryExecution({ execution_id: id });
      const execution = await world.finished(again.execution_id!);
      expect(execution).toMatchObject({ status: 'COMPLETED', retry_of: id, root_id: id });
      expect(execution.output).toEqual({ a: { at: 'a' }, b: { at: 'b' }, c: { at: 'c' } });
      expect(world.hits.map(({ idempotencyKey }) => idempotencyKey)).toEqual([
        `${id}/a`,
        `${id}/b`,
        `${id}/b`,
        `${id}/c`,
      ]);
    });
  }

  it('both runtimes tell of the same lifecycle on workflow.events', async () => {
    const told = async (runtime: 'engine' | 'step_functions') => {
      world.answer = (hit) => ({ status: hit.step === 'b' ? 400 : 200 });
      const id = await world.execute(
        workflow([call('a', { compensate: undo('a') }), call('b', { depends_on: ['a'] })]),
        runtime,
      );
      await world.finished(id);
      const { rows } = await database.admin.query<{ payload: string }>(
        "select payload from outbox where topic = 'workflow.events' and key = $1 order by id",
        [id],
      );
      return rows.map(({ payload }) => JSON.parse(payload.slice(2)).event_type as string);
    };
    const onEngine = await told('engine');
    expect(onEngine).toEqual([
      'workflow.execution.created',
      'workflow.execution.started',
      'workflow.execution.compensating',
      'workflow.execution.failed',
    ]);
    expect(await told('step_functions')).toEqual(onEngine);
  });

  it('a step that was undone is done anew under a key that nobody has seen', async () => {
    let broken = true;
    world.answer = (hit) =>
      hit.step === 'b' && broken ? { status: 400 } : { status: 200, body: { at: hit.step } };
    const definition = workflow([
      call('a', { compensate: undo('a') }),
      call('b', { depends_on: ['a'] }),
    ]);
    const id = await world.execute(definition, 'engine');
    expect(await world.finished(id)).toMatchObject({ status: 'FAILED', compensation: 'COMPLETE' });
    const again = await world.client.retryExecution({ execution_id: id });
    const second = String(again.execution_id);
    expect((await world.finished(second)).status).toBe('FAILED');
    broken = false;
    const third = await world.client.retryExecution({
      execution_id: second,
      body: { runtime: 'step_functions' },
    });
    expect((await world.finished(String(third.execution_id))).status).toBe('COMPLETED');
    expect(world.hits.map(({ idempotencyKey }) => idempotencyKey)).toEqual([
      `${id}/a`,
      `${id}/b`,
      `${id}/a/compensate`,
      `${second}/a`,
      `${id}/b`,
      `${second}/a/compensate`,
      `${third.execution_id}/a`,
      `${id}/b`,
    ]);
  });

  it('the engine pauses and resumes; Step Functions says who can', async () => {
    const definition = workflow([
      { id: 'hold', type: 'wait', config: { duration: '60s' } },
      call('after', { depends_on: ['hold'] }),
    ]);
    const id = await world.execute(definition, 'engine');
    await until('it holds', async () => (await reasons(id, 'hold')).includes('timer'));
    await world.client.pauseExecution({ execution_id: id });
    await until(
      'it is paused',
      async () => (await world.client.getExecution({ execution_id: id })).phase === 'paused',
    );
    await world.pass(120);
    expect(world.hits).toEqual([]);
    expect(await reasons(id, 'after')).toContain('pause');
    await world.client.resumeExecution({ execution_id: id });
    expect((await world.finished(id)).status).toBe('COMPLETED');

    const other = await world.execute(definition, 'step_functions');
    await expect(world.client.pauseExecution({ execution_id: other })).rejects.toSatisfy(
      (error: unknown) =>
        hasErrorCode(error, 'RUNTIME_CANNOT_PAUSE') &&
        error.details['runtime_that_can'] === 'engine',
    );
    await world.client.cancelExecution({ execution_id: other });
    expect((await world.finished(other)).status).toBe('CANCELLED');
  });
});
