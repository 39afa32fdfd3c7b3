import { describe, expect, it } from 'vitest';
import { apply } from '#core/execution/apply.ts';
import type { Signal } from '#core/execution/commands.ts';
import { outstanding } from '#core/execution/outstanding.ts';
import { projectExecution } from '#core/execution/project.ts';
import { refusal } from '#core/execution/refusal.ts';
import { initialState } from '#core/execution/state.ts';
import { waits } from '#core/execution/waits.ts';
import { callTimes, Driver, http, run, START, workflow } from './driver.ts';

const cancel = (compensate = false): Signal => ({
  kind: 'cancel',
  by: 'ada',
  compensate,
  reason: null,
});
const pause: Signal = { kind: 'pause', by: 'ada' };
const resume: Signal = { kind: 'resume', by: 'ada' };
const undo = { compensate: { type: 'http_request', config: { url: 'https://example.com/undo' } } };

describe('cancel and timeout', () => {
  const program = (more: object = {}) =>
    workflow(
      [
        http('done', undo),
        http('running', { depends_on: ['done'] }),
        http('never', { depends_on: ['running'] }),
        {
          id: 'each',
          type: 'for_each',
          config: { items: [1, 2, 3], max_items: 3, concurrency: 1, steps: [http('one')] },
        },
      ],
      more,
    );
  const calls = ({ step }: { step: string }) =>
    step === 'done' ? { output: 1, ms: 10 } : { output: 2, ms: 60_000 };

  it('rule 35: nothing starts, what runs is abandoned, the rest is skipped', async () => {
    const { driver, result } = await run(program(), {
      calls,
      signals: [{ at: 500, signal: cancel() }],
    });
    expect(result).toMatchObject({ status: 'CANCELLED', compensation: 'NONE', output: null });
    expect(result.steps).toMatchObject({
      done: { status: 'SUCCESS' },
      running: { status: 'FAILED', attempts: 1, error: { code: 'CloudFlow.Cancelled' } },
      never: { status: 'SKIPPED', class: 'K', reason: 'CANCELLED' },
      each: { status: 'FAILED', error: { code: 'CloudFlow.Cancelled' } },
      'each.one[0]': { status: 'FAILED' },
    });
    expect(driver.now).toBe(START + 500);
    const abandoned = driver.commands.flatMap(({ command }) =>
      command.kind === 'abandon' ? [command.id] : [],
    );
    expect(abandoned.sort()).toEqual(['call:each.one[0]#1', 'call:running#1']);
    expect(refusal(driver.program, driver.state, cancel())).toBe('EXECUTION_FINISHED');
  });

  it('rule 35: with compensation', async () => {
    const { result } = await run(program(), {
      calls,
      signals: [{ at: 500, signal: cancel(true) }],
    });
    expect(result).toMatchObject({
      status: 'CANCELLED',
      compensation: 'COMPLETE',
      compensations: [{ step: 'done', status: 'SUCCESS' }],
    });
  });

  it.each([
    ['COMPLETED', 'NONE', null, {}],
    ['CANCELLED', 'NONE', false, {}],
    ['CANCELLED', 'COMPLETE', true, {}],
    ['CANCELLED', 'PARTIAL', true, { compensations: () => ({ error: 'no' }) }],
  ] as const)(
    'rule 32: the row of what is %s says %s, and nothing before',
    async (status, compensation, undone, more) => {
      const signals = undone === null ? [] : [{ at: 500, signal: cancel(undone) }];
      const { driver, result } = await run(program(), { calls, signals, ...more });
      expect(result.status).toBe(status);
      expect(projectExecution(driver.state)).toMatchObject({ status, compensation });
      let state = initialState({ id: 'execution-1' });
      const rows = driver.log.map((each) => {
        state = apply(driver.program, state, each);
        return projectExecution(state);
      });
      const open = rows.filter((row) => row.status === 'RUNNING');
      expect(open.length).toBeGreaterThan(0);
      expect(open.map((row) => row.compensation)).toEqual(open.map(() => null));
    },
  );

  it('rule 35: before the start every step is skipped', async () => {
    const driver = new Driver(program());
    await driver.send(cancel());
    expect(driver.state.status).toBe('CANCELLED');
    expect(Object.values(driver.report().steps).map(({ reason }) => reason)).toEqual(
      Array(4).fill('CANCELLED'),
    );
    expect(driver.log.map(({ event }) => event.type).slice(0, 3)).toEqual([
      'execution_created',
      'execution_started',
      'cancel_requested',
    ]);
  });

  it.each([
    ['abandon', 'NONE'],
    ['compensate', 'COMPLETE'],
  ])('rule 36: the timeout of the workflow, on_cancel %s', async (onCancel, compensation) => {
    const { driver, result } = await run(program({ timeout: '5s', on_cancel: onCancel }), {
      calls,
    });
    expect(result).toMatchObject({
      status: 'FAILED',
      error: { code: 'CloudFlow.WorkflowTimeout' },
      compensation,
    });
    expect(driver.now).toBe(START + 5_000);
    expect(result.steps['running']?.error?.code).toBe('CloudFlow.Cancelled');
  });
});

