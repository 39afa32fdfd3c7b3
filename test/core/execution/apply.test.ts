import { describe, expect, it } from 'vitest';
import { apply } from '#core/execution/apply.ts';
import { decide } from '#core/execution/decide.ts';
import type { ExecutionEvent } from '#core/execution/events.ts';
import { report } from '#core/execution/report.ts';
import { checkpointDue, restore, snapshot } from '#core/execution/snapshot.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import { initialState } from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import { Driver, http, workflow } from './driver.ts';

const each = workflow([
  {
    id: 'each',
    type: 'for_each',
    config: {
      items: [1, 2, 3, 4, 5, 6],
      max_items: 6,
      concurrency: 2,
      steps: [http('a'), http('b', { depends_on: ['a'] })],
    },
  },
  { id: 'pick', type: 'branch', config: { cases: [{ when: '{% true %}', steps: [http('c')] }] } },
]);

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) freeze(member);
  }
  return value;
}

describe('the fold', () => {
  it('A1: changes no state that it was given, and no snapshot of it', async () => {
    const driver = new Driver(each, { calls: ({ step }) => ({ output: step, ms: 1 }) });
    await driver.run();
    let state = freeze(initialState({ id: 'x' }));
    for (const recorded of driver.log) state = freeze(apply(each, state, freeze(recorded)));
    expect({ ...state, id: 'execution-1' }).toEqual({ ...driver.state, rootId: 'execution-1' });
  });

  it('A2: refuses an event that is not the next', () => {
    const driver = new Driver(each);
    const event: ExecutionEvent = { type: 'execution_started' };
    for (const seq of [0, 1, 3]) {
      expect(() => apply(each, driver.state, { seq, at: 0, event })).toThrow(TypeError);
    }
  });

  it('A3: refuses to change a terminal step, and anything after the end', async () => {
    const driver = new Driver(each, { calls: () => ({ output: 1, ms: 5 }) });
    await driver.send({ kind: 'start' });
    for (let i = 0; i < 3; i++) await driver.step();
    const failed: ExecutionEvent = {
      type: 'step_failed',
      step: 'each.a[0]',
      error: { code: 'X', message: '' },
      attempts: 1,
    };
    const next = (event: ExecutionEvent) =>
      apply(each, driver.state, { seq: driver.state.seq + 1, at: 0, event });
    expect(() => next(failed)).toThrow(/cannot change/);
    while (await driver.step());
    expect(() => next({ type: 'execution_paused', by: null })).toThrow(/cannot follow the end/);
    expect(decide(each, driver.state, { kind: 'clock' }, driver.now).events).toEqual([]);
  });

  it('time never goes back, whatever the hosts say', () => {
    const driver = new Driver(each);
    const event: ExecutionEvent = { type: 'execution_started' };
    const state = apply(each, driver.state, { seq: 2, at: 5, event });
    expect(state.at).toBe(driver.state.at);
  });

  it('A4: folds a log of the Step Functions runtime, where containers are heard of last', () => {
    const events: ExecutionEvent[] = [
      created('step_functions'),
      { type: 'execution_started' },
      { type: 'step_started', step: 'each.a[1]', config: {} },
      succeeded('each.a[1]'),
      succeeded('each.b[1]'),
      succeeded('pick.c'),
      succeeded('pick', { case: '0', steps: { c: 1 } }),
      succeeded('each', []),
      { type: 'execution_completed', output: {} },
      succeeded('each.a[0]'),
    ];
    let state: ExecutionState = initialState({ id: 'x' });
    for (const [i, event] of events.entries())
      state = apply(each, state, { seq: i + 1, at: i, event });
    expect(report(each, state)).toMatchObject({
      status: 'COMPLETED',
      steps: {
        each: { status: 'SUCCESS' },
        'each.a[0]': { status: 'SUCCESS' },
        'each.b[1]': { status: 'SUCCESS' },
        'pick.c': { status: 'SUCCESS' },
      },
    });
    expect(() =>
      apply(each, state, { seq: state.seq + 1, at: 0, event: succeeded('each.a[0]') }),
    ).toThrow(/cannot change/);
  });

  it('snapshot and restore at every event give the same fold', async () => {
    const driver = new Driver(each, { calls: ({ step }) => ({ output: step, ms: 3 }) });
    await driver.run();
    let state: ExecutionState = initialState({ id: 'execution-1' });
    let checkpoints = 0;
    for (const recorded of driver.log) {
      const before = state;
      state = apply(each, state, recorded);
      const text = JSON.stringify(snapshot(state));
      const restored = restore(each, JSON.parse(text) as Json);
      expect(restored).toEqual(state);
      if (checkpointDue(before, state)) checkpoints += 1;
    }
    expect(checkpoints).toBe(Math.floor(state.completed / 10));
    expect(state.completed).toBe(15);
    expect(restore(each, { ...(snapshot(state) as object), form: 99 } as Json)).toBeNull();
  });

  it('checkpoints of a long log are few, and none is far behind', () => {
    const at = (completed: number): ExecutionState => ({ ...initialState({ id: 'x' }), completed });
    const due: number[] = [];
    for (let n = 1; n <= 30_000; n++) if (checkpointDue(at(n - 1), at(n))) due.push(n);
    expect(due.slice(0, 10)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    for (const [i, n] of due.entries()) {
      expect(n - (due[i - 1] ?? 0)).toBeLessThanOrEqual(Math.max(10, n / 5));
    }
    const written = due.reduce((sum, n) => sum + n, 0);
    expect(written).toBeLessThan(30_000 * 7);
  });
});

function created(runtime: 'engine' | 'step_functions'): ExecutionEvent {
  return {
    type: 'execution_created',
    workflow_id: 'test',
    version: '1.0.0',
    program_hash: '',
    runtime,
    input: {},
    root_id: 'x',
    parent: null,
    depth: 0,
    retry_of: null,
    carried: null,
  };
}

function succeeded(step: string, output: Json = 1): ExecutionEvent {
  return { type: 'step_succeeded', step, output, attempts: 1, compensation: null };
}
