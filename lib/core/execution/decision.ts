import type { StepError } from '#core/errors.ts';
import { stepErrorCode } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import { jsonBytes } from '#core/json.ts';
import type { Expression, Program, Step } from '#core/plan/program.ts';
import { applyNext } from './apply.ts';
import type { Extras } from './bindings.ts';
import { bind } from './bindings.ts';
import type { Command, Outcome } from './commands.ts';
import type { Values } from './evaluation.ts';
import { outside, valuesOf } from './evaluation.ts';
import type { EventOf, ExecutionEvent, SkipReason, StepKey } from './events.ts';
import { errorMessage, failures } from './failures.ts';
import type { Place, ProgramIndex } from './program-index.ts';
import { containerOf, indexOf, iterationOf, keyOf } from './program-index.ts';
import type { Quota } from './quota.ts';
import { QUOTA } from './quota.ts';
import type { ExecutionState } from './state.ts';
import { dependenciesDone, isTerminal, scopeAt, stepAt } from './state.ts';

/**
 * One decision while it is being made: the events so far, the state after them, the commands they
 * need, and the work that follows from them.
 *
 * D1 State changes only through `record`, so the state is always the fold of the events.
 * D2 A step is looked at exactly once when its last dependency ends: whoever ends it queues it.
 * D3 At most EVENT_LIMIT events, give or take those of one piece of work: a hostile definition can
 *    make millions follow from one another, and the host must get a turn in between.
 */
export interface Decision {
  readonly index: ProgramIndex;
  readonly program: Program;
  readonly quota: Quota;
  /** Never before the latest event. */
  readonly now: number;
  state: ExecutionState;
  readonly events: ExecutionEvent[];
  readonly commands: Command[];
  readonly work: Work[];
}

export type Work =
  /** All dependencies of a step are terminal, or its scope begins. */
  | { readonly kind: 'ready'; readonly place: Place }
  /** A body of a container ended, or the workflow's own scope (null). */
  | {
      readonly kind: 'drained';
      readonly container: Place | null;
      readonly iteration: number;
    }
  /** Iterations `[from, to)` of a for_each may begin. */
  | {
      readonly kind: 'begin';
      readonly container: Place;
      readonly from: number;
      readonly to: number;
    }
  /** A loop is between two iterations. */
  | { readonly kind: 'test'; readonly container: Place };

export const EVENT_LIMIT = 500;

export function newDecision(
  program: Program,
  state: ExecutionState,
  now: number,
  quota: Quota = QUOTA,
): Decision {
  return {
    index: indexOf(program),
    program,
    quota,
    now: Math.max(now, state.at),
    state,
    events: [],
    commands: [],
    work: [],
  };
}

export function record(decision: Decision, event: ExecutionEvent): void {
  decision.events.push(event);
  decision.state = applyNext(decision.index, decision.state, event, decision.now);
}

export function command(decision: Decision, wanted: Command): void {
  decision.commands.push(wanted);
}

/** Names of commands. A step key holds no `:` or `#`, so no two things share a name. */
export const COMMAND_ID = {
  call: (step: StepKey, attempt: number) => `call:${step}#${attempt}`,
  evaluate: (step: StepKey, slot: string) => `evaluate:${step}#${slot}`,
  timer: (step: StepKey) => `timer:${step}`,
  child: (step: StepKey) => `child:${step}`,
  approval: (step: StepKey) => `approval:${step}`,
  compensate: (step: StepKey, attempt: number) => `compensate:${step}#${attempt}`,
  compensationTimer: 'compensation-timer',
  workflowTimeout: 'workflow-timeout',
  yielded: 'continue',
} as const;

/** The command that an outcome answers; null: nobody here asked for it. */
export function answeredCommand(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'call_succeeded':
    case 'call_failed':
      return COMMAND_ID.call(outcome.step, outcome.attempt);
    case 'evaluated':
      return COMMAND_ID.evaluate(outcome.step, outcome.slot);
    case 'child_started':
    case 'child_refused':
      return COMMAND_ID.child(outcome.step);
    case 'compensated':
    case 'compensation_call_failed':
      return COMMAND_ID.compensate(outcome.step, outcome.attempt);
    default:
      return null;
  }
}

