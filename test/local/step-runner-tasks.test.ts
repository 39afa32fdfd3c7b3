import { expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { RUNNER_UNAVAILABLE } from '#core/asl/payload.ts';
import { LOCAL_STEP_RUNNER } from '#local/state-machines.ts';
import { createStepRunnerTasks } from '#local/step-runner-tasks.ts';
import type { Clock } from '#ports/clock.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { createKnownExecutions } from '#steps/runner/known.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import { createMemoryExecutionStore } from '#test/support/memory-execution-store.ts';
import { chainOf, TENANT } from '#test/support/platform.ts';
import { createWorld } from '../steps/support.ts';

const execution = '0190b5a0-0000-7000-8000-0000000000bb';

/** Tasks over a store that is away so many times; pauses take no time and are remembered. */
async function tasksWith(timeStandsStill: boolean, away: number) {
  const store = createMemoryExecutionStore();
  const program = chainOf(1);
  await store.access.accept({
    ...{ tenant: TENANT, mode: 'live', id: execution, rootId: execution },
    ...{ workflowId: program.workflowId, version: program.version, programHash: program.hash },
    ...{ runtime: 'step_functions', input: {}, parent: null, depth: 0, retryOf: null },
    ...{ carried: null, labels: {}, correlationId: null, idempotency: null, now: 1 },
  });
  const system = createSystemClock();
  const pauses: number[] = [];
  let left = away;
  const clock: Clock = {
    ...system,
    monotonic: () => pauses.reduce((sum, ms) => sum + ms, 0),
    after: (ms, callback) => {
      pauses.push(ms);
      return system.after(0, callback);
    },
  };
  const deps = {
    ...createWorld(),
    clock,
    ids: createIds(),
    executions: store.access,
    programs: { find: async () => program },
    known: createKnownExecutions(),
    log: createSilentLog(),
    metrics: NO_METRICS,
    recorder: {
      record: (...request) => {
        left -= 1;
        if (left >= 0) return Promise.reject(new Error('Connection terminated unexpectedly'));
        return store.recorder.record(...request);
      },
    },
  } as Partial<RunnerDeps> as RunnerDeps;
  const tasks = createStepRunnerTasks(deps, createSilentLog(), { timeStandsStill });
  const outcome = tasks.invokeLambda({
    ...{ tenant: TENANT, executionArn: 'e', executionName: 'e', stateName: 's', retryCount: 0 },
    ...{ attemptKey: 'a', token: null, functionName: LOCAL_STEP_RUNNER },
    payload: { kind: 'record', execution },
  });
  return { tasks, outcome, pauses };
}

it('a task is repeated in real time while business time stands still', async () => {
  const { outcome, pauses } = await tasksWith(true, 17);
  expect(await outcome).toEqual({ ok: true, payload: {} });
  // Each round tries four times; between rounds it waits longer and longer.
  expect(pauses.filter((ms) => ms >= 1_000)).toEqual([1_000, 3_000]);
});

it('but not for ever, and not at all where the machine itself waits in real time', async () => {
  const bounded = await tasksWith(true, Number.POSITIVE_INFINITY);
  expect(await bounded.outcome).toMatchObject({ ok: false, error: RUNNER_UNAVAILABLE });
  expect(bounded.pauses.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(65_000);
  const real = await tasksWith(false, 4);
  expect(await real.outcome).toMatchObject({ ok: false, error: RUNNER_UNAVAILABLE });
});

it('what is repeated ends when the platform does', async () => {
  const { tasks, outcome } = await tasksWith(true, Number.POSITIVE_INFINITY);
  await tasks.close();
  expect(await outcome).toMatchObject({ ok: false, error: RUNNER_UNAVAILABLE });
});
