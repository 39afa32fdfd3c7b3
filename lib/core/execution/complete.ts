import type { Json } from '#core/json.ts';
import { jsonBytes } from '#core/json.ts';
import type { Compensation } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import type { Decision, EvaluatorResults } from './decision.ts';
import {
  askEvaluator,
  COMMAND_ID,
  command,
  endStep,
  failStep,
  oversize,
  record,
  valuesFor,
} from './decision.ts';
import type { Values } from './evaluation.ts';
import { outside, render, required } from './evaluation.ts';
import type { CompensationRecord } from './events.ts';
import { failures } from './failures.ts';
import type { Place } from './program-index.ts';
import { keyOf } from './program-index.ts';
import type { StepState } from './state.ts';
import { stepAt } from './state.ts';

/**
 * How a step that the core itself completes gets from what came back to SUCCESS: `result` shapes it,
 * the budget bounds it, and compensation arguments are evaluated (rules 19 and 31). For connectors
 * the step runner does all of this and reports the finished output.
 *
 * C1 What came back from outside is in the log before the evaluator is asked about it.
 */

/** Shapes what came back and completes the step. */
export function answerStep(decision: Decision, place: Place, raw: Json): void {
  const { step } = place.info;
  const shape = 'result' in step ? step.result : null;
  if (shape === null) {
    completeStep(decision, place, raw);
    return;
  }
  if (!shape.simple) {
    record(decision, { type: 'answer_received', step: keyOf(place), result: raw });
    dropTimer(decision, place);
  }
  shapeAnswer(decision, place, raw, null);
}

/** Goes on with slot `result`, which the evaluator may have answered. */
export function shapeAnswer(
  decision: Decision,
  place: Place,
  raw: Json,
  results: EvaluatorResults | null,
): void {
  const { step } = place.info;
  const shape = 'result' in step ? step.result : null;
  if (shape === null) return;
  const values = valuesFor(decision, place, 'result', [shape], results, { result: raw });
  if (values === null) return;
  const shaped = required(shape, values);
  if (shaped.ok) completeStep(decision, place, shaped.value);
  else failStep(decision, place, failures.expression(shaped.message));
}

/** Ends a step with SUCCESS, or with OutputTooLarge. */
export function completeStep(decision: Decision, place: Place, output: Json): void {
  const tooLarge = oversize(place.info.step, output);
  if (tooLarge !== null) {
    failStep(decision, place, tooLarge);
    return;
  }
  const { compensate } = place.info.step;
  if (compensate === null) {
    succeed(decision, place, output, null);
    return;
  }
  if (outside(expressionsOf(compensate.config)).length > 0) {
    record(decision, {
      type: 'expression_evaluated',
      step: keyOf(place),
      slot: 'result',
      value: output,
    });
  }
  compensatable(decision, place, output, null);
}

/** Goes on with slot `compensation`, which the evaluator may have answered. */
export function compensatable(
  decision: Decision,
  place: Place,
  output: Json,
  results: EvaluatorResults | null,
): void {
  const { compensate } = place.info.step;
  if (compensate === null) return;
  const expressions = [...expressionsOf(compensate.config)];
  const self = selfRecord(decision, place, output);
  const values = valuesFor(decision, place, 'compensation', expressions, results, { self });
  if (values !== null) succeed(decision, place, output, compensationRecord(compensate, values));
}

function selfRecord(decision: Decision, place: Place, output: Json): Json {
  const { attempts } = stepAt(decision.state, place);
  return { status: 'SUCCESS', output, error: null, attempts };
}

/** Rule 31: no value gives null; an error, or more bytes than allowed, makes the entry bad. */
export function compensationRecord(compensate: Compensation, values: Values): CompensationRecord {
  const { type, maxBytes } = compensate;
  const rendered = render(compensate.config, values, 'null');
  if (!rendered.ok) return { type, config: null, bad: failures.expression(rendered.message) };
  const bytes = jsonBytes(rendered.value);
  if (bytes <= maxBytes) return { type, config: rendered.value };
  return { type, config: null, bad: failures.compensationTooLarge(bytes, maxBytes) };
}

function succeed(
  decision: Decision,
  place: Place,
  output: Json,
  compensation: CompensationRecord | null,
): void {
  const { attempts } = stepAt(decision.state, place);
  endStep(decision, place, {
    type: 'step_succeeded',
    step: keyOf(place),
    output,
    attempts,
    compensation,
  });
}

/** Asks again, after a crash, what is being evaluated for a step that has its answer. */
export function pursueShaping(decision: Decision, place: Place, current: StepState): void {
  const { step } = place.info;
  if (current.shaped !== null && step.compensate !== null) {
    const asked = outside(expressionsOf(step.compensate.config));
    const self = selfRecord(decision, place, current.shaped.output);
    askEvaluator(decision, place, 'compensation', asked, { self });
  } else if (current.answer !== null && 'result' in step && step.result !== null) {
    askEvaluator(decision, place, 'result', [step.result], { result: current.answer.result });
  }
}

/** Takes back the step's timer. */
export function dropTimer(decision: Decision, place: Place): void {
  command(decision, { kind: 'abandon', id: COMMAND_ID.timer(keyOf(place)) });
}
