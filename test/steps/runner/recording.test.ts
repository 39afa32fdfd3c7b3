import { beforeEach, describe, expect, it } from 'vitest';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import type { StepRunnerPayload } from '#core/asl/payload.ts';
import { foldOn } from '#core/execution/fold.ts';
import { initialState } from '#core/execution/state.ts';
import type { Program } from '#core/plan/program.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { createKnownExecutions } from '#steps/runner/known.ts';
import { runTask } from '#steps/runner/run-task.ts';
import { openTask, type RunnerDeps } from '#steps/runner/task.ts';
import {
  createMemoryExecutionStore,
  type MemoryExecutionStore,
} from '#test/support/memory-execution-store.ts';
import { programOf, TENANT } from '#test/support/platform.ts';
import { createWorld, http } from '../support.ts';

const ITEMS = 200;
const ALL = Array.from({ length: ITEMS }, (_, i) => i);
const program = programOf({
  workflow_id: 'wide',
  version: '1.0.0',
  output: null,
  steps: [
    {
      id: 'each',
      type: 'for_each',
      config: {
        items: '{% $input.items %}',
        max_items: ITEMS,
        steps: [
          {
            id: 'call',
            type: 'http_request',
            max_output_bytes: 100,
            result: '{% $result.body %}',
            config: { url: 'https://example.com', retry: { max_attempts: 2 } },
          },
        ],
      },
    },
  ],
});
const execution = '0190b5a0-0000-7000-8000-0000000000bb';

