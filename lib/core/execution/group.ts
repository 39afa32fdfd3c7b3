import type { Behaviour } from './behaviour.ts';
import { outputsOf } from './bindings.ts';
import { completeStep } from './complete.ts';
import { beginScope, failStep, record } from './decision.ts';
import { failures } from './failures.ts';
import { keyOf, scopeInside } from './program-index.ts';
import { bodyOf } from './state.ts';

/** group (rule 23): its body, once. */
export const group: Behaviour<'group'> = {
  expressions: () => [],
  start: (decision, place) => {
    record(decision, { type: 'step_started', step: keyOf(place), config: null });
    beginScope(decision, scopeInside(place.info, 'body'), place.indices);
    decision.work.push({ kind: 'drained', container: place, iteration: 0 });
  },
  drained: (decision, place, _, current) => {
    const scope = scopeInside(place.info, 'body');
    const body = bodyOf(decision.state, scope, current, 0, place.indices);
    if (body.open > 0) return;
    if (body.failed > 0) {
      failStep(decision, place, failures.group());
    } else {
      completeStep(decision, place, outputsOf(place.info, 'body', body));
    }
  },
};
