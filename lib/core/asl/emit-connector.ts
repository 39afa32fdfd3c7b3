import type { ConnectorStep } from '#core/plan/program.ts';
import { templateValue } from './expressions.ts';
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
      payload: { type: step.type, config: templateValue(writing, place, step.config) },
      timeoutSeconds: backstopSeconds(step.timeoutMs),
      retry: step.retry,
    },
    incoming,
  );
}
