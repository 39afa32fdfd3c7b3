import type { StepOf } from '#core/plan/program.ts';
import type { Behaviour } from './behaviour.ts';
import { loopRecord, outputsOf } from './bindings.ts';
import { completeStep } from './complete.ts';
import type { Decision, EvaluatorResults } from './decision.ts';
import { beginScope, controlError, failStep, record, valuesFor } from './decision.ts';
import type { Condition } from './evaluation.ts';
import { tested } from './evaluation.ts';
import { failures } from './failures.ts';
import type { Place } from './program-index.ts';
import { keyOf, scopeInside } from './program-index.ts';
import type { StepState } from './state.ts';
import { startsNothing, stepAt } from './state.ts';

/**
 * loop (rule 22): the test before each iteration, with what the last one gave.
 *
 * O1 Bodies follow one another; the test is evaluated only between them.
 * O2 While nothing may start the test waits too: it is the start of an iteration.
 */
export const loop: Behaviour<'loop'> = {
  expressions: () => [],
  start: (decision, place) => {
    record(decision, { type: 'step_started', step: keyOf(place), config: null });
    decision.work.push({ kind: 'test', container: place });
  },
  pursue: (decision, place, step, current) => {
    if (!isBetween(current) || startsNothing(decision.state) || step.test.simple) return;
    testLoop(decision, place, step, null);
  },
  drained: (decision, place, _, current) => {
    if (!isBetween(current)) return;
    const last = current.bodies?.at(-1) ?? null;
    if (last !== null && last.failed > 0) {
      failStep(decision, place, failures.loop());
    } else if (decision.state.halted) {
      failStep(decision, place, controlError('Cancelled', 'the workflow halts after a failure'));
    } else {
      decision.work.push({ kind: 'test', container: place });
    }
  },
};

/** Whether another iteration is asked for; `until` asks for one while it is anything but true. */
export function goesOn({ negate }: StepOf<'loop'>, test: Condition): boolean {
  return (test === 'true') !== negate;
}

/** Whether no iteration is running. */
function isBetween(current: StepState): boolean {
  if (current.status !== 'EXECUTING') return false;
  const last = current.bodies?.at(-1) ?? null;
  return last === null || last.open === 0;
}

/** The name of the test before iteration `index`. */
export function testSlot(current: StepState): string {
  return `test:${current.bodies?.length ?? 0}`;
}

/** Tests, or takes the evaluator's answer to the test, and goes on with what follows. */
export function testLoop(
  decision: Decision,
  place: Place,
  step: StepOf<'loop'>,
  results: EvaluatorResults | null,
): void {
  const current = stepAt(decision.state, place);
  if (!isBetween(current) || startsNothing(decision.state)) return;
  const index = current.bodies?.length ?? 0;
  const $loop = loopRecord(place.info, current, index);
  const values = valuesFor(decision, place, testSlot(current), [step.test], results, {
    loop: $loop,
  });
  if (values === null) return;
  const test = tested(values(step.test));
  if (!test.ok) {
    failStep(decision, place, test.error);
    return;
  }
  if (!goesOn(step, test.is)) {
    const last = current.bodies?.at(-1) ?? null;
    completeStep(decision, place, {
      iterations: index,
      last: last === null ? null : outputsOf(place.info, 'body', last),
    });
  } else if (index >= step.maxIterations) {
    failStep(decision, place, failures.loopLimit(index));
  } else {
    record(decision, { type: 'iteration_started', step: keyOf(place), index });
    const body = scopeInside(place.info, 'body');
    beginScope(decision, body, [...place.indices, index]);
    if (isBetween(stepAt(decision.state, place))) {
      decision.work.push({ kind: 'drained', container: place, iteration: index }); // all carried
    }
  }
}
