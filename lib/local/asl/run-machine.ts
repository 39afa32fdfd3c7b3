/**
 * One machine file run by itself: `cloudflow asl run machine.json --input in.json [--tasks results.json]`.
 *
 * Time is virtual: waits, retries and timeouts pass at once and show in the timestamps.
 *
 * The tasks file says what the outside of Task states answers:
 *
 * ```json
 * {
 *   "charge":       [{ "error": "Throttled", "cause": "slow down" }, { "result": { "paid": true } }],
 *   "arn:…:mailer": [{ "result": { "sent": true }, "seconds": 3 }],
 *   "arn:aws:states:::lambda:invoke": [{ "result": null }]
 * }
 * ```
 *
 * A key is a state's name, else the `FunctionName` or `StateMachineArn` of its Arguments, else its
 * `Resource`; the first that is in the file counts. A list is consumed in order and its last member
 * repeats. A member has `result` or `error` (with `cause`), and may take `seconds`. `result` is
 * what the function returns (`$states.result.Payload`), what a task token is answered with, or a
 * child execution's output. `{"silent": true}` never answers: a function that hangs, a token that
 * nobody answers.
 */
import type { Problem } from '#core/errors.ts';
import { isJsonObject, type Json, type JsonObject, pointerTo } from '#core/json.ts';
import type { Evaluator } from '#ports/evaluator.ts';
import type { Ids } from '#ports/ids.ts';
import { createVirtualClock, type VirtualClock } from '../virtual-clock.ts';
import { localMachineArn } from './arns.ts';
import type { HistoryEvent } from './history.ts';
import { createMemoryHistoryStore } from './memory-history-store.ts';
import type { TaskCaller, TaskOutcome } from './outside.ts';
import { parseMachine } from './parse-machine.ts';
import { createStateMachineRuntime } from './runtime.ts';
import type { ExecutionDescription, StateMachineRuntime } from './runtime-types.ts';

export interface RunMachineOptions {
  readonly machine: Json;
  readonly input: Json;
  /** The tasks file, parsed; absent, every Task fails for want of a function. */
  readonly tasks?: Json;
  readonly evaluator: Evaluator;
  readonly ids: Ids;
  /** Business time of the start, or a clock of the caller's. */
  readonly clock?: VirtualClock;
  readonly startMs?: number;
  readonly name?: string;
}

export type RunMachineResult =
  | { readonly ok: false; readonly problems: readonly Problem[] }
  | {
      readonly ok: true;
      /** RUNNING when the execution waits for what will never come. */
      readonly execution: ExecutionDescription;
      /** What GetExecutionHistory would answer. */
      readonly history: { readonly events: readonly HistoryEvent[] };
    };

/** An execution has at most 25,000 events, and at most a few timers for each of them. */
const MOST_MOVES = 200_000;

