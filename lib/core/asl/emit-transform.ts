import type { TransformStep } from '#core/plan/program.ts';
import { templateValue } from './expressions.ts';
import { stepTask } from './task.ts';
import type { Exit, Place, Writing } from './writing.ts';

/** The machine computes the value, the runner measures and records it (payload.ts, 1). */
export function emitTransform(
  writing: Writing,
  place: Place,
  step: TransformStep,
  incoming: readonly Exit[],
): Exit[] {
  const value = templateValue(writing, place, step.value);
  return stepTask(writing, place, step, { kind: 'transform', payload: { value } }, incoming);
}
