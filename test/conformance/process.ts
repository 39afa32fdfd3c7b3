/**
 * Both runtimes as one process of the platform has them, over stores that outlive it.
 *
 *  P1 nothing here is ours but what is behind ports: engine, interpreter, step runner, steps and
 *     services are those that are deployed;
 *  P2 a process that was killed does nothing any more: no call of its gets through or comes back, and
 *     none of its timers fires;
 *  P3 writes are counted, so that a process can be killed at any of them: before it is done, or when
 *     it is done and nobody has heard of it.
 */

import { createOutboundGate } from '#adapters/breaker/outbound-gate.ts';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { compileMachine } from '#core/asl/compile.ts';
import type { Machine } from '#core/asl/types.ts';
import type { JsonObject } from '#core/json.ts';
import type { Program, Runtime } from '#core/plan/program.ts';
import type { StepPerformer } from '#engine/deps.ts';
import { createEngine, type Engine } from '#engine/engine.ts';
import { createStepPerformer } from '#engine/step-performer.ts';
import { createStateMachineRuntime } from '#local/asl/runtime.ts';
import type { Definitions, StateMachineRuntime, Tasks } from '#local/asl/runtime-types.ts';
import {
  createLocalDefinitions,
  createLocalStateMachines,
  LOCAL_STEP_RUNNER,
} from '#local/state-machines.ts';
import { createStepRunnerTasks } from '#local/step-runner-tasks.ts';
import type { Clock } from '#ports/clock.ts';
import type { Evaluator } from '#ports/evaluator.ts';
import type { HistoryStore } from '#ports/history-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import type { Programs } from '#ports/programs.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import type { StateMachines } from '#ports/state-machines.ts';
import { createChildren } from '#services/executions/children.ts';
import type { ExecutionDeps } from '#services/executions/deps.ts';
import { createCursors } from '#services/shared/cursor.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import type { Catalog } from '#services/workflows/catalog.ts';
import type { StepDeps } from '#steps/deps.ts';
import { createStepFunctionsDriver, type StepFunctionsDriver } from '#steps/runner/driver.ts';
import { createKnownExecutions } from '#steps/runner/known.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import type { MemoryExecutionStore } from '#test/support/memory-execution-store.ts';
import type { TestRealTime } from './real-time.ts';
import type { OutsideWorld } from './world.ts';

/** Where a test may put a fault of meaning between the parts of one side. */
export interface Seams {
  readonly program?: (program: Program) => Program;
  readonly machine?: (machine: Machine) => Machine;
  readonly performer?: (performer: StepPerformer) => StepPerformer;
  readonly tasks?: (tasks: Tasks) => Tasks;
}

export interface Surroundings {
  readonly store: MemoryExecutionStore;
  readonly histories: HistoryStore;
  readonly programs: ReadonlyMap<string, Program>;
  readonly catalog: Catalog;
  readonly world: OutsideWorld;
  readonly clock: Clock;
  readonly real: TestRealTime;
  readonly evaluator: Evaluator;
  readonly ids: Ids;
  readonly log: Log;
  readonly seams: Seams;
  /** Decides, at each write, whether the process dies: before it, after it, or not. */
  readonly fate: (write: string) => 'before' | 'after' | null;
  onApproval(executionId: string, step: string): void;
  onFault(fault: unknown): void;
}

