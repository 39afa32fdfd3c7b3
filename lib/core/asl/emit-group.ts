import type { GroupStep } from '#core/plan/program.ts';
import { failedCount, inside, outputsTemplate } from './container.ts';
import { stepTask } from './task.ts';
import type { Exit, Place, Writing } from './writing.ts';
import { arrivalOf, recordOf } from './writing.ts';

/** The body stands in line; the state with the group's name closes it. */
export function emitGroup(
  writing: Writing,
  place: Place,
  step: GroupStep,
  incoming: readonly Exit[],
): Exit[] {
  const body = inside(place, step, step.body);
  const exits = writing.emitScope(writing, body, incoming);
  const { known } = arrivalOf(exits);
  const sources = (member: GroupStep['body']['steps'][number]) => recordOf(body, member);
  return stepTask(
    writing,
    place,
    step,
    {
      kind: 'container',
      payload: {
        type: step.type,
        output: outputsTemplate(step.body, sources),
        failed: failedCount(step.body, known, sources),
      },
    },
    exits,
  );
}
