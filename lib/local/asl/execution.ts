/**
 * Where an execution stands: what fold.ts makes of its history.
 *
 *  E3 one lane per running scope: the top, each branch, each iteration. A lane's variables are its
 *     own; it reads those of the lanes above it, and its end takes them away.
 *  E4 `turn` changes whenever what a lane waits for changes, so an answer to an older question is
 *     known by its turn and dropped.
 */
import type { Json } from '#core/json.ts';
import type { Failure, StartNote } from './history.ts';
import type { Machine, Scope, State } from './machine.ts';

export type ExecutionStatus = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';

/** One visit of a state. */
export interface Frame {
  readonly state: State;
  readonly input: Json;
  readonly enteredTime: string;
  readonly enteredId: number;
  /** Retries used, per Retrier. */
  readonly attempts: readonly number[];
  readonly retryCount: number;
}

export interface TaskAttempt {
  readonly parameters: Json;
  readonly scheduledId: number;
  readonly token: string | null;
  readonly child: string | null;
  readonly deadline: number | null;
  readonly heartbeatMs: number | null;
  readonly heartbeatDeadline: number | null;
}

export interface Children {
  readonly input: Json;
  /** Null for a Parallel. */
  readonly items: readonly Json[] | null;
  readonly concurrency: number;
  readonly total: number;
  started: number;
  ended: number;
  readonly outputs: Json[];
}

export type Position =
  | { readonly at: 'starting'; readonly state: string; readonly input: Json }
  | { readonly at: 'iterating' }
  | { readonly at: 'entered'; readonly frame: Frame; readonly notBefore: number }
  | { readonly at: 'scheduled'; readonly frame: Frame; readonly task: TaskAttempt }
  | { readonly at: 'started'; readonly frame: Frame; readonly task: TaskAttempt }
  | { readonly at: 'submitted'; readonly frame: Frame; readonly task: TaskAttempt }
  | { readonly at: 'waiting'; readonly frame: Frame; readonly until: number }
  | { readonly at: 'children'; readonly frame: Frame; readonly children: Children }
  | { readonly at: 'joined'; readonly frame: Frame; readonly outputs: readonly Json[] }
  | { readonly at: 'result'; readonly frame: Frame; readonly result: Json }
  | {
      readonly at: 'caught';
      readonly frame: Frame;
      readonly catcher: number;
      readonly failure: Failure;
    }
  | { readonly at: 'raising'; readonly frame: Frame; readonly failure: Failure }
  | { readonly at: 'ended'; readonly output: Json };

export interface Variable {
  readonly value: Json;
  readonly bytes: number;
}

export interface Lane {
  readonly id: string;
  readonly parent: Lane | null;
  readonly index: number;
  readonly scope: Scope;
  readonly item: { readonly index: number; readonly value: Json } | null;
  readonly variables: Map<string, Variable>;
  /** The event that the lane's next one follows. */
  last: number;
  position: Position;
  turn: number;
}

export interface Execution {
  readonly arn: string;
  readonly machine: Machine;
  start: StartNote | null;
  input: Json;
  roleArn: string;
  startTime: string;
  deadline: number | null;
  status: ExecutionStatus;
  output: string | null;
  error: string | null;
  cause: string | null;
  stopTime: string | null;
  seq: number;
  events: number;
  variableBytes: number;
  readonly lanes: Map<string, Lane>;
}

export function createExecution(arn: string, machine: Machine): Execution {
  return {
    arn,
    machine,
    start: null,
    input: null,
    roleArn: '',
    startTime: '',
    deadline: null,
    status: 'RUNNING',
    output: null,
    error: null,
    cause: null,
    stopTime: null,
    seq: 0,
    events: 0,
    variableBytes: 0,
    lanes: new Map(),
  };
}

export function isTask(
  position: Position,
): position is Extract<Position, { readonly task: TaskAttempt }> {
  return position.at === 'scheduled' || position.at === 'started' || position.at === 'submitted';
}

/** Every lane inside this one, outer before inner. */
export function lanesBelow(execution: Execution, lane: Lane): Lane[] {
  const prefix = `${lane.id}/`;
  return [...execution.lanes.values()].filter((each) => each.id.startsWith(prefix));
}
