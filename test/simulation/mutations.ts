import type { DecisionResult } from '#core/execution/decide.ts';
import type { ExecutionEvent } from '#core/execution/events.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import type { Program, Scope, Step } from '#core/plan/program.ts';
import { scopesOf } from '#core/plan/program.ts';
import type { Core } from './core.ts';
import { REAL_CORE } from './core.ts';

/**
 * Planted bugs, let in through the seam of the simulation. Each must make a check fail; one that
 * does not shows a check that proves nothing.
 */
export const MUTATIONS: { readonly [bug: string]: Core } = {
  'the store checks neither epoch nor sequence': { ...REAL_CORE, fenced: false },

  'a host starts again what it is doing': {
    ...REAL_CORE,
    dedupes: false,
    decide: (program, state, outcome, now, quota) => {
      const decided = REAL_CORE.decide(program, state, outcome, now, quota);
      if (decided.events.length === 0) return decided;
      const known = new Set(decided.commands.map(({ id }) => id));
      const again = REAL_CORE.outstanding(program, decided.state);
      return {
        ...decided,
        commands: [...decided.commands, ...again.filter(({ id }) => !known.has(id))],
      };
    },
  },

  'a late answer counts for the attempt that runs now': {
    ...REAL_CORE,
    decide: (program, state, outcome, now, quota) => {
      if (outcome.kind !== 'call_failed' && outcome.kind !== 'call_succeeded') {
        return REAL_CORE.decide(program, state, outcome, now, quota);
      }
      const attempt = runningAttempt(program, state, outcome.step) ?? outcome.attempt;
      return REAL_CORE.decide(program, state, { ...outcome, attempt }, now, quota);
    },
  },

  'a retry is counted twice': onEvents((event) =>
    event.type === 'attempt_started' ? { ...event, attempt: event.attempt + 1 } : event,
  ),

  'one retry more than the policy allows': onProgram((step) =>
    'retry' in step
      ? { ...step, retry: { ...step.retry, maxAttempts: step.retry.maxAttempts + 1 } }
      : step,
  ),

  'the delay before a retry is one interval too short': onEvents((event) =>
    event.type === 'step_retry_scheduled' ? { ...event, due_at: event.due_at - 1000 } : event,
  ),

  'compensation runs in the order of completion': {
    ...REAL_CORE,
    apply: (program, state, recorded) =>
      forwards(recorded.event, REAL_CORE.apply(program, state, recorded)),
    decide: (program, state, outcome, now, quota) => {
      const decided = REAL_CORE.decide(program, state, outcome, now, quota);
      const from = decided.events.findIndex(({ type }) => type === 'compensation_started');
      if (from < 0) return decided;
      let turned = refold(program, state, decided.events.slice(0, from + 1), now);
      turned = {
        ...turned,
        saga: turned.saga && { ...turned.saga, order: turned.saga.order.toReversed() },
      };
      const entry = turned.ledger[turned.saga?.order[0] ?? 0];
      if (entry === undefined || entry.record.bad !== undefined) return decided;
      const started: ExecutionEvent = {
        type: 'compensation_attempt_started',
        step: entry.step,
        attempt: 1,
      };
      const { step, record } = entry;
      return {
        events: [...decided.events.slice(0, from + 1), started],
        state: refold(program, turned, [started], now),
        commands: [{ kind: 'compensate', id: `compensate:${step}#1`, step, attempt: 1, record }],
      };
    },
  },

  'a success forgets its compensation': onEvents((event) =>
    event.type === 'step_succeeded' && event.step.length % 2 === 0
      ? { ...event, compensation: null }
      : event,
  ),

  'a skip has the wrong class': onEvents((event) =>
    event.type === 'step_skipped' && event.class === 'U' ? { ...event, class: 'K' } : event,
  ),

  'a recorded output is another one than was answered': onEvents((event) =>
    event.type === 'step_succeeded' && typeof event.output === 'object' && event.output !== null
      ? { ...event, output: { ...(event.output as { [key: string]: Json }), n: -1 } }
      : event,
  ),

  'a join waits for its first dependency only': onProgram((step) => ({
    ...step,
    dependsOn: step.dependsOn.slice(0, 1),
  })),

  'one iteration too many at once': onProgram((step) =>
    step.type === 'for_each' ? { ...step, concurrency: step.concurrency + 1 } : step,
  ),

  'all_failed is taken for one_failed': onProgram((step) =>
    step.trigger === 'all_failed' ? { ...step, trigger: 'one_failed' } : step,
  ),

  'after a take-over timers are not set again': {
    ...REAL_CORE,
    outstanding: (program, state) =>
      REAL_CORE.outstanding(program, state).filter(({ kind }) => kind !== 'timer'),
  },

  'after a take-over running attempts are not taken up': {
    ...REAL_CORE,
    outstanding: (program, state) =>
      REAL_CORE.outstanding(program, state).filter(({ kind }) => kind !== 'call'),
  },

  'a checkpoint loses what was evaluated at the start': {
    ...REAL_CORE,
    restore: (program, json) => {
      const state = REAL_CORE.restore(program, json);
      if (state === null) return null;
      const steps = state.root.steps.map((step) =>
        step.status === 'EXECUTING' ? { ...step, config: null } : step,
      );
      return { ...state, root: { ...state.root, steps } };
    },
  },

  'a cancel is not heard': {
    ...REAL_CORE,
    decide: (program, state, outcome, now, quota) =>
      outcome.kind === 'cancel'
        ? { events: [], state, commands: [] }
        : REAL_CORE.decide(program, state, outcome, now, quota),
  },

  'an execution may record as much as it likes': {
    ...REAL_CORE,
    decide: (program, state, outcome, now) => REAL_CORE.decide(program, state, outcome, now),
  },

  'a quota is reached before anything is used up': {
    ...REAL_CORE,
    decide: (program, state, outcome, now, quota) =>
      REAL_CORE.decide(program, state, outcome, now, quota && { ...quota, events: 5 }),
  },
};

