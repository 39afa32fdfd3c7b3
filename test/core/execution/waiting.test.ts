import { describe, expect, it } from 'vitest';
import { apply } from '#core/execution/apply.ts';
import type { Signal } from '#core/execution/commands.ts';
import type { ExecutionEvent } from '#core/execution/events.ts';
import { refusal } from '#core/execution/refusal.ts';
import { waits } from '#core/execution/waits.ts';
import { callTimes, Driver, http, run, START, workflow } from './driver.ts';

const DAY = 86_400_000;

const approve = (more: Partial<Extract<Signal, { kind: 'approval_answered' }>> = {}): Signal => ({
  kind: 'approval_answered',
  step: 'ask',
  decision: 'approved',
  by: 'ada',
  comment: 'fine',
  at: START + 5,
  ...more,
});

describe('approval', () => {
  const asking = (more: object = {}, step: object = {}) =>
    workflow([
      {
        id: 'ask',
        type: 'approval',
        config: { assignee: 'ada', timeout: '2d', ...more },
        ...step,
      },
      http('after', { depends_on: ['ask'] }),
    ]);

  it('rule 26: approved, days later', async () => {
    const { driver, result } = await run(asking(), {
      approvals: () => ({ output: null, ms: DAY }),
    });
    expect(result.steps['ask']?.output).toEqual({
      decision: 'approved',
      by: 'ada',
      at: new Date(START + DAY).toISOString(),
      comment: null,
    });
    expect(callTimes(driver, 'after')).toEqual([DAY]);
  });

  it('rule 26: rejected, with on_reject fail and continue', async () => {
    const script = { approvals: () => ({ error: 'no' }) };
    const failed = await run(asking(), script);
    expect(failed.result.steps['ask']?.error?.code).toBe('CloudFlow.ApprovalRejected');
    const goesOn = await run(asking({ on_reject: 'continue' }), script);
    expect(goesOn.result.steps['ask']?.output).toMatchObject({ decision: 'rejected' });
  });

  it('rule 26: no answer is a Timeout, and the request is taken back', async () => {
    const { driver, result } = await run(asking());
    expect(driver.now - START).toBe(2 * DAY);
    expect(result.steps['ask']?.error?.code).toBe('CloudFlow.Timeout');
    expect(driver.commands.at(-1)?.command).toEqual({ kind: 'abandon', id: 'approval:ask' });
  });

  it('rule 26: the first answer wins, later ones are refused', async () => {
    const driver = new Driver(asking(), { calls: () => 'never' });
    expect(refusal(driver.program, driver.state, approve())).toBe('NOT_FOUND');
    await driver.send({ kind: 'start' });
    expect(refusal(driver.program, driver.state, approve())).toBeNull();
    await driver.send(approve());
    expect(refusal(driver.program, driver.state, approve())).toBe('APPROVAL_ANSWERED');
    expect(await driver.send(approve({ decision: 'rejected' }))).toEqual([]);
    expect(refusal(driver.program, driver.state, approve({ step: 'nobody' }))).toBe('NOT_FOUND');
  });

  it('result shapes the answer in the evaluator, and the answer is recorded before', async () => {
    const driver = new Driver(asking({}, { result: '{% $uppercase($result.by) %}' }), {
      calls: () => 'never',
    });
    await driver.send({ kind: 'start' });
    const events = await driver.send(approve());
    expect(events).toMatchObject([{ type: 'answer_received', step: 'ask' }]);
    expect(refusal(driver.program, driver.state, approve())).toBe('APPROVAL_ANSWERED');
    while (await driver.step());
    expect(driver.report().steps['ask']?.output).toBe('ADA');
  });
});

describe('callback', () => {
  const program = workflow([
    {
      id: 'call',
      type: 'callback',
      config: { request: { url: 'https://example.com' }, timeout: '1h', heartbeat: '1m' },
    },
  ]);
  const at = (ms: number, signal: Signal) => ({ at: ms, signal });
  const beat: Signal = { kind: 'callback_heartbeat', step: 'call' };

  it('is completed with a result', async () => {
    const { result } = await run(program, {
      signals: [at(50_000, { kind: 'callback_completed', step: 'call', result: { n: 1 } })],
    });
    expect(result.output).toEqual({ call: { n: 1 } });
  });

  it('may be answered before its request has returned', async () => {
    const { driver, result } = await run(program, {
      calls: () => ({ output: null, ms: 5_000 }),
      signals: [at(10, { kind: 'callback_completed', step: 'call', result: 1 })],
    });
    expect(result.output).toEqual({ call: 1 });
    expect(driver.now).toBe(START + 10);
  });

  it('fails with the given error, and with that of its request', async () => {
    const error = { code: 'Ledger.Closed', message: 'closed' };
    const { result } = await run(program, {
      signals: [at(5, { kind: 'callback_failed', step: 'call', error })],
    });
    expect(result.steps['call']?.error).toEqual(error);
    const refused = await run(program, { calls: () => ({ error: 'ClientError' }) });
    expect(refused.result.steps['call']?.error?.code).toBe('CloudFlow.ClientError');
  });

  it('times out without a heartbeat, and later with them', async () => {
    const silent = await run(program);
    expect(silent.driver.now - START).toBe(60_000);
    expect(silent.result.steps['call']?.error?.code).toBe('CloudFlow.Timeout');
    const beats = Array.from({ length: 100 }, (_, i) => at(i * 50_000, beat));
    const alive = await run(program, { signals: beats });
    expect(alive.result.steps['call']?.error?.code).toBe('CloudFlow.Timeout');
    const ended = alive.driver.log.find(({ event }) => event.type === 'step_failed');
    expect((ended?.at ?? 0) - START).toBe(3_600_000);
  });
});

