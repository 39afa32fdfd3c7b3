import type { TransformStep } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { stepTask } from './task.ts';
import type { Exit, Place, Writing } from './writing.ts';

/** The runner computes the value, measures and records it (payload.ts, 1). */
export function emitTransform(
  writing: Writing,
  place: Place,
  step: TransformStep,
  incoming: readonly Exit[],
): Exit[] {
  const evaluates = expressionsOf(step.value);
  return stepTask(writing, place, step, { kind: 'transform', payload: {}, evaluates }, incoming);
}
