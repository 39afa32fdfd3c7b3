import { behaviourOf } from './behaviour.ts';
import { deadlineOf, workflowDeadline } from './deadlines.ts';
import type { Decision } from './decision.ts';
import { record } from './decision.ts';
import { retryCompensation } from './ending.ts';
import type { Visit } from './state.ts';
import { stepAt, walk } from './state.ts';
import { BEHAVIOURS } from './step-start.ts';
import { stop } from './stop.ts';

/** Does what business time has made due, in the order in which it became due. */
export function clock(decision: Decision): void {
  if (decision.state.status !== 'RUNNING') return;
  const { program, now } = decision;
  const due: { readonly at: number; readonly visit: Visit | null }[] = [];
  for (const visit of walk(decision.index, decision.state, true)) {
    const at = deadlineOf(visit);
    if (at !== null && at <= now) due.push({ at, visit });
  }
  const end = workflowDeadline(program, decision.state);
  if (end !== null && end <= now) due.push({ at: end, visit: null });
  due.sort((a, b) => a.at - b.at); // stable: topological among equals, the workflow's last
  for (const { visit } of due) {
    if (visit === null) {
      record(decision, { type: 'execution_timed_out' });
      stop(decision, 'the workflow timed out');
      return;
    }
    const { place } = visit;
    const { step } = place.info;
    const current = stepAt(decision.state, place);
    behaviourOf(BEHAVIOURS, step).expire?.(decision, place, step as never, current);
  }
  retryCompensation(decision);
}