export interface Process {
  readonly dead: boolean;
  /** Resolves when it is killed. */
  readonly death: Promise<void>;
  readonly engine: Engine;
  readonly machines: StateMachines;
  readonly driver: StepFunctionsDriver;
  readonly services: ExecutionDeps;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export const TENANT = '0190b5a0-0000-7000-8000-00000000beef';
const RUNTIMES: ReadonlySet<Runtime> = new Set(['engine', 'step_functions']);

export function createProcess(around: Surroundings): Process {
  const { store, world, real, evaluator, ids, log, seams } = around;
  let dead = false;
  let die = (): void => undefined;
  const death = new Promise<void>((resolve) => {
    die = resolve;
  });

  const kill = (): Promise<never> => {
    dead = true;
    const { owner } = engine.stats;
    if (owner !== null) store.killed(owner);
    die();
    return never();
  };
  const guard = <T extends object>(target: T, writes: readonly string[] = []): T =>
    guarded(target, writes, {
      isDead: () => dead,
      fate: around.fate,
      kill,
    });
  const clockOf = (clock: Clock): Clock => ({
    now: () => clock.now(),
    monotonic: () => real.monotonic(),
    schedule: (at, callback) =>
      clock.schedule(at, () => {
        if (!dead) callback();
      }),
    after: (ms, callback) =>
      real.after(ms, () => {
        if (!dead) callback();
      }),
  });

  const clock = clockOf(around.clock);
  const access = guard(store.access, ['accept']);
  const ownership = guard(
    {
      ...store.ownership,
      requestApproval: async (request) => {
        await store.ownership.requestApproval(request);
        around.onApproval(request.executionId, request.step);
      },
    } satisfies typeof store.ownership,
    ['append'],
  );
  const recorder = guard(store.recorder, ['record']);
  const programs: Programs = {
    find: async (_tenant, hash) => {
      const found = around.programs.get(hash) ?? null;
      return found === null ? null : (seams.program?.(found) ?? found);
    },
  };
  const hints: RuntimeHints = {
    accepted: (hint) => {
      if (hint.runtime === 'engine') engine.hints.accepted(hint);
      else void driver.look();
    },
    signalled: (hint) => {
      if (hint.runtime === 'engine') engine.hints.signalled(hint);
      else void driver.look();
    },
  };
  const tokens = createCallbackTokens();
  const children = createChildren({
    executions: access,
    catalog: around.catalog,
    hints,
    runtimes: RUNTIMES,
    clock,
  });
  const stepDeps: StepDeps = {
    evaluator: guard(evaluator),
    deadlines: world.deadlines,
    // Each tenant and host has its own; a breaker that opens is no part of the language.
    gate: createOutboundGate(clock, {
      ...{ concurrency: 1_000, waiting: 1_000, failures: 1_000_000, openMs: 1 },
    }),
    connections: guard(world.connections),
    secrets: guard(world.secrets),
    http: guard(world.http),
    databases: guard(world.databases),
    outbox: guard(world.outbox),
    children,
    publicUrl: 'https://flow.test',
  };
  const performer = createStepPerformer(stepDeps);
  const engine: Engine = createEngine(
    {
      store: ownership,
      programs,
      performer: seams.performer?.(performer) ?? performer,
      evaluator: stepDeps.evaluator,
      children,
      tokens,
      ...{ clock, ids, log },
    },
    // Calls are not bounded here: a call that waits for its turn would be late on one side only.
    { slots: () => ({ perKind: 100_000, perTenant: 100_000 }) },
  );
  const runner: RunnerDeps = {
    ...stepDeps,
    clock,
    ids,
    executions: access,
    recorder,
    known: createKnownExecutions(),
    operating: ownership,
    programs,
    tokens: guard(store.tokens),
    callbackTokens: tokens,
    log,
    metrics: NO_METRICS,
  };
  const tasks = createStepRunnerTasks(runner, log);
  const interpreter: StateMachineRuntime = createStateMachineRuntime({
    clock,
    ids,
    evaluator: stepDeps.evaluator,
    store: guard(around.histories, ['append']),
    tasks: seams.tasks?.(tasks) ?? tasks,
    definitions: definitionsOf(access, programs, seams.machine),
    onFault: (fault) => around.onFault(fault),
  });
  const machines = createLocalStateMachines(interpreter);
  const driver = createStepFunctionsDriver({ runner, machines, work: guard(store.work), log });

  return {
    get dead() {
      return dead;
    },
    ...{ death, engine, machines, driver },
    services: {
      executions: access,
      catalog: around.catalog,
      programs,
      hints,
      runtimes: RUNTIMES,
      tokens,
      clock,
      ids,
      cursors: createCursors(oneKey(new Uint8Array(32))),
    },
    async start() {
      store.adopter = {
        ...engine.adopter,
        signalled: (tenant, executionId) => {
          engine.adopter.signalled(tenant, executionId);
          void driver.look();
        },
      };
      await engine.start();
      await interpreter.resume();
      await driver.look();
    },
    async stop() {
      dead = true; // what is under way has nobody left to go on for
      die();
    },
  };
}

function definitionsOf(
  executions: RunnerDeps['executions'],
  programs: Programs,
  seam: Seams['machine'],
): Definitions {
  if (seam === undefined) return createLocalDefinitions({ executions, programs });
  const plain = createLocalDefinitions({ executions, programs });
  return {
    async load(arn) {
      const machine = await plain.load(arn);
      return machine === null
        ? null
        : (seam(structuredClone(machine) as unknown as Machine) as unknown as JsonObject);
    },
  };
}

/** The machine of a program, as the local runtime compiles it. */
export function machineOf(program: Program): Machine | null {
  const compiled = compileMachine(program, { stepRunner: LOCAL_STEP_RUNNER });
  return compiled.ok ? compiled.machine : null;
}

const never = (): Promise<never> => new Promise(() => undefined);

interface Life {
  isDead(): boolean;
  fate(write: string): 'before' | 'after' | null;
  kill(): Promise<never>;
}

/** P2 and P3 for a port whose methods are all asynchronous. */
function guarded<T extends object>(target: T, writes: readonly string[], life: Life): T {
  type Method = (...given: readonly unknown[]) => Promise<unknown>;
  const known = new Map<string, Method>();
  const wrap = (name: string, method: Method): Method => {
    const counts = writes.includes(name);
    return async (...given) => {
      if (life.isDead()) return never();
      const fate = counts ? life.fate(name) : null;
      if (fate === 'before') return life.kill();
      try {
        const answer = await Reflect.apply(method, target, given);
        if (fate === 'after') return life.kill();
        return life.isDead() ? never() : answer;
      } catch (error) {
        if (life.isDead()) return never();
        throw error;
      }
    };
  };
  return new Proxy(target, {
    get(of, name) {
      const member = Reflect.get(of, name) as unknown;
      if (typeof member !== 'function' || typeof name !== 'string') return member;
      const made = known.get(name) ?? wrap(name, member as Method);
      known.set(name, made);
      return made;
    },
  });
}