export async function runMachineFile(options: RunMachineOptions): Promise<RunMachineResult> {
  const parsed = parseMachine(options.machine);
  const problems: Problem[] = parsed.ok ? [] : [...parsed.problems];
  const results = readTasksFile(options.tasks ?? {}, problems);
  if (!parsed.ok || problems.length > 0) return { ok: false, problems };

  const clock = options.clock ?? createVirtualClock({ start: options.startMs ?? 0 });
  const stateMachineArn = localMachineArn('machine');
  const faults: unknown[] = [];
  const after = (seconds: number, act: () => void): void => {
    clock.schedule(clock.now() + seconds * 1000, act);
  };
  const answer = (caller: TaskCaller, target: string, resource: string): Promise<TaskOutcome> => {
    const list = [caller.stateName, target, resource]
      .map((key) => results.get(key))
      .find((each) => each !== undefined);
    const next = list?.length === 1 ? list[0] : list?.shift();
    if (next === undefined) {
      const cause = `no result for state '${caller.stateName}', '${target}' or '${resource}' in the tasks file`;
      return Promise.resolve({ ok: false, error: 'Lambda.ResourceNotFoundException', cause });
    }
    const { outcome, seconds } = next;
    const { token } = caller;
    if (token !== null) {
      if (outcome !== null) {
        after(seconds, () => {
          const sent = outcome.ok
            ? runtime.sendTaskSuccess(token, outcome.payload)
            : runtime.sendTaskFailure(token, outcome.error, outcome.cause);
          // A token that timed out meanwhile is an answer like any other; nobody is there to hear it.
          sent.catch((error: unknown) => faults.push(error));
        });
      }
      return Promise.resolve({ ok: true, payload: null });
    }
    return new Promise((resolve) => {
      if (outcome !== null) after(seconds, () => resolve(outcome));
    });
  };
  const runtime = createStateMachineRuntime({
    clock,
    ids: options.ids,
    evaluator: options.evaluator,
    store: createMemoryHistoryStore(),
    definitions: {
      load: (arn) =>
        Promise.resolve(arn === stateMachineArn ? (options.machine as JsonObject) : null),
    },
    tasks: {
      invokeLambda: (request) =>
        answer(
          request,
          request.functionName,
          `arn:aws:states:::lambda:invoke${request.token === null ? '' : '.waitForTaskToken'}`,
        ),
      runExecution: (request) =>
        answer(request, request.stateMachineArn, 'arn:aws:states:::states:startExecution.sync:2'),
    },
    onFault: (error) => faults.push(error),
    // A silent function keeps its place for ever, and there is only this execution.
    maxConcurrentWork: Number.MAX_SAFE_INTEGER,
  });
  try {
    const started = await runtime.startExecution({
      tenant: 'local',
      stateMachineArn,
      name: options.name ?? 'run',
      input: options.input,
    });
    if (!started.ok) {
      const problem = { code: started.error, pointer: '', message: started.message };
      return { ok: false, problems: [problem] };
    }
    const execution = await runToRest(runtime, clock, started.executionArn);
    if (faults.length > 0) throw faults[0];
    const events = (await runtime.getExecutionHistory(started.executionArn)) ?? [];
    return { ok: true, execution, history: { events } };
  } finally {
    await runtime.close();
  }
}

async function runToRest(
  runtime: StateMachineRuntime,
  clock: VirtualClock,
  executionArn: string,
): Promise<ExecutionDescription> {
  // An evaluator may be a process of its own: time must not move while it thinks.
  const remove = clock.addSettler(() => runtime.idle());
  try {
    for (let move = 0; move < MOST_MOVES; move++) {
      await clock.settle();
      const execution = await runtime.describeExecution(executionArn);
      if (execution === null) throw new Error(`execution ${executionArn} is gone`);
      if (execution.status !== 'RUNNING') return execution;
      if (!(await clock.advanceToNext())) return execution;
    }
    throw new Error(`the execution did not come to rest in ${MOST_MOVES} moves of the clock`);
  } finally {
    remove();
  }
}

interface Result {
  /** Null never answers. */
  readonly outcome: TaskOutcome | null;
  readonly seconds: number;
}

function readTasksFile(file: Json, problems: Problem[]): Map<string, Result[]> {
  const results = new Map<string, Result[]>();
  const problem = (pointer: string, message: string): void => {
    problems.push({ code: 'TASKS_FILE_INVALID', pointer, message });
  };
  if (!isJsonObject(file)) {
    problem('', 'a tasks file is an object of lists');
    return results;
  }
  for (const [key, list] of Object.entries(file)) {
    const at = pointerTo('', key);
    if (!Array.isArray(list) || list.length === 0) {
      problem(at, 'must be a list with at least one result');
      continue;
    }
    const read = list.map((each, index) => readResult(each, pointerTo(at, index), problem));
    results.set(
      key,
      read.filter((each) => each !== null),
    );
  }
  return results;
}

function readResult(
  given: Json,
  pointer: string,
  problem: (pointer: string, message: string) => void,
): Result | null {
  const wrong = (message: string): null => {
    problem(pointer, message);
    return null;
  };
  if (!isJsonObject(given)) return wrong("must be an object with 'result', 'error' or 'silent'");
  const { result, error, cause = '', seconds = 0, silent, ...rest } = given;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    return wrong(`unknown field '${unknown}'; use result, error, cause, seconds, silent`);
  }
  if (typeof seconds !== 'number' || !(seconds >= 0)) return wrong("'seconds' must be 0 or more");
  if (silent === true) return { outcome: null, seconds };
  if (error === undefined && result !== undefined) {
    return { outcome: { ok: true, payload: result }, seconds };
  }
  if (typeof error === 'string' && typeof cause === 'string' && result === undefined) {
    return { outcome: { ok: false, error, cause }, seconds };
  }
  return wrong("must have either 'result', or 'error' with 'cause' as texts, or 'silent': true");
}
