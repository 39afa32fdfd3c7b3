/** Retry, Catch and time limits, to the millisecond of the virtual clock. */
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '#core/json.ts';
import { bad, type Handler, machine, ok, run, scope, TOKEN, task } from './harness.ts';

const seconds = (calls: readonly { readonly at: number }[]): number[] =>
  calls.map(({ at }) => at / 1000);

/** Fails with these errors in turn, then succeeds. */
const failing = (...errors: readonly string[]): Handler => {
  let call = 0;
  return () => {
    const error = errors[call++];
    return error === undefined ? ok('done') : bad(error);
  };
};

describe('Retry', () => {
  it.each<[string, JsonObject, readonly string[], readonly number[], string | null]>([
    ['defaults: 1, 2, 4 seconds, three retries', {}, ['E', 'E', 'E', 'E'], [0, 1, 3, 7], 'E'],
    ['2, 4, 8', { IntervalSeconds: 2 }, ['E', 'E', 'E'], [0, 2, 6, 14], null],
    ['fixed', { IntervalSeconds: 5, BackoffRate: 1 }, ['E', 'E'], [0, 5, 10], null],
    ['a ceiling', { IntervalSeconds: 3, MaxDelaySeconds: 4 }, ['E', 'E', 'E'], [0, 3, 7, 11], null],
    ['fractions rounded up', { BackoffRate: 1.5 }, ['E', 'E', 'E'], [0, 1, 3, 6], null],
    ['no retry', { MaxAttempts: 0 }, ['E'], [0], 'E'],
    ['only what it names', { ErrorEquals: ['F'] }, ['E'], [0], 'E'],
  ])('%s', async (_name, retrier, errors, times, error) => {
    const { world, ...outcome } = await run(
      machine({ T: task({ Retry: [{ ErrorEquals: ['E'], ...retrier }] }) }),
      {},
      failing(...errors),
    );
    expect(seconds(world.calls)).toEqual(times);
    expect(outcome.error).toBe(error);
  });

  it('each retrier counts alone, and the first that names the error decides', async () => {
    const { world, error } = await run(
      machine({
        T: task({
          Retry: [
            { ErrorEquals: ['A'], MaxAttempts: 1, IntervalSeconds: 10 },
            { ErrorEquals: ['B'], MaxAttempts: 2, IntervalSeconds: 100 },
            { ErrorEquals: ['States.ALL'], MaxAttempts: 5 },
          ],
        }),
      }),
      {},
      failing('A', 'B', 'B', 'A'),
    );
    // A at 10; B at 100 and 200; the second A finds its retrier used up, and States.ALL is not asked.
    expect(seconds(world.calls)).toEqual([0, 10, 110, 310]);
    expect(error).toBe('A');
  });

  it('schedules again with the retry count, fresh arguments and no other state entered', async () => {
    const { world, types, events } = await run(
      machine({
        T: task({
          Arguments: {
            FunctionName: 'f',
            Payload: '{% $states.context.State.RetryCount %}',
          },
          Output: '{% $states.context.State.RetryCount %}',
          Retry: [{ ErrorEquals: ['States.TaskFailed'] }],
        }),
      }),
      {},
      failing('E', 'E'),
    );
    expect(world.calls.map(({ payload }) => payload)).toEqual([0, 1, 2]);
    expect(new Set(world.calls.map(({ attemptKey }) => attemptKey)).size).toBe(3);
    expect(types.filter((type) => type === 'TaskScheduled')).toHaveLength(3);
    expect(types.filter((type) => type === 'TaskStateEntered')).toHaveLength(1);
    const failed = events.findIndex(({ type }) => type === 'TaskFailed');
    expect(events[failed + 1]?.previousEventId).toBe(events[failed]?.id);
  });

  it('starts anew when the state is entered anew', async () => {
    const { world, error } = await run(
      machine({
        I: { Type: 'Pass', Assign: { n: 0 }, Next: 'T' },
        T: task({
          Retry: [{ ErrorEquals: ['E'], MaxAttempts: 1, IntervalSeconds: 1 }],
          Catch: [{ ErrorEquals: ['E'], Assign: { n: '{% $n + 1 %}' }, Next: 'L' }],
        }),
        L: {
          Type: 'Choice',
          Choices: [{ Condition: '{% $n < 2 %}', Next: 'T' }],
          Default: 'F',
        },
        F: { Type: 'Fail', Error: 'Twice' },
      }),
      {},
      () => bad('E'),
    );
    expect(seconds(world.calls)).toEqual([0, 1, 1, 2]);
    expect(error).toBe('Twice');
  });

  it('of a Parallel runs all its branches again', async () => {
    const { world, seconds: took } = await run(
      machine({
        P: {
          Type: 'Parallel',
          Branches: [scope({ A: task() }), scope({ B: task({ Retry: [] }) })],
          Retry: [{ ErrorEquals: ['States.ALL'], IntervalSeconds: 3 }],
          End: true,
        },
      }),
      {},
      ({ stateName, at }) => (stateName === 'B' && at === 0 ? bad('E') : ok(1)),
    );
    expect(world.calls.map(({ stateName, at }) => `${stateName}${at}`)).toEqual([
      'A0',
      'B0',
      'A3000',
      'B3000',
    ]);
    expect(took).toBe(3);
  });

  it('FULL jitter draws from 0 to the delay and is written down', async () => {
    const { world } = await run(
      machine({
        T: task({
          Retry: [{ ErrorEquals: ['E'], IntervalSeconds: 1000, JitterStrategy: 'FULL' }],
        }),
      }),
      {},
      failing('E', 'E'),
    );
    const [first = 0, second = 0, third = 0] = seconds(world.calls);
    expect(second - first).toBeGreaterThanOrEqual(0);
    expect(second - first).toBeLessThan(1000);
    expect(third - second).toBeLessThan(2000);
  });
});

