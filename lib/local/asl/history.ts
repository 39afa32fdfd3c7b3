/**
 * The history of an execution: what GetExecutionHistory shows, plus what is needed to go on.
 *
 * A row is one step of the truth. `event` is AWS's; a row without one says something that AWS keeps
 * to itself (until when a Wait waits, a heartbeat, a failure without an event of its own). `note`
 * adds to an event what AWS leaves out of it.
 */
import type { Json } from '#core/json.ts';
import type { StoredRow } from '#ports/history-store.ts';

export interface HistoryRow {
  /** 1, 2, 3 … within the execution; every row has one, events and others alike. */
  readonly seq: number;
  /** The lane it belongs to: '' for the top, `/0`, `/0/3` for branches and iterations. */
  readonly lane: string;
  readonly event: HistoryEvent | null;
  readonly note: Note | null;
}

export type StateKind =
  | 'Pass'
  | 'Task'
  | 'Choice'
  | 'Wait'
  | 'Parallel'
  | 'Map'
  | 'Succeed'
  | 'Fail';

/** The event types of AWS which this interpreter writes. */
export type HistoryEventType =
  | 'ExecutionStarted'
  | 'ExecutionSucceeded'
  | 'ExecutionFailed'
  | 'ExecutionAborted'
  | 'ExecutionTimedOut'
  | `${StateKind}StateEntered`
  | `${Exclude<StateKind, 'Fail'>}StateExited`
  | 'TaskScheduled'
  | 'TaskStarted'
  | 'TaskSubmitted'
  | 'TaskSucceeded'
  | 'TaskFailed'
  | 'TaskTimedOut'
  | 'TaskStateAborted'
  | 'WaitStateAborted'
  | 'ParallelStateStarted'
  | 'ParallelStateSucceeded'
  | 'ParallelStateFailed'
  | 'ParallelStateAborted'
  | 'MapStateStarted'
  | 'MapStateSucceeded'
  | 'MapStateFailed'
  | 'MapStateAborted'
  | 'MapIterationStarted'
  | 'MapIterationSucceeded'
  | 'MapIterationFailed'
  | 'MapIterationAborted'
  | 'EvaluationFailed';

/** One event; beside these members it has at most one `…EventDetails`. */
export interface HistoryEvent {
  readonly id: number;
  readonly previousEventId: number;
  readonly timestamp: string;
  readonly type: HistoryEventType;
  readonly executionStartedEventDetails?: ExecutionStartedDetails;
  readonly executionSucceededEventDetails?: OutputDetails;
  readonly executionFailedEventDetails?: ErrorDetails;
  readonly executionAbortedEventDetails?: ErrorDetails;
  readonly executionTimedOutEventDetails?: ErrorDetails;
  readonly stateEnteredEventDetails?: StateEnteredDetails;
  readonly stateExitedEventDetails?: StateExitedDetails;
  readonly taskScheduledEventDetails?: TaskScheduledDetails;
  readonly taskStartedEventDetails?: ResourceDetails;
  readonly taskSubmittedEventDetails?: ResourceDetails & OutputDetails;
  readonly taskSucceededEventDetails?: ResourceDetails & OutputDetails;
  readonly taskFailedEventDetails?: ResourceDetails & ErrorDetails;
  readonly taskTimedOutEventDetails?: ResourceDetails & ErrorDetails;
  readonly mapStateStartedEventDetails?: { readonly length: number };
  readonly mapIterationStartedEventDetails?: IterationDetails;
  readonly mapIterationSucceededEventDetails?: IterationDetails;
  readonly mapIterationFailedEventDetails?: IterationDetails;
  readonly mapIterationAbortedEventDetails?: IterationDetails;
  readonly evaluationFailedEventDetails?: ErrorDetails & {
    readonly location: string;
    readonly state: string;
  };
}

export interface Truncation {
  readonly truncated: false;
}
export interface ExecutionStartedDetails {
  readonly input: string;
  readonly inputDetails: Truncation;
  readonly roleArn: string;
}
export interface OutputDetails {
  readonly output: string;
  readonly outputDetails: Truncation;
}
export interface ErrorDetails {
  readonly error?: string;
  readonly cause?: string;
}
export interface StateEnteredDetails {
  readonly name: string;
  readonly input: string;
  readonly inputDetails: Truncation;
}
export interface StateExitedDetails extends OutputDetails {
  readonly name: string;
  /** Values are JSON texts, as on AWS. */
  readonly assignedVariables?: { readonly [name: string]: string };
  readonly assignedVariablesDetails?: Truncation;
}
export interface ResourceDetails {
  readonly resourceType: string;
  readonly resource: string;
}
export interface TaskScheduledDetails extends ResourceDetails {
  readonly region: string;
  readonly parameters: string;
  readonly timeoutInSeconds?: number;
  readonly heartbeatInSeconds?: number;
}
export interface IterationDetails {
  readonly name: string;
  readonly index: number;
}

/** What a failure of a state leads to; decided when it is written, so that a restart agrees. */
export type Plan =
  | { readonly kind: 'retry'; readonly retrier: number; readonly at: number }
  | { readonly kind: 'catch'; readonly catcher: number }
  | { readonly kind: 'raise' };

export interface Failure {
  /** Null when a Fail state names none. */
  readonly error: string | null;
  readonly cause: string | null;
  /** True for a missed heartbeat, which Catchers may call by either of two names. */
  readonly heartbeat?: boolean;
}

export type Note =
  | { readonly kind: 'started'; readonly start: StartNote }
  | { readonly kind: 'exited'; readonly next: string | null }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'child'; readonly executionArn: string }
  | { readonly kind: 'branches'; readonly input: Json }
  | { readonly kind: 'items'; readonly items: readonly Json[]; readonly concurrency: number }
  | { readonly kind: 'iteration'; readonly input: Json }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly plan: Plan }
  // The rest stand in rows without an event.
  | { readonly kind: 'waiting'; readonly until: number }
  | { readonly kind: 'heartbeat'; readonly at: number };

/** What must be known to run an execution, kept in its first row. */
export interface StartNote {
  readonly tenant: string;
  readonly name: string;
  readonly machineArn: string;
  readonly machineName: string;
  /** Says of a child which task attempt started it; '' for any other start. */
  readonly startKey: string;
}

const ENDS: ReadonlySet<HistoryEventType> = new Set([
  'ExecutionSucceeded',
  'ExecutionFailed',
  'ExecutionAborted',
  'ExecutionTimedOut',
]);

/** Whether this event is the last of its execution. */
export function endsExecution(type: HistoryEventType): boolean {
  return ENDS.has(type);
}

export function storedRow(row: HistoryRow): StoredRow {
  const ends = row.event !== null && endsExecution(row.event.type);
  return { seq: row.seq, ends, text: JSON.stringify(row) };
}

/** A text of the store is one that `storedRow` wrote. */
export function rowOfText(text: string): HistoryRow {
  return JSON.parse(text) as HistoryRow;
}
