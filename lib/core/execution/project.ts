import type { StepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type {
  CompensationState,
  ExecutionEvent,
  ExecutionEventType,
  ExecutionStatus,
  SkipReason,
  StepClass,
  StepKey,
  StepStatus,
} from './events.ts';
import { isFinal } from './events.ts';
import { indexOf, placeOf } from './program-index.ts';
import type { ExecutionState, StepState } from './state.ts';
import { stepAt } from './state.ts';

/**
 * What people search and read of an execution, computed from state. Rows of stores are made from
 * these and from nothing else, on both runtimes, in the transaction that adds the events.
 */
export interface StepProjection {
  readonly step: StepKey;
  readonly status: StepStatus;
  readonly class: StepClass | null;
  readonly reason: SkipReason | null;
  /** Finer than status while EXECUTING: `retrying`, `waiting`. */
  readonly phase: string | null;
  readonly attempts: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** When something happens next by itself: a retry, a missed heartbeat. */
  readonly dueAt: number | null;
  readonly output: Json;
  readonly error: StepError | null;
}

export interface ExecutionProjection {
  readonly status: ExecutionStatus;
  readonly phase: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly output: Json;
  readonly error: (StepError & { readonly step?: StepKey }) | null;
  /** Null until it has ended (R32). */
  readonly compensation: CompensationState | null;
}

/** Whether an event may change what the execution's own row says; a new type must answer. */
const CHANGES_EXECUTION: { readonly [T in ExecutionEventType]: boolean } = {
  execution_created: false,
  // The row's runtime is what its new owner finds it by: it changes with the hand-over, not before.
  runtime_changed: false,
  execution_started: true,
  step_started: false,
  attempt_started: false,
  step_retry_scheduled: false,
  step_suspended: false,
  heartbeat_received: false,
  child_started: false,
  iteration_started: false,
  expression_evaluated: false,
  answer_received: false,
  execution_yielded: false,
  step_succeeded: false,
  step_failed: false,
  step_skipped: false,
  execution_paused: true,
  execution_resumed: true,
  cancel_requested: true,
  execution_timed_out: true,
  quota_exceeded: true,
  compensation_started: true,
  compensation_attempt_started: false,
  compensation_retry_scheduled: false,
  compensation_succeeded: false,
  compensation_failed: false,
  execution_completed: true,
  execution_failed: true,
  execution_cancelled: true,
};

/** Whether an event may change what its step's row says. */
const CHANGES_STEP: { readonly [T in ExecutionEventType]: boolean } = {
  ...CHANGES_EXECUTION,
  execution_started: false,
  execution_paused: false,
  execution_resumed: false,
  cancel_requested: false,
  execution_timed_out: false,
  quota_exceeded: false,
  compensation_started: false,
  execution_completed: false,
  execution_failed: false,
  execution_cancelled: false,
  step_started: true,
  attempt_started: true,
  step_retry_scheduled: true,
  step_suspended: true,
  heartbeat_received: true,
  step_succeeded: true,
  step_failed: true,
  step_skipped: true,
};

/** The rows that `events` changed, as they are in `state`, which is the state after all of them. */
export function project(
  program: Program,
  state: ExecutionState,
  events: readonly ExecutionEvent[],
): { readonly steps: readonly StepProjection[]; readonly execution: ExecutionProjection | null } {
  const keys = new Set<StepKey>();
  let changed = false;
  for (const event of events) {
    if (CHANGES_EXECUTION[event.type]) changed = true;
    if (CHANGES_STEP[event.type] && 'step' in event && typeof event.step === 'string') {
      keys.add(event.step);
    }
  }
  const index = indexOf(program);
  const steps: StepProjection[] = [];
  for (const key of keys) steps.push(projectStep(key, stepAt(state, placeOf(index, key))));
  return { steps, execution: changed ? projectExecution(state) : null };
}

function projectStep(key: StepKey, step: StepState): StepProjection {
  const open = step.status === 'EXECUTING';
  return {
    step: key,
    status: step.status,
    class: step.class,
    reason: step.reason,
    phase: !open ? null : step.retryAt !== null ? 'retrying' : step.suspended ? 'waiting' : null,
    attempts: step.attempts,
    startedAt: step.startedAt,
    endedAt: step.completedAt,
    dueAt: open ? (step.retryAt ?? step.heartbeatAt) : null,
    output: step.output,
    error: step.error,
  };
}

export function projectExecution(state: ExecutionState): ExecutionProjection {
  return {
    status: state.status,
    phase: phaseOf(state),
    startedAt: state.startedAt,
    endedAt: state.endedAt,
    output: state.output,
    error: state.error,
    compensation: isFinal(state.status) ? state.compensation : null,
  };
}

function phaseOf(state: ExecutionState): string | null {
  if (state.status !== 'RUNNING') return null;
  if (state.paused) return 'paused';
  if (state.saga !== null) return 'compensating';
  if (state.cancel !== null) return 'cancelling';
  if (state.timedOut) return 'timing_out';
  if (state.exceeded !== null) return 'failing';
  return state.halted ? 'halting' : null;
}
