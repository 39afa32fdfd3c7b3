import type { StepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import type { StepOf } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import type { Behaviour } from './behaviour.ts';
import { outputsOf } from './bindings.ts';
import { completeStep } from './complete.ts';
import type { Decision } from './decision.ts';
import { beginScope, failStep, record } from './decision.ts';
import type { Evaluated, Values } from './evaluation.ts';
import { render } from './evaluation.ts';
import { failures } from './failures.ts';
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
    const items = itemsOf(step, values);
    const key = keyOf(place);
    if (!items.ok) {
      record(decision, { type: 'step_started', step: key, config: null });
      failStep(decision, place, items.error);
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
    else failStep(decision, place, failures.iterations(failed, items.length));
  },
};

/** JSONata unwraps single matches, so nothing is `[]` and one value is `[value]`. */
export function itemsOf(
  { items: template, maxItems }: StepOf<'for_each'>,
  values: Values,
): { ok: true; value: readonly Json[] } | { ok: false; error: StepError } {
  const items: Evaluated =
    template.kind === 'expression' ? values(template.expression) : render(template, values);
  if (!items.ok) return { ok: false, error: failures.expression(items.message) };
  const value: readonly Json[] =
    items.value === undefined ? [] : Array.isArray(items.value) ? items.value : [items.value];
  return value.length > maxItems
    ? { ok: false, error: failures.tooManyItems(value.length, maxItems) }
    : { ok: true, value };
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
