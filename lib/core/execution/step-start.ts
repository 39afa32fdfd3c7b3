import type { Expression } from '#core/plan/program.ts';
import type { Behaviours } from './behaviour.ts';
import { behaviourOf } from './behaviour.ts';
import { bind } from './bindings.ts';
import { branch } from './branch.ts';
import { connector } from './connector.ts';
import type { Decision, EvaluatorResults } from './decision.ts';
import { askEvaluator, failStep, skipStep } from './decision.ts';
import type { Evaluated } from './evaluation.ts';
import { outside, tested, valuesOf } from './evaluation.ts';
import { forEach } from './for-each.ts';
import { group } from './group.ts';
import { fail, transform, wait } from './inner-steps.ts';
import { loop } from './loop.ts';
import type { Place, StepInfo } from './program-index.ts';
import { verdict } from './readiness.ts';
import { dependenciesDone, scopeAt, startsNothing } from './state.ts';
import { approval, callback, subWorkflow } from './waiting-steps.ts';

/**
 * The start of a step: trigger rule, then `when`, then what its type does (rules 2, 3, 8, 9, 15).
 *
 * R1 `when` and what the start needs go to the evaluator together; what is not wanted of the answer
 *    is not looked at, so this cannot be told from asking twice.
 * R2 A start that waits for the evaluator has left no event: after a crash, or after a pause, it is
 *    simply asked for again.
 */
export const BEHAVIOURS: Behaviours = {
  http_request: connector(),
  database_operation: connector(),
  notification: connector(),
  platform_operation: connector(),
  transform,
  wait,
  approval,
  callback,
  sub_workflow: subWorkflow,
  for_each: forEach,
  branch,
  loop,
  group,
  fail,
};

const outsideAtStart = new WeakMap<StepInfo, readonly Expression[]>();

/** What the evaluator must compute before a step can start. */
export function askedAtStart(info: StepInfo): readonly Expression[] {
  const known = outsideAtStart.get(info);
  if (known !== undefined) return known;
  const { step } = info;
  const own = behaviourOf(BEHAVIOURS, step).expressions(step as never);
  const asked = outside(step.when === null ? own : [step.when, ...own]);
  outsideAtStart.set(info, asked);
  return asked;
}

/** Looks at a step whose dependencies are all terminal. Nothing happens while nothing may start. */
export function startStep(
  decision: Decision,
  place: Place,
  results: EvaluatorResults | null,
): void {
  if (startsNothing(decision.state)) return;
  const scope = scopeAt(decision.state, place);
  if (scope.steps[place.info.position]?.status !== 'QUEUED') return;
  if (!dependenciesDone(place.info, scope)) return;
  const judged = verdict(place.info, scope);
  if (!judged.runs) {
    skipStep(decision, place, judged.class, judged.reason);
    return;
  }
  const { step } = place.info;
  const asked = askedAtStart(place.info);
  const values = valuesOf(asked, results ?? [], (expression) =>
    bind(decision.index, decision.state, place, [expression], {}),
  );
  const waits = asked.length > 0 && results === null;
  if (step.when !== null && !(waits && !step.when.simple)) {
    if (!admits(decision, place, values(step.when))) return;
  }
  if (waits) askEvaluator(decision, place, 'start', asked, {});
  else behaviourOf(BEHAVIOURS, step).start(decision, place, step as never, values);
}

/** Rule 9: whether `when` lets the step run; if not, the step is ended here. */
function admits(decision: Decision, place: Place, value: Evaluated): boolean {
  const test = tested(value);
  if (!test.ok) {
    failStep(decision, place, test.error);
    return false;
  }
  if (test.is === 'true') return true;
  const reason = test.is === 'false' ? 'CONDITION_FALSE' : 'CONDITION_NOT_BOOLEAN';
  skipStep(decision, place, 'K', reason);
  return false;
}
