import type { ApiErrorCode } from '#core/errors.ts';
import type { Program } from '#core/plan/program.ts';
import type { Signal } from './commands.ts';
import { isFinal } from './events.ts';
import { findPlace, indexOf } from './program-index.ts';
import type { ExecutionState, StepState } from './state.ts';
import { isEnding, stepAt } from './state.ts';
import { isOpen } from './waiting-steps.ts';

/**
 * Which signals are refused, and what their sender is told. A refused signal changes nothing.
 *
 * U1 `decide` asks this same function, so what the API answers is what happens.
 */
export function refusal(
  program: Program,
  state: ExecutionState,
  signal: Signal,
): ApiErrorCode | null {
  const check = CHECKS[signal.kind] as Check<Signal['kind']>;
  return check(program, state, signal);
}

type Check<K extends Signal['kind']> = (
  program: Program,
  state: ExecutionState,
  signal: Extract<Signal, { kind: K }>,
) => ApiErrorCode | null;

const CHECKS: { readonly [K in Signal['kind']]: Check<K> } = {
  approval_answered: (program, state, { step }) =>
    answerable(program, state, step, 'approval', 'APPROVAL_ANSWERED'),
  callback_completed: (program, state, { step }) =>
    answerable(program, state, step, 'callback', 'CALLBACK_FINISHED'),
  callback_failed: (program, state, { step }) =>
    answerable(program, state, step, 'callback', 'CALLBACK_FINISHED'),
  callback_heartbeat: (program, state, { step }) =>
    answerable(program, state, step, 'callback', 'CALLBACK_FINISHED'),
  child_ended: (program, state, { step, executionId }) => {
    const found = find(program, state, step, 'sub_workflow');
    if (found === null) return 'NOT_FOUND';
    if (!isOpen(found)) return 'CONFLICT';
    return found.childId === null || found.childId === executionId ? null : 'CONFLICT';
  },
  cancel: (_, state) => ended(state),
  pause: (_, state) => ended(state) ?? (state.paused ? 'CONFLICT' : null),
  resume: (_, state) => {
    if (isFinal(state.status)) return 'EXECUTION_FINISHED';
    return state.paused ? null : 'EXECUTION_NOT_PAUSED';
  },
};

/** Once its fate is decided an execution can be neither cancelled nor paused. */
function ended(state: ExecutionState): ApiErrorCode | null {
  return isFinal(state.status) || isEnding(state) ? 'EXECUTION_FINISHED' : null;
}

function answerable(
  program: Program,
  state: ExecutionState,
  key: string,
  type: 'approval' | 'callback',
  over: ApiErrorCode,
): ApiErrorCode | null {
  const found = find(program, state, key, type);
  if (found === null || found.status === 'QUEUED') return 'NOT_FOUND';
  return isOpen(found) ? null : over;
}

function find(
  program: Program,
  state: ExecutionState,
  key: string,
  type: string,
): StepState | null {
  const place = findPlace(indexOf(program), key);
  return place === null || place.info.step.type !== type ? null : stepAt(state, place);
}