describe('pause', () => {
  it('running attempts end, nothing new starts, and resume goes on', async () => {
    const program = workflow([http('a'), http('b', { depends_on: ['a'] })]);
    const { driver, result } = await run(program, {
      calls: () => ({ output: 1, ms: 100 }),
      signals: [
        { at: 50, signal: pause },
        { at: 5_000, signal: resume },
      ],
    });
    expect(result.status).toBe('COMPLETED');
    expect(callTimes(driver, 'b')).toEqual([5_000]);
  });

  it('timers run on, but what they release waits: retries, loops, iterations, children', async () => {
    const program = workflow([
      http('again', { config: { retry: { max_attempts: 1 } } }),
      { id: 'nap', type: 'wait', config: { duration: '1s' } },
      { id: 'child', type: 'sub_workflow', depends_on: ['nap'], config: { workflow_id: 'x' } },
      {
        id: 'loop',
        type: 'loop',
        config: {
          while: '{% $sum([$loop.index]) < 2 %}',
          max_iterations: 3,
          steps: [{ id: 'nap', type: 'wait', config: { duration: '1s' } }],
        },
      },
      {
        id: 'each',
        type: 'for_each',
        config: {
          items: [1, 2],
          max_items: 2,
          concurrency: 1,
          steps: [{ id: 'nap', type: 'wait', config: { duration: '1s' } }],
        },
      },
    ]);
    const driver = new Driver(program, {
      calls: ({ attempt }) => (attempt === 1 ? { error: 'Transient' } : { output: 1 }),
      signals: [
        { at: 500, signal: pause },
        { at: 60_000, signal: resume },
      ],
    });
    await driver.run();
    const paused = driver.log.filter(({ at }) => at > START + 500 && at < START + 60_000);
    expect(
      paused.map(({ event }) => ('step' in event ? `${event.type} ${event.step}` : '')),
    ).toEqual(['step_succeeded nap', 'step_succeeded loop.nap[0]', 'step_succeeded each.nap[0]']);
    expect(callTimes(driver, 'again')).toEqual([0, 60_000]);
    expect(driver.report().status).toBe('COMPLETED');
    const ids = driver.commands.map(({ command }) => command).filter((c) => c.kind !== 'timer');
    expect(new Set(ids.map(({ id }) => id)).size).toBe(ids.length);
  });

  it('is refused twice, and resume without it', () => {
    const driver = new Driver(workflow([http('a')]));
    expect(refusal(driver.program, driver.state, resume)).toBe('EXECUTION_NOT_PAUSED');
    expect(refusal(driver.program, driver.state, pause)).toBeNull();
  });

  it('a compensation waits for resume; a cancel does not', async () => {
    const program = workflow([http('a', undo), http('b', { depends_on: ['a'] })]);
    const script = {
      calls: ({ step }: { step: string }) =>
        step === 'b' ? { error: 'Rejected', ms: 100 } : { output: 1 },
    };
    const resumed = await run(program, {
      ...script,
      signals: [
        { at: 50, signal: pause },
        { at: 900, signal: resume },
      ],
    });
    const undone = resumed.driver.commands.find(({ command }) => command.kind === 'compensate');
    expect(undone?.at).toBe(START + 900);
    const cancelled = await run(program, {
      ...script,
      signals: [
        { at: 50, signal: pause },
        { at: 900, signal: cancel(true) },
      ],
    });
    expect(cancelled.result).toMatchObject({ status: 'CANCELLED', compensation: 'COMPLETE' });
  });
});

