import type { SubWorkflowStep } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { stepTask, waitedSeconds } from './task.ts';
import type { Exit, Place, Writing } from './writing.ts';

/** The runner starts the child through the ordinary accept path; the child's end ends the Task. */
export function emitSubWorkflow(
  writing: Writing,
  place: Place,
  step: SubWorkflowStep,
  incoming: readonly Exit[],
): Exit[] {
  return stepTask(
    writing,
    place,
    step,
    {
      kind: 'child',
      payload: {},
      evaluates: expressionsOf(step.config),
      byToken: step.mode === 'wait',
      ...(step.timeoutMs === null ? {} : { timeoutSeconds: waitedSeconds(step.timeoutMs) }),
    },
    incoming,
  );
}
