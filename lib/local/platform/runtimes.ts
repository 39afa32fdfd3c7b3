import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createAslHistoryStore } from '#adapters/postgres/asl-history-store.ts';
import { createOutboxPublisher } from '#adapters/postgres/outbox-publisher.ts';
import { createExecutionOwnership } from '#adapters/postgres/ownership.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import { createExecutionRecorder } from '#adapters/postgres/recorder.ts';
import { createStepFunctionsWork } from '#adapters/postgres/step-functions-work.ts';
import { createTaskTokens } from '#adapters/postgres/task-tokens.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import { createEngine } from '#engine/engine.ts';
import { createStepPerformer } from '#engine/step-performer.ts';
import type { Cache } from '#ports/cache.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import { createChildren } from '#services/executions/children.ts';
import { createCatalog } from '#services/workflows/catalog.ts';
import type { StepDeps } from '#steps/deps.ts';
import { createStepFunctionsDriver, type StepFunctionsDriver } from '#steps/runner/driver.ts';
import { createKnownExecutions } from '#steps/runner/known.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import { createStateMachineRuntime } from '../asl/runtime.ts';
import { createLocalDefinitions, createLocalStateMachines } from '../state-machines.ts';
import { createStepRunnerTasks } from '../step-runner-tasks.ts';
import type { Ground } from './ground.ts';
import type { Reach } from './reach.ts';

export type Runtimes = ReturnType<typeof createRuntimes>;

/**
 * Both runtimes over one set of stores and steps. Nothing runs yet.
 *
 * `publicUrl`: where the API is reached, once it is.
 */
export function createRuntimes(
  ground: Ground,
  reach: Reach,
  { cache, publicUrl }: { readonly cache: Cache; publicUrl(): string },
) {
  const { pools, partitions, codec, clock, ids, log, metrics, tracer, virtualClock } = ground;
  const kinds = new Set(['engine', 'step_functions'] as const);
  const workflows = createPostgresWorkflowStore({ pool: pools.app, codec, ids });
  const catalog = createCatalog(workflows, cache);
  const programs = createPostgresPrograms(pools.app, cache);
  const tokens = createCallbackTokens();
  const ownership = createExecutionOwnership({
    ...{ pool: pools.engine, codec, partitions, log, metrics },
  });

  // Runtimes are made of parts that hint at them, so hints go through this table.
  const to: { engine: RuntimeHints | null; driver: StepFunctionsDriver | null } = {
    engine: null,
    driver: null,
  };
  const hints: RuntimeHints = {
    accepted(hint) {
      if (hint.runtime === 'engine') to.engine?.accepted(hint);
      else void to.driver?.look();
    },
    signalled(hint) {
      if (hint.runtime === 'engine') to.engine?.signalled(hint);
      else void to.driver?.look();
    },
  };
  // The same: the engine adopts what is accepted by the store that it is made of.
  const own: { engine: ReturnType<typeof createEngine> | null } = { engine: null };
  const executions = createExecutionAccess({
    pool: pools.accept,
    readers: pools.app,
    codec,
    ids,
    partitions: createPartitions(pools.accept),
    adopter: {
      reserve: (request) => own.engine?.adopter.reserve(request) ?? null,
      adopt: (loaded) => own.engine?.adopter.adopt(loaded),
      release: (request, unknown) => own.engine?.adopter.release(request, unknown),
      signalled(of, executionId) {
        own.engine?.adopter.signalled(of, executionId);
        void to.driver?.look();
      },
    },
  });
  const children = createChildren({ executions, catalog, hints, runtimes: kinds, clock });
  const stepDeps: StepDeps = {
    ...reach,
    outbox: createOutboxPublisher({ pool: pools.app, codec, partitions, clock }),
    children,
    tracer,
    get publicUrl() {
      return publicUrl();
    },
  };

  const engine = createEngine({
    store: ownership,
    programs,
    performer: createStepPerformer(stepDeps),
    evaluator: reach.evaluator,
    ...{ children, tokens, clock, ids, metrics },
    log: log.with({ part: 'engine' }),
  });
  own.engine = engine;
  to.engine = engine.hints;

  const runnerDeps: RunnerDeps = Object.create(stepDeps, {
    clock: { value: clock },
    ids: { value: ids },
    executions: { value: executions },
    recorder: { value: createExecutionRecorder({ pool: pools.app, codec, partitions }) },
    known: { value: createKnownExecutions() },
    operating: { value: ownership },
    programs: { value: programs },
    tokens: { value: createTaskTokens(pools.driver) },
    callbackTokens: { value: tokens },
    log: { value: log.with({ part: 'step runner' }) },
    metrics: { value: metrics },
  }) as RunnerDeps;
  const tasks = createStepRunnerTasks(runnerDeps, runnerDeps.log, {
    timeStandsStill: virtualClock !== null,
  });
  const machines = createStateMachineRuntime({
    ...{ clock, ids, evaluator: reach.evaluator, tasks },
    store: createAslHistoryStore({ pool: pools.driver, codec }),
    definitions: createLocalDefinitions({ executions, programs }),
    onFault: (error, executionArn) =>
      log.error('MACHINE_STUMBLED', { execution_id: executionArn.split(':').at(-1), error }),
  });
  const driver = createStepFunctionsDriver({
    runner: runnerDeps,
    machines: createLocalStateMachines(machines),
    work: createStepFunctionsWork({ pool: pools.driver, codec }),
    log: log.with({ part: 'step functions' }),
  });
  to.driver = driver;

  virtualClock?.addSettler(async () => {
    // Calls of tasks take real time, and what they answer sets the machines going again.
    for (let moved = true; moved; ) {
      await driver.look();
      await machines.idle();
      moved = tasks.running > 0;
      await tasks.idle();
      await engine.settled();
    }
  });

  return {
    ...{ kinds, engine, machines, driver, tasks, hints },
    ...{ workflows, catalog, programs, executions, tokens, outbox: stepDeps.outbox },
    /** From now on hints for the engine go to engines in other processes. */
    hintElsewhere(engines: RuntimeHints): void {
      to.engine = engines;
    },
  };
}
