import { describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { localMachineArn } from '#local/asl/arns.ts';
import { rowOfText } from '#local/asl/history.ts';
import { createMemoryHistoryStore } from '#local/asl/memory-history-store.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import type { HistoryStore } from '#ports/history-store.ts';
import {
  begin,
  CHILD,
  createWorld,
  echo,
  finish,
  machine,
  ok,
  START,
  scope,
  TOKEN,
  task,
  type World,
} from './harness.ts';

const WAIT = machine({ W: { Type: 'Wait', Seconds: 60, End: true } });
const ARN = localMachineArn('m');

const start = (world: World, name: string, input: Json = {}) =>
  world.runtime.startExecution({ tenant: 't', stateMachineArn: ARN, name, input });

describe('startExecution', () => {
  it('is idempotent by name and input while the execution runs', async () => {
    const world = createWorld();
    world.machines.set(ARN, WAIT);
    const first = await start(world, 'n', { a: 1, b: 2 });
    await world.clock.advance(1000);
    expect(await start(world, 'n', { b: 2, a: 1 })).toEqual(first);
    expect(await start(world, 'n', { a: 2 })).toMatchObject({ error: 'ExecutionAlreadyExists' });
    await world.clock.advance(60_000);
    expect(await start(world, 'n', { a: 1, b: 2 })).toMatchObject({
      error: 'ExecutionAlreadyExists',
    });
    expect(first).toMatchObject({ ok: true, startDate: START });
  });

  it('starts once when it is asked twice at once', async () => {
    const world = createWorld();
    world.machines.set(ARN, machine({ T: task() }));
    const both = await Promise.all([start(world, 'n'), start(world, 'n')]);
    expect(both[0]).toEqual(both[1]);
    await world.clock.settle();
    expect(world.calls).toHaveLength(1);
    expect(world.faults).toEqual([]);
  });

  it('refuses what AWS refuses', async () => {
    const world = createWorld();
    expect(await start(world, 'n')).toMatchObject({ error: 'StateMachineDoesNotExist' });
    world.machines.set(ARN, machine({ A: { Type: 'Pass' } }));
    expect(await start(world, 'n')).toMatchObject({
      error: 'InvalidDefinition',
      problems: [{ pointer: '/States/A' }],
    });
    world.machines.set(ARN, WAIT);
    for (const name of ['', 'a b', 'a/b', 'n'.repeat(81), 'a\u0000']) {
      expect(await start(world, name)).toMatchObject({ error: 'InvalidName' });
    }
    expect(await start(world, 'n', 'x'.repeat(262_143))).toMatchObject({
      error: 'InvalidExecutionInput',
    });
  });

  it('refuses more than it may have open', async () => {
    const world = createWorld(echo, { maxOpenExecutions: 2 });
    world.machines.set(ARN, WAIT);
    expect(await start(world, 'a')).toMatchObject({ ok: true });
    expect(await start(world, 'b')).toMatchObject({ ok: true });
    expect(await start(world, 'c')).toMatchObject({ error: 'ExecutionLimitExceeded' });
    await world.clock.advance(60_000);
    expect(await start(world, 'c')).toMatchObject({ ok: true });
  });
});

describe('the bounds of work', () => {
  it('at most so many invocations run at once', async () => {
    let running = 0;
    let most = 0;
    const world = createWorld(
      (_call, { clock }) =>
        new Promise((resolve) => {
          running += 1;
          most = Math.max(most, running);
          clock.schedule(clock.now() + 1000, () => {
            running -= 1;
            resolve(ok(null));
          });
        }),
      { maxConcurrentWork: 3 },
    );
    world.machines.set(ARN, machine({ T: task() }));
    for (let i = 0; i < 10; i++) await start(world, `n${i}`);
    await world.clock.advance(10_000);
    expect(most).toBe(3);
    expect(world.calls).toHaveLength(10);
    expect(await world.runtime.describeExecution(`${executionArn('n9')}`)).toMatchObject({
      status: 'SUCCEEDED',
    });
  });

  it('a resume with more than fits goes on as others end', async () => {
    const store = createMemoryHistoryStore();
    const first = createWorld(echo, { store });
    first.machines.set(ARN, WAIT);
    for (let i = 0; i < 5; i++) await start(first, `n${i}`);
    await first.runtime.close();
    const second = createWorld(echo, { store, clock: first.clock, maxOpenExecutions: 2 });
    second.machines.set(ARN, WAIT);
    await second.runtime.resume();
    await second.clock.advance(60_000);
    await second.clock.settle();
    expect(await store.unfinished(null, 10)).toEqual([]);
    expect(second.faults).toEqual([]);
  });
});

const executionArn = (name: string): string =>
  `arn:aws:states:local:000000000000:execution:m:${name}`;

describe('stopExecution', () => {
  it('aborts and tells why; an ended one stays as it is', async () => {
    const world = createWorld();
    const arn = await begin(world, WAIT);
    await world.clock.advance(5000);
    expect(await world.runtime.stopExecution(arn, 'Stopped', 'by hand')).toBe(true);
    const outcome = await finish(world, arn);
    expect(outcome).toMatchObject({ status: 'ABORTED', error: 'Stopped', cause: 'by hand' });
    expect(outcome.events.at(-1)).toMatchObject({
      type: 'ExecutionAborted',
      previousEventId: 0,
      executionAbortedEventDetails: { error: 'Stopped', cause: 'by hand' },
    });
    expect(outcome.seconds).toBe(5);
    expect(await world.runtime.stopExecution(arn, null, null)).toBe(true);
    expect((await world.runtime.describeExecution(arn))?.error).toBe('Stopped');
    expect(await world.runtime.stopExecution(executionArn('none'), null, null)).toBe(false);
    expect(world.clock.pending).toBe(0);
  });

  it('drops the answer of a task that was running', async () => {
    const world = createWorld(
      (_call, { clock }) =>
        new Promise((resolve) => {
          clock.schedule(clock.now() + 9000, () => resolve(ok(1)));
        }),
    );
    const arn = await begin(world, machine({ T: task() }));
    await world.clock.advance(1000);
    await world.runtime.stopExecution(arn, null, null);
    await world.clock.advance(20_000);
    const { types, status } = await finish(world, arn);
    expect(status).toBe('ABORTED');
    expect(types.at(-1)).toBe('ExecutionAborted');
  });
});

describe('task tokens', () => {
  const ASK = machine({
    T: task({ Resource: TOKEN, Output: '{% $states.result %}', TimeoutSeconds: 50 }),
  });

  async function asked(world: World): Promise<{ arn: string; token: string }> {
    const arn = await begin(world, ASK);
    await world.clock.settle();
    return { arn, token: world.calls[0]?.token ?? '' };
  }

  it('succeed once', async () => {
    const world = createWorld();
    const { arn, token } = await asked(world);
    expect(await world.runtime.sendTaskSuccess(token, { a: 1 })).toEqual({ ok: true });
    expect(await world.runtime.sendTaskSuccess(token, { a: 2 })).toMatchObject({
      error: 'TaskTimedOut',
    });
    expect((await finish(world, arn)).output).toEqual({ a: 1 });
    expect(await world.runtime.sendTaskFailure(token, 'E', '')).toMatchObject({
      error: 'TaskTimedOut',
    });
  });

  it('fail with the error that is sent', async () => {
    const world = createWorld();
    const { arn, token } = await asked(world);
    await world.runtime.sendTaskFailure(token, 'Rejected', 'no');
    expect(await finish(world, arn)).toMatchObject({ error: 'Rejected', cause: 'no' });
  });

  it('are no good after the timeout, and cannot be made up', async () => {
    const world = createWorld();
    const { arn, token } = await asked(world);
    const forged = Buffer.from(JSON.stringify([arn, '', 'guess'])).toString('base64url');
    expect(await world.runtime.sendTaskSuccess(forged, 1)).toMatchObject({ ok: false });
    for (const none of ['', 'x', 'bnVsbA', 'W10', 'x'.repeat(5000)]) {
      expect(await world.runtime.sendTaskSuccess(none, 1)).toMatchObject({ error: 'InvalidToken' });
    }
    await world.clock.advance(50_000);
    expect(await world.runtime.sendTaskSuccess(token, 1)).toMatchObject({ error: 'TaskTimedOut' });
    expect((await finish(world, arn)).error).toBe('States.Timeout');
  });

  it('may be answered by the function itself, before it returns', async () => {
    const world = createWorld(async ({ token }, { live }) => {
      await live.runtime.sendTaskSuccess(token ?? '', 'early');
      return ok('late');
    });
    const { output, types } = await finish(world, await begin(world, ASK));
    expect(output).toBe('early');
    expect(types).not.toContain('TaskSubmitted');
  });

  it('a heartbeat while the function still runs does not call it again', async () => {
    const world = createWorld(
      ({ token }, { clock, live }) =>
        new Promise((resolve) => {
          clock.schedule(clock.now() + 1000, () => {
            void live.runtime.sendTaskHeartbeat(token ?? '');
          });
          clock.schedule(clock.now() + 2000, () => {
            resolve(ok(null));
          });
          clock.schedule(clock.now() + 3000, () => {
            void live.runtime.sendTaskSuccess(token ?? '', 'done');
          });
        }),
    );
    const definition = machine({
      T: task({ Resource: TOKEN, Output: '{% $states.result %}', HeartbeatSeconds: 20 }),
    });
    expect((await finish(world, await begin(world, definition))).output).toBe('done');
    expect(world.calls).toHaveLength(1);
  });

  it('refuse an answer that is too large', async () => {
    const world = createWorld();
    const { token } = await asked(world);
    expect(await world.runtime.sendTaskSuccess(token, 'x'.repeat(262_143))).toMatchObject({
      error: 'InvalidOutput',
    });
  });

  it('reach an execution that is not open yet after a restart', async () => {
    const store = createMemoryHistoryStore();
    const first = createWorld(echo, { store });
    const { arn, token } = await asked(first);
    await first.runtime.close();
    const second = createWorld(echo, { store, clock: first.clock });
    second.machines.set(ARN, ASK);
    expect(await second.runtime.sendTaskSuccess(token, 'after')).toEqual({ ok: true });
    expect((await finish(second, arn)).output).toBe('after');
    // TaskSubmitted was stored, so nobody was asked again.
    expect(second.calls).toEqual([]);
  });
});

describe('faults', () => {
  /** Fails the appends whose numbers are listed, before or after they are stored. */
  function flaky(failures: ReadonlyMap<number, 'lost' | 'stored'>): HistoryStore {
    const inner = createMemoryHistoryStore();
    let call = 0;
    return {
      ...inner,
      async append(arn, rows) {
        const failure = failures.get(++call);
        if (failure === 'lost') throw new Error('store is away');
        const fits = await inner.append(arn, rows);
        if (failure === 'stored') throw new Error('answer was lost');
        return fits;
      },
    };
  }

  it.each(['lost', 'stored'] as const)(
    'an append that is %s costs a second, and the result is the same',
    async (how) => {
      const definition = machine({
        A: { Type: 'Pass', Output: '{% $states.input.n + 1 %}', Next: 'T' },
        T: task({ Output: '{% $states.result.Payload + 1 %}', Next: 'W' }),
        W: { Type: 'Wait', Seconds: 1, End: true },
      });
      for (let at = 2; at < 6; at++) {
        const world = createWorld(echo, { store: flaky(new Map([[at, how]])) });
        const outcome = await finish(world, await begin(world, definition, { n: 1 }));
        expect(outcome).toMatchObject({ status: 'SUCCEEDED', output: 3 });
        expect(world.faults).toHaveLength(1);
      }
    },
  );

  it('a store that stays away is asked again with longer pauses, not for ever at once', async () => {
    const failures = new Map([2, 3, 4, 5].map((call) => [call, 'lost'] as const));
    const world = createWorld(echo, { store: flaky(failures) });
    const arn = await begin(world, WAIT);
    const { status } = await finish(world, arn);
    expect(status).toBe('SUCCEEDED');
    expect(world.faults).toHaveLength(4);
  });

  it('pauses of its own are real time: they end though business time stands still', async () => {
    const world = createWorld(echo, { store: flaky(new Map([[2, 'lost']])) });
    const definition = machine({ P: { Type: 'Pass', Output: '{% 1 + 1 %}', End: true } });
    const arn = await begin(world, definition);
    while (world.pauses.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const ended = await finish(world, arn);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', output: 2, seconds: 0 });
    expect(world.clock.now()).toBe(START);
    expect(world.pauses).toEqual([1_000]);
  });

  it('an evaluator that is away is asked again, and in the end the execution says so', async () => {
    const clock = createVirtualClock({ start: START });
    const real = createInProcessEvaluator();
    let away = 3;
    const evaluator = {
      evaluate: (request: Parameters<typeof real.evaluate>[0]) =>
        away-- > 0 ? Promise.reject(new Error('queue is full')) : real.evaluate(request),
      close: () => real.close(),
    };
    const definition = machine({ P: { Type: 'Pass', Output: '{% 1 + 1 %}', End: true } });
    const world = createWorld(echo, { clock, evaluator });
    const first = await finish(world, await begin(world, definition));
    // No business time passes while the evaluator is away: that is nobody's delay.
    expect([first.output, first.seconds]).toEqual([2, 0]);
    expect(world.pauses).toEqual([100, 200, 400]);
    away = Number.POSITIVE_INFINITY;
    const outcome = await finish(world, await begin(world, definition, {}, 'second'));
    expect(outcome).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
    expect(outcome.cause).toContain('queue is full');
  });

  it('a function that throws instead of answering is an SDK error that Retry can take', async () => {
    let calls = 0;
    const world = createWorld(() => {
      calls += 1;
      if (calls === 1) throw new Error('connection reset');
      return ok('fine');
    });
    const definition = machine({
      T: task({
        Output: '{% $states.result.Payload %}',
        Retry: [{ ErrorEquals: ['Lambda.SdkClientException'] }],
      }),
    });
    expect((await finish(world, await begin(world, definition))).output).toBe('fine');
  });

  it('nothing is asked of the outside before the row that says so is stored', async () => {
    const inner = createMemoryHistoryStore();
    let release: () => void = () => undefined;
    const held: HistoryStore = {
      ...inner,
      append: async (arn, rows) => {
        const scheduled = rows.some(({ text }) => rowOfText(text).event?.type === 'TaskScheduled');
        if (scheduled) {
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        }
        return inner.append(arn, rows);
      },
    };
    const world = createWorld(echo, { store: held });
    const arn = await begin(world, machine({ T: task() }));
    await world.clock.settle();
    expect(world.calls).toEqual([]);
    release();
    expect((await finish(world, arn)).status).toBe('SUCCEEDED');
    expect(world.calls).toHaveLength(1);
  });

  it('a named child that ended while its start was forgotten is found, not refused', async () => {
    const inner = createMemoryHistoryStore();
    let lost = false;
    const store: HistoryStore = {
      ...inner,
      append: (arn, rows) => {
        const submitted = rows.some(({ text }) => rowOfText(text).event?.type === 'TaskSubmitted');
        if (!submitted || lost) return inner.append(arn, rows);
        lost = true;
        return Promise.reject(new Error('store is away'));
      },
    };
    const world = createWorld(echo, { store });
    world.machines.set(localMachineArn('kid'), machine({ S: { Type: 'Succeed' } }));
    const definition = machine({
      T: task({
        Resource: CHILD,
        Arguments: { StateMachineArn: localMachineArn('kid'), Name: 'once', Input: 5 },
        Output: '{% $states.result.Output %}',
        Next: 'U',
      }),
      // Another task's start of the same name is not the same start.
      U: task({
        Resource: CHILD,
        Arguments: { StateMachineArn: localMachineArn('kid'), Name: 'once', Input: 5 },
        Catch: [
          { ErrorEquals: ['States.ALL'], Output: '{% $states.errorOutput.Error %}', Next: 'E' },
        ],
      }),
      E: { Type: 'Succeed' },
    });
    const outcome = await finish(world, await begin(world, definition));
    expect(world.faults).toHaveLength(1);
    expect(outcome.types.filter((type) => type === 'TaskSucceeded')).toHaveLength(1);
    expect(outcome.output).toBe('StepFunctions.ExecutionAlreadyExistsException');
  });

  it('two runtimes on one store do not both write', async () => {
    const store = createMemoryHistoryStore();
    const clock = createVirtualClock({ start: START });
    const first = createWorld(echo, { store, clock });
    const definition = machine({
      W: { Type: 'Wait', Seconds: 5, Next: 'T' },
      T: task({ Output: '{% $states.result.Payload %}' }),
    });
    const arn = await begin(first, definition, { a: 1 });
    const second = createWorld(echo, { store, clock });
    second.machines.set(ARN, definition);
    await second.runtime.resume();
    const outcome = await finish(second, arn);
    expect(outcome.output).toEqual({ a: 1 });
    expect(outcome.types.filter((type) => type === 'TaskSucceeded')).toHaveLength(1);
    expect(await first.runtime.describeExecution(arn)).toMatchObject({ status: 'SUCCEEDED' });
  });
});

describe('close', () => {
  it('stores what is made, leaves no timer and refuses what waits', async () => {
    const world = createWorld();
    const arn = await begin(world, WAIT);
    const waiting = world.runtime.waitForExecution(arn);
    const refused = expect(waiting).rejects.toThrow(/closed/);
    await world.runtime.close();
    await refused;
    expect(world.clock.pending).toBe(0);
    expect((await world.store.load(arn)).map((text) => rowOfText(text).seq)).toEqual([1, 2, 3]);
    expect(await start(world, 'late')).toMatchObject({ ok: false });
  });
});

describe('at scale', () => {
  it('a map of 1,000 items runs 40 at a time and keeps their order', async () => {
    let running = 0;
    let most = 0;
    const world = createWorld(
      ({ payload }, { clock }) =>
        new Promise((resolve) => {
          running += 1;
          most = Math.max(most, running);
          // Later items are faster, so ends do not come in order.
          clock.schedule(clock.now() + 1000 - Number(payload), () => {
            running -= 1;
            resolve(ok(Number(payload) * 2));
          });
        }),
    );
    const definition = machine({
      M: {
        Type: 'Map',
        Items: '{% [0..999] %}',
        MaxConcurrency: 40,
        ItemProcessor: scope({ T: task({ Output: '{% $states.result.Payload %}' }) }),
        End: true,
      },
    });
    const { output, types, status } = await finish(world, await begin(world, definition));
    expect(status).toBe('SUCCEEDED');
    expect(most).toBe(40);
    expect(output).toEqual(Array.from({ length: 1000 }, (_, i) => i * 2));
    expect(types).toHaveLength(1000 * 7 + 6);
  }, 20_000);
});
