import type { ApprovalStep } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { stepTask, waitedSeconds } from './task.ts';
import type { Exit, Place, Writing } from './writing.ts';

/** The runner asks and keeps the token; whoever answers first ends the Task through it. */
export function emitApproval(
  writing: Writing,
  place: Place,
  step: ApprovalStep,
  incoming: readonly Exit[],
): Exit[] {
  return stepTask(
    writing,
    place,
    step,
    {
      kind: 'approval',
      payload: {},
      evaluates: expressionsOf(step.config),
      byToken: true,
      timeoutSeconds: waitedSeconds(step.timeoutMs),
    },
    incoming,
  );
}
