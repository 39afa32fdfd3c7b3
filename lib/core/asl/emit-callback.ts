import type { CallbackStep } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { stepTask, waitedSeconds } from './task.ts';
import type { Exit, Place, Writing } from './writing.ts';

/** The runner sends the request that hands the token out; its receiver ends the Task. */
export function emitCallback(
  writing: Writing,
  place: Place,
  step: CallbackStep,
  incoming: readonly Exit[],
): Exit[] {
  const timeoutSeconds = waitedSeconds(step.timeoutMs);
  const heartbeatSeconds =
    step.heartbeatMs === null ? timeoutSeconds : waitedSeconds(step.heartbeatMs);
  return stepTask(
    writing,
    place,
    step,
    {
      kind: 'callback',
      payload: {},
      evaluates: expressionsOf(step.config),
      byToken: true,
      timeoutSeconds,
      // AWS refuses a heartbeat that is not shorter than the timeout; it would never be missed.
      ...(heartbeatSeconds < timeoutSeconds ? { heartbeatSeconds } : {}),
    },
    incoming,
  );
}
