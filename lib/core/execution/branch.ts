import type { Expression, StepOf } from '#core/plan/program.ts';
import type { Behaviour } from './behaviour.ts';
import { outputsOf } from './bindings.ts';
import { completeStep } from './complete.ts';
import { containerFailure } from './container-failure.ts';
import { beginScope, failStep, record } from './decision.ts';
import type { Values } from './evaluation.ts';
import { expressionError } from './evaluation.ts';
import { keyOf, scopeInside } from './program-index.ts';
import { armOf, bodyOf } from './state.ts';

/**
 * branch (rule 21): the first case that is exactly true, else `else`, else nothing.
 *
 * B1 Cases after the chosen one do not matter, not even if they cannot be evaluated.
 */
export const branch: Behaviour<'branch'> = {
  expressions: function* (step): Generator<Expression> {
    for (const { when } of step.cases) yield when;
  },
  start: (decision, place, step, values) => {
    const chosen = choose(step, values);
    const key = keyOf(place);
    if (!chosen.ok) {
      record(decision, { type: 'step_started', step: key, config: null });
      failStep(decision, place, expressionError(chosen.message));
      return;
    }
    record(decision, { type: 'step_started', step: key, config: { case: chosen.arm } });
    if (chosen.arm !== null) {
      beginScope(decision, scopeInside(place.info, chosen.arm), place.indices);
    }
    decision.work.push({ kind: 'drained', container: place, iteration: 0 });
  },
  drained: (decision, place, _, current) => {
    const arm = armOf(current);
    if (arm === null) {
      completeStep(decision, place, { case: null, steps: {} });
      return;
    }
    const scope = scopeInside(place.info, arm);
    const body = bodyOf(decision.state, scope, current, 0, place.indices);
    if (body.open > 0) return;
    if (body.failed > 0) {
      failStep(decision, place, containerFailure.branch(arm));
    } else {
      completeStep(decision, place, { case: arm, steps: outputsOf(place.info, arm, body) });
    }
  },
};

function choose(
  step: StepOf<'branch'>,
  values: Values,
): { ok: true; arm: string | null } | { ok: false; message: string } {
  for (const [i, { when }] of step.cases.entries()) {
    const tested = values(when);
    if (!tested.ok) return tested;
    if (tested.value === true) return { ok: true, arm: String(i) };
  }
  return { ok: true, arm: step.otherwise === null ? null : 'else' };
}