describe('waiting for a callback', () => {
  const program = workflow([
    {
      id: 'call',
      type: 'callback',
      config: { request: { url: 'https://example.com' }, timeout: '90s', heartbeat: '1m' },
    },
  ]);
  const waiting = async (driver: Driver, ms: number) => {
    while (driver.now < START + ms && (await driver.step()));
    return waits(program, driver.state, driver.now).find(({ kind }) => kind === 'callback');
  };

  it('says whether its heartbeat is due first, or its end', async () => {
    const beat: Signal = { kind: 'callback_heartbeat', step: 'call' };
    const driver = new Driver(program, { signals: [{ at: 50_000, signal: beat }] });
    await driver.send({ kind: 'start' });
    expect(await waiting(driver, 0)).toMatchObject({ until: START + 60_000, heartbeat: true });
    expect(await waiting(driver, 50_000)).toMatchObject({
      until: START + 90_000,
      heartbeat: false,
    });
  });
});

describe('sub_workflow', () => {
  const program = (config: object = {}) =>
    workflow([
      {
        id: 'child',
        type: 'sub_workflow',
        config: { workflow_id: 'other', input: { n: '{% $input.n %}' }, ...config },
      },
    ]);

  it('rule 25: the output of the child', async () => {
    const { driver, result } = await run(program(), {
      input: { n: 4 },
      children: ({ input }) => ({ output: { saw: input }, ms: 9 }),
    });
    expect(result.output).toEqual({ child: { saw: { n: 4 } } });
    expect(driver.commands[0]?.command).toMatchObject({
      kind: 'start_child',
      workflowId: 'other',
      version: null,
      detach: false,
    });
  });

  it('rule 25: the error of the child, or SubWorkflowFailed', async () => {
    const { result } = await run(program(), {
      input: { n: 1 },
      children: () => ({ error: 'Stock.Empty' }),
    });
    expect(result.error).toMatchObject({ code: 'Stock.Empty', step: 'child' });
    const driver = new Driver(program(), { input: { n: 1 }, children: () => 'never' });
    await driver.send({ kind: 'start' });
    await driver.step();
    await driver.send({
      kind: 'child_ended',
      step: 'child',
      executionId: 'somebody else',
      status: 'COMPLETED',
      output: 1,
      error: null,
    });
    expect(driver.state.status).toBe('RUNNING');
    await driver.send({
      kind: 'child_ended',
      step: 'child',
      executionId: 'child-child',
      status: 'CANCELLED',
      output: null,
      error: null,
    });
    expect(driver.report().error?.code).toBe('CloudFlow.SubWorkflowFailed');
  });

  it('rule 25: detach succeeds with the id; a refusal fails; a timeout takes it back', async () => {
    const detached = await run(program({ mode: 'detach' }), { input: { n: 1 } });
    expect(detached.result.output).toEqual({ child: { execution_id: 'child-child' } });
    const driver = new Driver(program(), { input: { n: 1 } });
    await driver.send({ kind: 'start' });
    const error = { code: 'CloudFlow.NotFound', message: 'no such workflow' };
    await driver.send({ kind: 'child_refused', step: 'child', error });
    expect(driver.report().steps['child']?.error).toEqual(error);
    const slow = await run(program({ timeout: '10s' }), {
      input: { n: 1 },
      children: () => 'never',
    });
    expect(slow.result.steps['child']?.error?.code).toBe('CloudFlow.Timeout');
    expect(slow.driver.commands.at(-1)?.command).toEqual({ kind: 'abandon', id: 'child:child' });
  });
});

describe('a short wait of a machine, of which its log hears when it is over', () => {
  const nap = (id: string, more: object = {}) => ({
    ...{ id, type: 'wait', config: { duration: '29500ms' } },
    ...more,
  });
  const program = workflow([nap('first'), nap('second', { depends_on: ['first'] })]);
  const at = (seq: number, ms: number, event: ExecutionEvent) => ({
    ...{ seq, at: START + ms, event },
  });
  const created = new Driver(program).state;

  it('says until when, counted from what it waited for', () => {
    let state = { ...created, runtime: 'step_functions' as const };
    const add = (seq: number, ms: number, event: ExecutionEvent) => {
      state = { ...apply(program, state, at(seq, ms, event)), runtime: 'step_functions' };
    };
    add(state.seq + 1, 40, { type: 'execution_started' });
    const timers = () =>
      waits(program, state, START + 50).flatMap((wait) =>
        wait.kind === 'timer' ? [[wait.step, wait.until - START]] : [],
      );
    expect(timers()).toEqual([['first', 30_040]]);
    add(state.seq + 1, 30_100, { type: 'step_started', step: 'first', config: null });
    add(state.seq + 1, 30_100, {
      ...{ type: 'step_succeeded', step: 'first', output: null, attempts: 1, compensation: null },
    });
    expect(timers()).toEqual([['second', 60_100]]);
  });
});
