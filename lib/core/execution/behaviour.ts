import type { Expression, Step, StepOf, StepType } from '#core/plan/program.ts';
import type { Decision } from './decision.ts';
import type { Values } from './evaluation.ts';
import type { Place } from './program-index.ts';
import type { StepState } from './state.ts';

/** What a step of one type does in an execution. */
export interface Behaviour<T extends StepType> {
  /** Evaluated at the start, together with `when`. */
  readonly expressions: (step: StepOf<T>) => Iterable<Expression>;
  /** Records the start and whatever follows at once. */
  readonly start: (decision: Decision, place: Place, step: StepOf<T>, values: Values) => void;
  /** Issues the commands that an EXECUTING step needs: at its start, and again after a crash. */
  readonly pursue?: (decision: Decision, place: Place, step: StepOf<T>, current: StepState) => void;
  /** The business time at which the step wants to be looked at again. */
  readonly deadline?: (step: StepOf<T>, current: StepState) => number | null;
  /** Called once `deadline` has come. */
  readonly expire?: (decision: Decision, place: Place, step: StepOf<T>, current: StepState) => void;
  /** Containers: a body may have ended; closes the container or goes on. Harmless when repeated. */
  readonly drained?: (
    decision: Decision,
    place: Place,
    step: StepOf<T>,
    current: StepState,
  ) => void;
}

export type Behaviours = { readonly [T in StepType]: Behaviour<T> };

/** One behaviour, for callers that hold a step of any type. */
export function behaviourOf(behaviours: Behaviours, step: Step): Behaviour<StepType> {
  // The table is keyed by the type of the step that it is given: the pair always fits.
  return behaviours[step.type] as unknown as Behaviour<StepType>;
}
