import type { StepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import type { StepOf } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import type { Behaviour } from './behaviour.ts';
import { completeStep } from './complete.ts';
import { COMMAND_ID, command, failStep, record } from './decision.ts';
import type { Rendered } from './evaluation.ts';
import { messageOf, render } from './evaluation.ts';
import { failures } from './failures.ts';
import { keyOf } from './program-index.ts';

/**
 * Steps that need nothing from outside but time: transform, fail, wait.
 *
 * N1 A wait is recorded with the instant at which it ends, so it cannot drift.
 */
export const transform: Behaviour<'transform'> = {
  expressions: (step) => expressionsOf(step.value),
  start: (decision, place, step, values) => {
    const value = render(step.value, values);
    record(decision, { type: 'step_started', step: keyOf(place), config: null });
    if (value.ok) completeStep(decision, place, value.value);
    else failStep(decision, place, failures.expression(value.message));
  },
};

export const fail: Behaviour<'fail'> = {
  expressions: (step) => expressionsOf(step.message),
  start: (decision, place, step, values) => {
    const message = render(step.message, values);
    record(decision, { type: 'step_started', step: keyOf(place), config: null });
    failStep(decision, place, failError(step, message));
  },
};

/** The error of a `fail` step, or why its message cannot be had. */
export function failError({ error }: StepOf<'fail'>, message: Rendered): StepError {
  return message.ok
    ? { code: error, message: messageOf(message.value) }
    : failures.expression(message.message);
}

export const wait: Behaviour<'wait'> = {
  expressions: function* (step) {
    if (step.duration !== null) yield* expressionsOf(step.duration);
    if (step.until !== null) yield* expressionsOf(step.until);
  },
  start: (decision, place, step, values) => {
    const template = step.duration ?? step.until;
    if (template === null) throw new TypeError(`wait ${step.path} has no duration and no until`);
    const rendered = render(template, values);
    const due = rendered.ok
      ? waitDueAt(step.duration !== null ? 'duration' : 'until', rendered.value, decision.now)
      : rendered.message;
    const key = keyOf(place);
    if (typeof due === 'string') {
      record(decision, { type: 'step_started', step: key, config: null });
      failStep(decision, place, failures.expression(due));
      return;
    }
    record(decision, { type: 'step_started', step: key, config: { due_at: due } });
    if (due <= decision.now) completeStep(decision, place, null);
    else command(decision, { kind: 'timer', id: COMMAND_ID.timer(key), dueAt: due });
  },
  pursue: (decision, place, _, current) => {
    command(decision, {
      kind: 'timer',
      id: COMMAND_ID.timer(keyOf(place)),
      dueAt: dueOf(current.config),
    });
  },
  deadline: (_, current) => (current.shaped === null ? dueOf(current.config) : null),
  expire: (decision, place) => completeStep(decision, place, null),
};

function dueOf(config: Json): number {
  return (config as { readonly due_at: number }).due_at;
}

/** When a wait that begins now is over, on both runtimes; a text says what is wrong with the value. */
export function waitDueAt(kind: 'duration' | 'until', value: Json, now: number): number | string {
  return kind === 'duration' ? afterDuration(value, now) : atInstant(value);
}

const LONGEST_WAIT_MS = 31_536_000_000;

/** Durations are rounded up to whole seconds, as Step Functions counts. A text is what is wrong. */
function afterDuration(duration: Json, now: number): number | string {
  if (typeof duration !== 'number' || !(duration >= 0 && duration <= LONGEST_WAIT_MS)) {
    return `a wait's duration must be a number of milliseconds from 0 to ${LONGEST_WAIT_MS}`;
  }
  return now + Math.ceil(duration / 1000) * 1000;
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

function atInstant(until: Json): number | string {
  const at = typeof until === 'string' && RFC3339.test(until) ? Date.parse(until) : Number.NaN;
  return Number.isNaN(at) ? `a wait's until must be an instant such as 2026-01-31T12:00:00Z` : at;
}
