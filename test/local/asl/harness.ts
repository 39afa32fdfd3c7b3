/** A runtime on a virtual clock with fakes behind its ports, and shorthand for machines. */
import type { Json, JsonObject } from '#core/json.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { localMachineArn } from '#local/asl/arns.ts';
import type { HistoryEvent } from '#local/asl/history.ts';
import { createMemoryHistoryStore } from '#local/asl/memory-history-store.ts';
import { createStateMachineRuntime } from '#local/asl/runtime.ts';
import type {
  ExecutionDescription,
  RuntimeOptions,
  StateMachineRuntime,
  Tasks,
} from '#local/asl/runtime-types.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import type { Clock } from '#ports/clock.ts';
import type { EvaluationRequest, Evaluator } from '#ports/evaluator.ts';
import type { HistoryStore } from '#ports/history-store.ts';

export type Invocation = Parameters<Tasks['invokeLambda']>[0] & { readonly at: number };
export type TaskAnswer =
  | { readonly ok: true; readonly payload: Json }
  | { readonly ok: false; readonly error: string; readonly cause: string };
export type Handler = (call: Invocation, world: World) => TaskAnswer | Promise<TaskAnswer>;

export interface World {
  readonly runtime: StateMachineRuntime;
  /** Whom the outside answers: after a restart, the new runtime. */
  readonly live: { runtime: StateMachineRuntime };
  readonly clock: VirtualClock;
  readonly store: HistoryStore;
  /** Round trips to the evaluator. */
  readonly asked: EvaluationRequest[];
  readonly calls: Invocation[];
  readonly faults: unknown[];
  readonly machines: Map<string, JsonObject>;
  /** Milliseconds of each pause in real time that the runtime asked for; here none takes any. */
  readonly pauses: number[];
  /** Resolves when no pause is under way. */
  rested(): Promise<void>;
}

export const START = Date.parse('2026-01-01T00:00:00.000Z');
export const LAMBDA = 'arn:aws:states:::lambda:invoke';
export const TOKEN = 'arn:aws:states:::lambda:invoke.waitForTaskToken';
export const CHILD = 'arn:aws:states:::states:startExecution.sync:2';

export const ok = (payload: Json): TaskAnswer => ({ ok: true, payload });
export const bad = (error: string, cause = ''): TaskAnswer => ({ ok: false, error, cause });

/** Answers a call with its own payload. */
export const echo: Handler = ({ payload }) => ok(payload);

export function createWorld(
  handler: Handler = echo,
  options: Partial<RuntimeOptions> & { clock?: VirtualClock; live?: World['live'] } = {},
): World {
  const clock = options.clock ?? createVirtualClock({ start: START });
  const store = options.store ?? createMemoryHistoryStore();
  const asked: EvaluationRequest[] = [];
  const real = createInProcessEvaluator({ clock });
  const evaluator: Evaluator = {
    evaluate: (request) => {
      asked.push(request);
      return real.evaluate(request);
    },
    close: () => real.close(),
  };
  const calls: Invocation[] = [];
  const faults: unknown[] = [];
  const machines = new Map<string, JsonObject>();
  let ids = 0;
  const pauses: number[] = [];
  let pausing = 0;
  const pause: Clock['after'] = (ms, callback) => {
    pauses.push(ms);
    pausing += 1;
    const end = (act: () => void): void => {
      if (over) return;
      over = true;
      pausing -= 1;
      act();
    };
    let over = false;
    const timer = clock.after(0, () => end(callback));
    return { cancel: () => end(() => timer.cancel()) };
  };
  const rested = async (): Promise<void> => {
    while (pausing > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const runtime = createStateMachineRuntime({
    evaluator,
    tasks: {
      invokeLambda: async (request) => {
        const call = { ...request, at: clock.now() - START };
        calls.push(call);
        return handler(call, world);
      },
    },
    definitions: { load: (arn) => Promise.resolve(machines.get(arn) ?? null) },
    ids: {
      next: () => `0190-${++ids}`,
      random: () => `${String(++ids).padStart(8, '0')}-0000-4000-8000-000000000000`,
    },
    onFault: (error) => faults.push(error),
    ...options,
    store,
    clock: Object.create(clock, { after: { value: pause } }) as Clock,
  });
  const live = options.live ?? { runtime };
  live.runtime = runtime;
  const world: World = {
    runtime,
    live,
    clock,
    store,
    asked,
    calls,
    faults,
    machines,
    pauses,
    rested,
  };
  return world;
}

export function machine(states: Record<string, Json>, more: JsonObject = {}): JsonObject {
  const startAt = Object.keys(states)[0] ?? '';
  return { QueryLanguage: 'JSONata', StartAt: startAt, States: states, ...more };
}

/** `StartAt` and `States` of a branch or an item processor. */
export function scope(states: Record<string, Json>): JsonObject {
  return { StartAt: Object.keys(states)[0] ?? '', States: states };
}

export function task(more: JsonObject = {}): JsonObject {
  return {
    Type: 'Task',
    Resource: LAMBDA,
    Arguments: { FunctionName: 'f', Payload: '{% $states.input %}' },
    ...('Next' in more ? {} : { End: true }),
    ...more,
  };
}

export async function begin(
  world: World,
  definition: JsonObject,
  input: Json = {},
  name = 'run-1',
): Promise<string> {
  const arn = localMachineArn('m');
  world.machines.set(arn, definition);
  const started = await world.runtime.startExecution({
    tenant: 't',
    stateMachineArn: arn,
    name,
    input,
  });
  if (!started.ok) {
    throw new Error(`${started.message} ${JSON.stringify(started.problems ?? '', null, 1)}`);
  }
  return started.executionArn;
}

export interface Outcome extends ExecutionDescription {
  readonly events: readonly HistoryEvent[];
  readonly types: readonly string[];
  readonly seconds: number;
}

/** Moves the clock until the execution ends or nothing will ever move it. */
export async function finish(world: World, arn: string): Promise<Outcome> {
  for (let moves = 0; moves < 100_000; moves++) {
    await world.clock.settle();
    await world.rested();
    await world.runtime.idle();
    const description = await world.runtime.describeExecution(arn);
    if (description === null) throw new Error('no such execution');
    const moved = description.status === 'RUNNING' && (await world.clock.advanceToNext());
    if (!moved) {
      const events = (await world.runtime.getExecutionHistory(arn)) ?? [];
      const types = events.map(({ type }) => type);
      const seconds = ((description.stopDate ?? world.clock.now()) - START) / 1000;
      return { ...description, events, types, seconds };
    }
  }
  throw new Error('the execution does not come to rest');
}

export async function run(
  definition: JsonObject,
  input: Json = {},
  handler: Handler = echo,
): Promise<Outcome & { world: World }> {
  const world = createWorld(handler);
  const outcome = await finish(world, await begin(world, definition, input));
  if (world.faults.length > 0) throw world.faults[0];
  return { ...outcome, world };
}
