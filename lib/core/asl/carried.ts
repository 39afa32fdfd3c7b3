import type { Step } from '#core/plan/program.ts';
import { CLASS } from './classes.ts';
import { viaDefault, viaRule } from './gate.ts';
import { expression, pathSource } from './records.ts';
import { failing, isLive, keyOf, runnerTask, stepPayload } from './task.ts';
import type { ChoiceState } from './types.ts';
import type { Arrival, Exit, Place, Writing } from './writing.ts';
import { addState, after, arrive, leaving, recordOf, recordVariable } from './writing.ts';

/**
 * In a machine that continues an execution a step asks first, before its trigger and its condition:
 * what succeeded before stands, a container with all that is in it, as on the engine. Two states a step,
 * which no other machine has.
 */
export interface Asked {
  /** Ways on which nothing was carried over. */
  readonly fresh: readonly Exit[];
  /** Ways on which the step has ended already. */
  readonly done: readonly Exit[];
}

export function askCarried(
  writing: Writing,
  place: Place,
  step: Step,
  incoming: readonly Exit[],
): Asked {
  if (incoming.length === 0) return { fresh: [], done: [] };
  keyOf(writing, place, step);
  const name = writing.names.helper(step.path, 'carried');
  const arrival = arrive(incoming, name);
  const payload = stepPayload(writing, place, step);
  const task = runnerTask(writing, place, { name, kind: 'carried', payload }, arrival);
  const failed = failing(writing, place, step, task, arrival);
  // What nothing reads stays with the runner: no budget has room for it (rule 39).
  const { value, bare } = pathSource('$states.result.Payload.record');
  task.Assign = { [recordVariable(place, step)]: isLive(place, step) ? value : bare };
  const told: Arrival = { known: arrival.known, pending: new Set() };
  const known = writing.names.helper(step.path, 'known');
  arrive([{ ...leaving(place, task, new Map(), told), finish: null }], known);
  const rule = { Condition: expression(`$exists(${recordOf(place, step).k})`), Next: '' };
  const choice: ChoiceState = { Type: 'Choice', Choices: [rule], Default: '' };
  addState(place, known, choice);
  const carried = after(told, step, CLASS.S, true);
  return {
    fresh: [viaDefault(choice, told)],
    done: [viaRule(writing, choice, rule, carried, false), ...failed],
  };
}
