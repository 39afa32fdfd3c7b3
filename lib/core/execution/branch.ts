import type { StepError } from '#core/errors.ts';
import type { Expression, StepOf } from '#core/plan/program.ts';
import type { Behaviour } from './behaviour.ts';
import { outputsOf } from './bindings.ts';
import { completeStep } from './complete.ts';
import { beginScope, failStep, record } from './decision.ts';
import type { Values } from './evaluation.ts';
import { tested } from './evaluation.ts';
import { failures } from './failures.ts';
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
    const chosen = chooseArm(step, values);
    const key = keyOf(place);
    if (!chosen.ok) {
      record(decision, { type: 'step_started', step: key, config: null });
      failStep(decision, place, chosen.error);
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
      failStep(decision, place, failures.arm(arm));
    } else {
      completeStep(decision, place, { case: arm, steps: outputsOf(place.info, arm, body) });
    }
  },
};

/** The arm that runs; null: none. */
export function chooseArm(
  step: StepOf<'branch'>,
  values: Values,
): { ok: true; arm: string | null } | { ok: false; error: StepError } {
  for (const [i, { when }] of step.cases.entries()) {
    const test = tested(values(when));
    if (!test.ok) return test;
    if (test.is === 'true') return { ok: true, arm: String(i) };
  }
  return { ok: true, arm: step.otherwise === null ? null : 'else' };
}
