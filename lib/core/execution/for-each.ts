import type { Json } from '#core/json.ts';
import type { Template } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import type { Behaviour } from './behaviour.ts';
import { outputsOf } from './bindings.ts';
import { completeStep } from './complete.ts';
import { containerFailure } from './container-failure.ts';
import type { Decision } from './decision.ts';
import { beginScope, controlError, failStep, record } from './decision.ts';
import type { Evaluated, Values } from './evaluation.ts';
import { expressionError, render } from './evaluation.ts';
import type { Place } from './program-index.ts';
import { keyOf, scopeInside } from './program-index.ts';
import { bodyOf, stepAt } from './state.ts';

/**
 * for_each (rule 20): one body per item, at most `concurrency` unfinished ones, begun in index order.
 *
 * F1 Which iterations have begun follows from state (`frontier`); the fold moves it, nobody else.
 * F2 A failed iteration ends nothing: all run to the end, unless the execution halts.
 */
export const forEach: Behaviour<'for_each'> = {
  expressions: (step) => expressionsOf(step.items),
  start: (decision, place, step, values) => {
    const items = itemsOf(step.items, values);
    const key = keyOf(place);
    if (!items.ok) {
      record(decision, { type: 'step_started', step: key, config: null });
      failStep(decision, place, expressionError(items.message));
      return;
    }
    if (items.value.length > step.maxItems) {
      record(decision, { type: 'step_started', step: key, config: null });
      const message = `${items.value.length} items where at most ${step.maxItems} are allowed`;
      failStep(decision, place, controlError('TooManyItems', message));
      return;
    }
    record(decision, { type: 'step_started', step: key, config: items.value });
    const { frontier } = stepAt(decision.state, place);
    if (frontier > 0) {
      decision.work.push({ kind: 'begin', container: place, from: 0, to: frontier });
    }
    decision.work.push({ kind: 'drained', container: place, iteration: 0 });
  },
  drained: (decision, place, _, current) => {
    const items = current.config as readonly Json[];
    const cutShort = decision.state.halted && current.inFlight === 0;
    if (current.done < items.length && !cutShort) return;
    const body = scopeInside(place.info, 'body');
    let failed = 0;
    const output = items.map((__, i) => {
      const scope = bodyOf(decision.state, body, current, i, [...place.indices, i]);
      if (scope.failed > 0 || scope.open > 0) {
        failed += 1;
        return { status: 'FAILED', output: null };
      }
      return { status: 'SUCCESS', output: outputsOf(place.info, 'body', scope) };
    });
    if (failed === 0) completeStep(decision, place, output);
    else failStep(decision, place, containerFailure.for_each(failed, items.length));
  },
};

/** JSONata unwraps single matches, so nothing is `[]` and one value is `[value]`. */
function itemsOf(
  template: Template,
  values: Values,
): { ok: true; value: readonly Json[] } | { ok: false; message: string } {
  const items: Evaluated =
    template.kind === 'expression' ? values(template.expression) : render(template, values);
  if (!items.ok) return items;
  const { value } = items;
  if (value === undefined) return { ok: true, value: [] };
  return { ok: true, value: Array.isArray(value) ? value : [value] };
}

/** Begins iterations that the fold has let start. */
export function beginIterations(
  decision: Decision,
  container: Place,
  from: number,
  to: number,
): void {
  const body = scopeInside(container.info, 'body');
  for (let i = from; i < to; i++) beginScope(decision, body, [...container.indices, i]);
}
