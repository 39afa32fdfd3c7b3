import type { Program } from '#core/plan/program.ts';
import { behaviourOf } from './behaviour.ts';
import { isFinal } from './events.ts';
import type { ExecutionState, Visit } from './state.ts';
import { isEnding } from './state.ts';
import { BEHAVIOURS } from './step-start.ts';

/** When an EXECUTING step wants to be looked at again; null: not by the clock. */
export function deadlineOf({ place, step: current }: Visit): number | null {
  if (current.status !== 'EXECUTING') return null;
  const { step } = place.info;
  return behaviourOf(BEHAVIOURS, step).deadline?.(step as never, current) ?? null;
}

/** When the workflow times out; null once its fate is decided. */
export function workflowDeadline(program: Program, state: ExecutionState): number | null {
  if (program.timeoutMs === null || state.startedAt === null) return null;
  return isEnding(state) || isFinal(state.status) ? null : state.startedAt + program.timeoutMs;
}
