import type { Expression, Step } from '#core/plan/program.ts';
import { runnerBindings } from './expressions.ts';
import type { TestPayload } from './payload.ts';
import { expression } from './records.ts';
import { failing, runnerTask, stepPayload } from './task.ts';
import type { Arrival, Exit, Place, Writing } from './writing.ts';
import { arrive, leaving, variable } from './writing.ts';

export interface Tested {
  /** The state to come back to for another test. */
  readonly name: string;
  /** Holds the answer (`TestResult` in payload.ts). */
  readonly variable: string;
  readonly value: Exit;
  /** The step has failed with ExpressionError. */
  readonly failed: readonly Exit[];
}

/** A Task in which the runner evaluates conditions of a step. */
export function testTask(
  writing: Writing,
  place: Place,
  step: Step,
  of: TestPayload['of'],
  conditions: readonly Expression[],
  incoming: readonly Exit[],
): Tested {
  const name = writing.names.helper(step.path, of === 'when' ? 'when' : 'test');
  const arrival = arrive(incoming, name);
  const payload = {
    ...stepPayload(writing, place, step),
    of,
    ...runnerBindings(place, conditions, step),
  };
  const state = runnerTask(writing, place, { name, kind: 'test', payload }, arrival);
  const failed = failing(writing, place, step, state, arrival, of === 'when' ? '0' : '1');
  const held = variable(place.asl, 'w', step.no);
  state.Assign = { [held]: expression('$states.result.Payload.value') };
  const begun: Arrival = { known: arrival.known, pending: new Set() };
  const value = { ...leaving(place, state, new Map(), begun), finish: null };
  return { name, variable: held, value, failed };
}