/** Changes every event before it is recorded. */
function onEvents(change: (event: ExecutionEvent) => ExecutionEvent): Core {
  return {
    ...REAL_CORE,
    decide: (program, state, outcome, now, quota): DecisionResult => {
      const decided = REAL_CORE.decide(program, state, outcome, now, quota);
      const events = decided.events.map(change);
      if (events.every((event, i) => event === decided.events[i])) return decided;
      return { events, state: refold(program, state, events, now), commands: decided.commands };
    },
  };
}

/** Decides as if every step were another one. The log is folded, and checked, with the real ones. */
function onProgram(change: (step: Step) => Step): Core {
  const known = new WeakMap<Program, Program>();
  const wrong = (program: Program): Program => {
    const found = known.get(program) ?? { ...program, root: changed(program.root, change) };
    known.set(program, found);
    return found;
  };
  return {
    ...REAL_CORE,
    apply: (program, state, recorded) => REAL_CORE.apply(wrong(program), state, recorded),
    decide: (program, state, outcome, now, quota) =>
      REAL_CORE.decide(wrong(program), state, outcome, now, quota),
    outstanding: (program, state) => REAL_CORE.outstanding(wrong(program), state),
  };
}

function changed(scope: Scope, change: (step: Step) => Step): Scope {
  return { ...scope, steps: scope.steps.map((step) => changedInside(change(step), change)) };
}

function changedInside(step: Step, change: (step: Step) => Step): Step {
  if (scopesOf(step).length === 0) return step;
  switch (step.type) {
    case 'for_each':
    case 'loop':
    case 'group':
      return { ...step, body: changed(step.body, change) };
    case 'branch':
      return {
        ...step,
        cases: step.cases.map((arm) => ({ ...arm, body: changed(arm.body, change) })),
        otherwise: step.otherwise === null ? null : changed(step.otherwise, change),
      };
    default:
      return step;
  }
}

function refold(
  program: Program,
  state: ExecutionState,
  events: readonly ExecutionEvent[],
  at: number,
): ExecutionState {
  let folded = state;
  for (const event of events) {
    folded = REAL_CORE.apply(program, folded, { seq: folded.seq + 1, at, event });
  }
  return folded;
}

function forwards(event: ExecutionEvent, state: ExecutionState): ExecutionState {
  if (event.type !== 'compensation_started' || state.saga === null) return state;
  return { ...state, saga: { ...state.saga, order: state.saga.order.toReversed() } };
}

/** The attempt that runs now, of steps outside containers: enough of them are hit. */
function runningAttempt(program: Program, state: ExecutionState, key: string): number | null {
  const position = program.root.steps.findIndex(({ path }) => path === key);
  const step = state.root.steps[position];
  return step?.status === 'EXECUTING' && step.retryAt === null ? step.attempts : null;
}
