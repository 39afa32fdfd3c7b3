import type { StepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import { deadlineOf } from './deadlines.ts';
import type {
  CompensationState,
  ExecutionStatus,
  SkipReason,
  StepClass,
  StepKey,
  StepStatus,
} from './events.ts';
import { isFinal } from './events.ts';
import { keyOf, type Place } from './program-index.ts';
import { type ExecutionState, scopeAt, stepAt } from './state.ts';

/**
 * What people search and list, computed from state for both runtimes: the rows that are written in
 * the transaction of the events.
 */
export interface ProjectedStep {
  readonly step: StepKey;
  readonly status: StepStatus;
  readonly class: StepClass | null;
  readonly reason: SkipReason | null;
  readonly phase: string | null;
  readonly attempts: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly dueAt: number | null;
  readonly output: Json;
  readonly error: StepError | null;
}

export interface ProjectedExecution {
  readonly status: ExecutionStatus;
  readonly phase: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly output: Json;
  readonly error: (StepError & { readonly step?: StepKey }) | null;
  readonly compensation: CompensationState | null;
}

export function projectStep(state: ExecutionState, place: Place): ProjectedStep {
  const step = stepAt(state, place);
  const dueAt = deadlineOf({ place, step, scope: scopeAt(state, place) });
  return {
    step: keyOf(place),
    status: step.status,
    class: step.class,
    reason: step.reason,
    phase:
      step.status !== 'EXECUTING'
        ? null
        : step.retryAt === null
          ? (WAITING[place.info.step.type] ?? null)
          : 'retrying',
    attempts: step.attempts,
    startedAt: step.startedAt,
    endedAt: step.completedAt,
    dueAt,
    output: step.output,
    error: step.error,
  };
}

/** Steps that, once begun, wait for somebody or for time. */
const WAITING: { readonly [type: string]: string } = {
  wait: 'waiting',
  approval: 'waiting',
  callback: 'waiting',
  sub_workflow: 'waiting',
};

export function projectExecution(state: ExecutionState): ProjectedExecution {
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

/** Finer than status; null where the status says it all. */
export function phaseOf(state: ExecutionState): string | null {
  if (state.status !== 'RUNNING') return state.paused ? 'paused' : null;
  if (state.paused) return 'paused';
  if (state.saga !== null) return 'compensating';
  if (state.cancel !== null || state.timedOut) return 'cancelling';
  return 'running';
}