describe('recording of tasks', () => {
  let store: MemoryExecutionStore;
  /** How many events each record read. */
  let read: number[];
  let whole: number;
  const world = createWorld();
  let now = 1_000_000;

  beforeEach(async () => {
    store = createMemoryExecutionStore();
    read = [];
    whole = 0;
    world.answer = () => http(200, { ok: true });
    await store.access.accept({
      ...{
        tenant: TENANT,
        mode: 'live',
        id: execution,
        rootId: execution,
        runtime: 'step_functions',
      },
      ...{ workflowId: program.workflowId, version: program.version, programHash: program.hash },
      ...{
        input: { items: ALL },
        parent: null,
        depth: 0,
        retryOf: null,
        carried: null,
        labels: {},
      },
      ...{ correlationId: null, idempotency: null, now },
    });
  });

  /** A process of the step runner: what it knows is its own, the store is everybody's. */
  function process(): RunnerDeps {
    return {
      ...world,
      clock: { ...createSystemClock(), now: () => now },
      ids: createIds(),
      log: createSilentLog(),
      metrics: NO_METRICS,
      executions: {
        ...store.access,
        loadExecution: (...of) => {
          whole += 1;
          return store.access.loadExecution(...of);
        },
      },
      recorder: {
        record: (tenant, id, at, after, decide) =>
          store.recorder.record(tenant, id, at, after, (facts) => {
            read.push(facts.tail.length);
            return decide(facts);
          }),
      },
      known: createKnownExecutions(),
      operating: store.ownership,
      programs: { find: async (): Promise<Program> => program },
      tokens: store.tokens,
      callbackTokens: createCallbackTokens(),
    };
  }

  const begin = (deps: RunnerDeps) =>
    runTask(deps, TENANT, {
      ...{ kind: 'items', execution, step: 'each', repetition: 0 },
    } as StepRunnerPayload);
  const call = (deps: RunnerDeps, i: number) =>
    runTask(deps, TENANT, {
      ...{ kind: 'call', execution, step: `each.call[${i}]`, repetition: 0 },
      type: 'http_request',
    } as StepRunnerPayload);
  const eventTypes = (): string[] => store.events(execution).map(({ event }) => event.type);

  it('reads what came since, however long the log is', async () => {
    const deps = process();
    await begin(deps);
    for (let i = 0; i < ITEMS; i++) await call(deps, i);
    expect(store.events(execution)).toHaveLength(3 + 2 * ITEMS);
    expect(whole).toBe(1);
    expect(Math.max(...read)).toBeLessThanOrEqual(2);
  });

  it('knows what other processes recorded meanwhile', async () => {
    const [one, other] = [process(), process()];
    await begin(one);
    for (let i = 0; i < 40; i++) await call(i % 3 === 0 ? one : other, i);
    // A repetition that comes to the other process is answered from the log.
    world.answer = () => http(500, {});
    expect(await call(one, 1)).toEqual({ output: { ok: true }, attempts: 1 });
    expect(eventTypes().filter((type) => type === 'step_succeeded')).toHaveLength(40);
    const log = store.events(execution);
    const folded = foldOn(program, initialState({ id: execution }), log);
    await expect(call(other, 41)).rejects.toMatchObject({ name: 'CloudFlow.ServerError' });
    const task = await openTask(other, TENANT, execution);
    expect(
      foldOn(program, folded, store.events(execution).slice(folded.seq, task.stored.seq)),
    ).toEqual(task.stored);
  });

  it('time never goes back along a log, whatever the clock of a host does', async () => {
    const deps = process();
    await begin(deps);
    now += 20_000;
    await call(deps, 0);
    now -= 20_000;
    await call(deps, 1);
    await call(process(), 2);
    const times = store.events(execution).map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times.at(-1)).toBe(now + 20_000);
  });

  it('keeps nothing of what was not written', async () => {
    const deps = process();
    await begin(deps);
    const lost = {
      ...deps,
      recorder: {
        record: (async (tenant, id, at, after, decide) => {
          await deps.recorder.record(tenant, id, at, after, (facts) => ({
            ...decide(facts),
            events: [],
          }));
          throw new Error('the session is gone');
        }) satisfies RunnerDeps['recorder']['record'],
      },
    };
    await expect(call(lost, 0)).rejects.toThrow('away');
    expect(await call(deps, 0)).toEqual({ output: { ok: true }, attempts: 1 });
    expect(eventTypes().filter((type) => type === 'step_started')).toHaveLength(2);
  });

  it('records a result though sessions are lost, and does not call again', async () => {
    const deps = process();
    await begin(deps);
    let tries = 0;
    const losing = {
      ...deps,
      recorder: {
        record: (async (...request) => {
          tries += 1;
          if (tries % 3 === 1) throw new Error('Client was closed and is not queryable');
          const added = await deps.recorder.record(...request);
          // Written, and the answer is lost.
          if (tries % 3 === 2) throw new Error('Connection terminated unexpectedly');
          return added;
        }) satisfies RunnerDeps['recorder']['record'],
      },
    };
    const calls = world.requests.length;
    expect(await call(losing, 0)).toEqual({ output: { ok: true }, attempts: 1 });
    expect(tries).toBe(6);
    expect(world.requests.length - calls).toBe(1);
    expect(eventTypes().slice(-2)).toEqual(['step_started', 'step_succeeded']);
  });

  it('records one failure of an attempt, whoever reports it again and however late', async () => {
    const deps = process();
    await begin(deps);
    world.answer = () => http(503, {});
    // The same attempt twice at once, as Lambda may do it.
    await Promise.allSettled([call(deps, 0), call(process(), 0)]);
    expect(eventTypes().filter((type) => type === 'step_retry_scheduled')).toHaveLength(1);
    // The first attempt still hangs in one process while the second runs in another.
    let answerLate = (): void => undefined;
    world.answer = () =>
      new Promise((resolve) => {
        answerLate = () => resolve(http(503, {}));
      });
    const late = call(deps, 1);
    while (world.requests.length < 3) await new Promise((resolve) => setImmediate(resolve));
    const answerFirst = answerLate;
    world.answer = () => http(503, {});
    await expect(call(process(), 1)).rejects.toThrow();
    now += 10_000;
    world.answer = () => http(200, { ok: 2 });
    const retried = call(process(), 1);
    answerFirst();
    await expect(late).rejects.toThrow();
    expect(await retried).toEqual({ output: { ok: 2 }, attempts: 2 });
    const of = store
      .events(execution)
      .flatMap(({ event }) => ('step' in event && event.step === 'each.call[1]' ? event.type : []));
    expect(of).toEqual([
      'step_started',
      'step_retry_scheduled',
      'attempt_started',
      'step_succeeded',
    ]);
  });
});
