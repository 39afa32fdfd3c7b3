import type { FailStep } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { stepTask } from './task.ts';
import type { Exit, Place, Writing } from './writing.ts';

/** A Task that always fails, so that it is recorded at once and is red in the console. */
export function emitFail(
  writing: Writing,
  place: Place,
  step: FailStep,
  incoming: readonly Exit[],
): Exit[] {
  const payload = { error: step.error };
  const evaluates = expressionsOf(step.message);
  return stepTask(writing, place, step, { kind: 'fail', payload, evaluates }, incoming);
}