type StepEnd = EventOf<'step_succeeded'> | EventOf<'step_failed'> | EventOf<'step_skipped'>;

/** Records the end of a step and queues what it sets free. */
export function endStep(decision: Decision, place: Place, event: StepEnd): void {
  const container = containerOf(place);
  const before =
    container?.info.step.type === 'for_each' ? stepAt(decision.state, container).frontier : 0;
  record(decision, event);
  const scope = scopeAt(decision.state, place);
  for (const position of place.info.dependents) {
    const info = place.info.scope.steps[position];
    const step = scope.steps[position];
    if (info === undefined || step === undefined || isTerminal(step)) continue;
    if (dependenciesDone(info, scope)) {
      decision.work.push({ kind: 'ready', place: { info, indices: place.indices } });
    }
  }
  if (scope.open > 0) return;
  if (container?.info.step.type === 'for_each') {
    const after = stepAt(decision.state, container).frontier;
    if (after > before) {
      decision.work.push({ kind: 'begin', container, from: before, to: after });
    }
  }
  decision.work.push({ kind: 'drained', container, iteration: iterationOf(place) });
}

export function skipStep(
  decision: Decision,
  place: Place,
  stepClass: 'U' | 'K',
  reason: SkipReason,
): void {
  endStep(decision, place, { type: 'step_skipped', step: keyOf(place), class: stepClass, reason });
}

/** Fails a step with the attempts it has begun. */
export function failStep(decision: Decision, place: Place, error: StepError): void {
  const { attempts } = stepAt(decision.state, place);
  const { code, message } = error;
  endStep(decision, place, {
    type: 'step_failed',
    step: keyOf(place),
    error: { code, message: errorMessage(message) },
    attempts,
  });
}

export function controlError(
  name: Parameters<typeof stepErrorCode>[0],
  message: string,
): StepError {
  return { code: stepErrorCode(name), message };
}

/** Queues the steps of a scope that can be looked at now: its roots, and what carried results freed. */
export function beginScope(
  decision: Decision,
  scope: Place['info']['scope'],
  indices: readonly number[],
): void {
  const [first] = scope.steps;
  if (first === undefined) return;
  const state = scopeAt(decision.state, { info: first, indices });
  for (const position of scope.order) {
    const info = scope.steps[position];
    const step = state.steps[position];
    if (info === undefined || step === undefined || isTerminal(step)) continue;
    if (dependenciesDone(info, state)) {
      decision.work.push({ kind: 'ready', place: { info, indices } });
    }
  }
}

/** An output over the step's budget in canonical JSON: the error of rule 19, else null. */
export function oversize({ maxOutputBytes }: Step, output: Json): StepError | null {
  const bytes = jsonBytes(output);
  return bytes <= maxOutputBytes ? null : failures.outputTooLarge(bytes, maxOutputBytes);
}

/**
 * Values of the given expressions for a step, or null when the evaluator must be asked first: then
 * the command is issued here. `results` are its answer for the same slot.
 */
export function valuesFor(
  decision: Decision,
  place: Place | null,
  slot: string,
  expressions: readonly Expression[],
  results: EvaluatorResults | null,
  extras: Extras = {},
): Values | null {
  const asked = outside(expressions);
  if (asked.length > 0 && results === null) {
    askEvaluator(decision, place, slot, asked, extras);
    return null;
  }
  return valuesOf(asked, results ?? [], (expression) =>
    bind(decision.index, decision.state, place, [expression], extras),
  );
}

export type EvaluatorResults = Extract<Outcome, { kind: 'evaluated' }>['results'];

export function askEvaluator(
  decision: Decision,
  place: Place | null,
  slot: string,
  asked: readonly Expression[],
  extras: Extras,
): void {
  const step = place === null ? '' : keyOf(place);
  command(decision, {
    kind: 'evaluate',
    id: COMMAND_ID.evaluate(step, slot),
    step,
    slot,
    expressions: asked.map((expression) => expression.source),
    bindings: bind(decision.index, decision.state, place, asked, extras),
  });
}