describe('on_failure: halt', () => {
  it('no step and no attempt starts after the first F; what runs ends; then compensation', async () => {
    const program = workflow(
      [
        http('ok', undo),
        http('bad', { depends_on: ['ok'] }),
        http('slow', { depends_on: ['ok'] }),
        http('after-slow', { depends_on: ['slow'] }),
        http('retrying', { config: { retry: { max_attempts: 3 } } }),
        http('handler', { depends_on: ['bad'], trigger: 'one_failed' }),
        {
          id: 'each',
          type: 'for_each',
          config: { items: [1, 2, 3, 4], max_items: 4, concurrency: 2, steps: [http('one')] },
        },
      ],
      { on_failure: 'halt' },
    );
    const { driver, result } = await run(program, {
      calls: ({ step }) => {
        if (step === 'bad') return { error: 'Rejected', ms: 10 };
        if (step === 'retrying') return { error: 'Transient' };
        return { output: 1, ms: step === 'ok' ? 0 : 500 };
      },
    });
    expect(result).toMatchObject({
      status: 'FAILED',
      compensation: 'COMPLETE',
      error: { step: 'bad' },
    });
    expect(result.steps).toMatchObject({
      slow: { status: 'SUCCESS' },
      'after-slow': { status: 'SKIPPED', class: 'K', reason: 'HALTED' },
      retrying: { status: 'FAILED', attempts: 1, error: { code: 'CloudFlow.Transient' } },
      handler: { status: 'SKIPPED', reason: 'HALTED' },
      each: { status: 'FAILED', error: { code: 'CloudFlow.IterationFailed' } },
      'each.one[1]': { status: 'SUCCESS' },
    });
    expect(callTimes(driver, 'each.one[2]')).toEqual([]);
    expect(driver.now).toBe(START + 500);
  });
});

describe('why it waits, and what is outstanding', () => {
  const program = workflow(
    [
      http('call', { config: { retry: { max_attempts: 1 } } }),
      http('later', { depends_on: ['call', 'nap'] }),
      { id: 'nap', type: 'wait', config: { duration: '1h' } },
      { id: 'ask', type: 'approval', config: { assignee: 'ada', timeout: '1d' } },
      { id: 'child', type: 'sub_workflow', config: { workflow_id: 'x' } },
      { id: 'sum', type: 'transform', config: { value: '{% $sum([1, 2]) %}' } },
      {
        id: 'each',
        type: 'for_each',
        config: { items: [1, 2, 3], max_items: 3, concurrency: 1, steps: [http('one')] },
      },
    ],
    { timeout: '2d' },
  );

  it('every step that is not terminal says why', async () => {
    const driver = new Driver(program, {
      calls: ({ step }) => (step === 'call' ? { error: 'Transient' } : 'never'),
      children: () => 'never',
    });
    expect(waits(program, driver.state, driver.now)).toEqual([{ step: null, kind: 'start' }]);
    await driver.send({ kind: 'start' });
    expect(waits(program, driver.state, driver.now)).toContainEqual({
      step: 'sum',
      kind: 'evaluation',
    });
    while (driver.now === START) await driver.step();
    const found = waits(program, { ...driver.state }, START);
    const open = Object.entries(driver.report().steps)
      .filter(([, { status }]) => status === 'QUEUED' || status === 'EXECUTING')
      .map(([key]) => key);
    for (const key of open) expect(found.map(({ step }) => step)).toContain(key);
    expect(found).toContainEqual({ step: 'later', kind: 'dependencies', on: ['call', 'nap'] });
    expect(found).toContainEqual({ step: 'nap', kind: 'timer', until: START + 3_600_000 });
    expect(found).toContainEqual({ step: 'ask', kind: 'approval', until: START + 86_400_000 });
    expect(found).toContainEqual({
      step: 'child',
      kind: 'child',
      execution_id: 'child-child',
      until: null,
    });
    expect(found).toContainEqual({ step: 'each', kind: 'slot', from: 1, to: 2 });
    expect(found).toContainEqual({ step: null, kind: 'deadline', until: START + 172_800_000 });
  });

  it('a host that loads the execution gets the commands it lost, under their ids', async () => {
    const driver = new Driver(program, { calls: () => 'never', children: () => 'never' });
    await driver.send({ kind: 'start' });
    const wanted = driver.commands.map(({ command }) => command);
    const found = outstanding(program, driver.state);
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    expect([...found].sort(byId)).toEqual([...wanted].sort(byId));
  });
});
