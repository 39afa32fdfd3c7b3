/** What Task states ask of the outside, and the rows that its answers become. */
import type { Json, JsonObject } from '#core/json.ts';
import type { TaskState } from './machine.ts';
import type { Draft, Env, Visit } from './work.ts';
import {
  type ChildOutcome,
  childEnded,
  lambdaResult,
  taskFailed,
  taskSubmitted,
  taskSucceeded,
} from './work-task.ts';

export type TaskOutcome =
  | { readonly ok: true; readonly payload: Json }
  | { readonly ok: false; readonly error: string; readonly cause: string };

/** What a task asks of the outside; who asks is the same for all. */
export interface TaskCaller {
  readonly tenant: string;
  readonly executionArn: string;
  readonly executionName: string;
  readonly stateName: string;
  readonly retryCount: number;
  /** The same for the same attempt, also when it is asked again after a restart. */
  readonly attemptKey: string;
  /** Of a task that waits for one. */
  readonly token: string | null;
}

export interface Outside {
  invoke(caller: TaskCaller, functionName: string, payload: Json): Promise<TaskOutcome>;
  startChild(caller: TaskCaller, parameters: JsonObject): Promise<ChildAnswer>;
  waitChild(executionArn: string): Promise<ChildOutcome>;
  stopChild(executionArn: string, cause: string): void;
}

export type ChildAnswer =
  | { readonly kind: 'started'; readonly executionArn: string; readonly startDate: number }
  | { readonly kind: 'ended'; readonly child: ChildOutcome }
  | { readonly kind: 'refused'; readonly error: string; readonly cause: string };

/** A function returned or threw. With a token, what it returned only says that it was asked. */
export function answered(visit: Visit, state: TaskState, outcome: TaskOutcome, env: Env): Draft {
  if (!outcome.ok) return taskFailed(visit, state, outcome, env);
  const result = lambdaResult(outcome.payload);
  return state.resource === 'lambda-token'
    ? taskSubmitted(visit, state, result, null)
    : taskSucceeded(visit, state, result, env);
}

export function childAnswered(visit: Visit, state: TaskState, child: ChildAnswer, env: Env): Draft {
  if (child.kind === 'refused') return taskFailed(visit, state, child, env);
  if (child.kind === 'ended') return childEnded(visit, state, child.child, env);
  const { executionArn } = child;
  const output = { ExecutionArn: executionArn, StartDate: child.startDate };
  return taskSubmitted(visit, state, output, executionArn);
}

/** The call gave no answer at all: the one name that AWS has for it, which retriers should hold. */
export function callBroke(visit: Visit, state: TaskState, error: unknown, env: Env): Draft {
  const cause = error instanceof Error ? error.message : String(error);
  return taskFailed(visit, state, { error: 'Lambda.SdkClientException', cause }, env);
}
