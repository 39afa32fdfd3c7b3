import type { Decision } from './decision.ts';
import { command, controlError, failStep, skipStep } from './decision.ts';
import { finish } from './ending.ts';
import { outstandingIds } from './outstanding.ts';
import { walk } from './state.ts';

/** Cancel and timeout (rules 35 and 36): nothing goes on, and the end begins. */
export function stop(decision: Decision, message: string): void {
  decision.work.length = 0;
  for (const visit of walk(decision.index, decision.state, true)) {
    const { place, step: current } = visit;
    if (current.status === 'QUEUED') {
      skipStep(decision, place, 'K', 'CANCELLED');
      continue;
    }
    for (const id of outstandingIds(decision, visit)) command(decision, { kind: 'abandon', id });
    failStep(decision, place, controlError('Cancelled', message));
  }
  decision.work.length = 0;
  finish(decision);
}