describe('Catch', () => {
  it.each<[string, string, readonly string[], boolean]>([
    ['takes its own name', 'E', ['E'], true],
    ['takes one of several', 'E', ['D', 'E'], true],
    ['does not take another', 'E', ['D'], false],
    ['States.ALL takes any', 'E', ['States.ALL'], true],
    ['States.TaskFailed takes any of a task', 'E', ['States.TaskFailed'], true],
    ['States.TaskFailed does not take a timeout', 'States.Timeout', ['States.TaskFailed'], false],
    ['States.ALL takes a timeout', 'States.Timeout', ['States.ALL'], true],
    ['nothing takes States.Runtime', 'States.Runtime', ['States.ALL'], false],
    ['not by its name either', 'States.Runtime', ['States.Runtime'], false],
  ])('%s', async (_name, thrown, names, caught) => {
    const { status } = await run(
      machine({
        T: task({ Catch: [{ ErrorEquals: [...names], Next: 'C' }] }),
        C: { Type: 'Succeed' },
      }),
      {},
      () => bad(thrown),
    );
    expect(status).toBe(caught ? 'SUCCEEDED' : 'FAILED');
  });

  it('of the outer container takes what the inner one does not', async () => {
    const inner: Json = {
      Type: 'Map',
      Items: [1, 2],
      ItemProcessor: scope({ F: { Type: 'Fail', Error: 'Deep', Cause: 'down' } }),
      Catch: [{ ErrorEquals: ['Other'], Next: 'G' }],
      End: true,
    };
    const { output, types } = await run(
      machine({
        P: {
          Type: 'Parallel',
          Branches: [scope({ M: inner, G: { Type: 'Pass', End: true } })],
          Catch: [{ ErrorEquals: ['Deep'], Next: 'C' }],
          End: true,
        },
        C: { Type: 'Pass', End: true },
      }),
    );
    expect(output).toEqual({ Error: 'Deep', Cause: 'down' });
    expect(types.filter((type) => type.endsWith('Failed'))).toEqual([
      'MapIterationFailed',
      'MapStateFailed',
      'ParallelStateFailed',
    ]);
  });
});

describe('time limits', () => {
  const hang: Handler = () => new Promise(() => undefined);

  it('TimeoutSeconds ends a task with States.Timeout and no cause', async () => {
    const {
      error,
      cause,
      seconds: took,
      events,
    } = await run(machine({ T: task({ TimeoutSeconds: 12 }) }), {}, hang);
    expect([error, cause, took]).toEqual(['States.Timeout', null, 12]);
    expect(events.at(-2)).toMatchObject({
      type: 'TaskTimedOut',
      taskTimedOutEventDetails: {
        resourceType: 'lambda',
        resource: 'invoke',
        error: 'States.Timeout',
      },
    });
    expect(events.at(-1)?.executionFailedEventDetails).toEqual({ error: 'States.Timeout' });
  });

  it('runs per attempt, and a late answer is dropped', async () => {
    const {
      world,
      output,
      seconds: took,
    } = await run(
      machine({
        T: task({
          TimeoutSeconds: 10,
          Output: '{% $states.result.Payload %}',
          Retry: [{ ErrorEquals: ['States.Timeout'], IntervalSeconds: 1 }],
        }),
      }),
      {},
      ({ retryCount }, { clock }) =>
        new Promise((resolve) => {
          const takes = retryCount === 0 ? 15_000 : 9_000;
          clock.schedule(clock.now() + takes, () => resolve(ok(`answer ${retryCount}`)));
        }),
    );
    expect(seconds(world.calls)).toEqual([0, 11]);
    expect([output, took]).toEqual(['answer 1', 20]);
  });

  it.each(['States.HeartbeatTimeout', 'States.Timeout', 'States.ALL'])(
    'a missed heartbeat is caught as %s',
    async (name) => {
      const { output, seconds: took } = await run(
        machine({
          T: task({
            Resource: TOKEN,
            HeartbeatSeconds: 5,
            TimeoutSeconds: 60,
            Catch: [{ ErrorEquals: [name], Next: 'C' }],
          }),
          C: { Type: 'Succeed' },
        }),
      );
      expect([output, took]).toEqual([{ Error: 'States.Timeout', Cause: '' }, 5]);
    },
  );

  it('a heartbeat begins the gap anew', async () => {
    const { seconds: took } = await run(
      machine({ T: task({ Resource: TOKEN, HeartbeatSeconds: 5 }) }),
      {},
      ({ token }, { clock, live }) => {
        for (const at of [4, 8, 12]) {
          clock.schedule(clock.now() + at * 1000, () => {
            void live.runtime.sendTaskHeartbeat(token ?? '');
          });
        }
        return ok(null);
      },
    );
    expect(took).toBe(17);
  });

  it("the machine's TimeoutSeconds ends everything and leaves no error behind", async () => {
    const {
      status,
      error,
      cause,
      seconds: took,
      events,
    } = await run(
      machine(
        {
          P: {
            Type: 'Parallel',
            Branches: [
              scope({ W: { Type: 'Wait', Seconds: 100, End: true } }),
              scope({ T: task() }),
            ],
            Catch: [{ ErrorEquals: ['States.ALL'], Next: 'C' }],
            End: true,
          },
          C: { Type: 'Succeed' },
        },
        { TimeoutSeconds: 30 },
      ),
      {},
      hang,
    );
    expect([status, error, cause, took]).toEqual(['TIMED_OUT', null, null, 30]);
    expect(events.at(-1)).toMatchObject({
      type: 'ExecutionTimedOut',
      previousEventId: 0,
      executionTimedOutEventDetails: { error: 'States.Timeout' },
    });
  });
});
