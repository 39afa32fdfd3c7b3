import type { ConnectorStep } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { backstopSeconds, stepTask } from './task.ts';
import type { Exit, Place, Writing } from './writing.ts';

/** A call: the runner keeps the timeout to the millisecond, Amazon's is the backstop behind it. */
export function emitConnector(
  writing: Writing,
  place: Place,
  step: ConnectorStep,
  incoming: readonly Exit[],
): Exit[] {
  return stepTask(
    writing,
    place,
    step,
    {
      kind: 'call',
      payload: { type: step.type },
      evaluates: expressionsOf(step.config),
      timeoutSeconds: backstopSeconds(step.timeoutMs),
      retry: step.retry,
    },
    incoming,
  );
}
