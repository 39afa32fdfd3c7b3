import type { Program, StepOf, StepType } from '#core/plan/program.ts';
import { clock } from './clock.ts';
import type { Command, Outcome, Signal } from './commands.ts';
import { compensatable, shapeAnswer } from './complete.ts';
import { callFailed, callSucceeded } from './connector.ts';
import type { Decision } from './decision.ts';
import { beginScope, COMMAND_ID, command, newDecision, record } from './decision.ts';
import { compensated, compensationCallFailed, finish } from './ending.ts';
import type { ExecutionEvent, StepKey } from './events.ts';
import { isFinal } from './events.ts';
import { testLoop, testSlot } from './loop.ts';
import type { Place } from './program-index.ts';
import { findPlace } from './program-index.ts';
import { lookEverywhere, settle } from './progress.ts';
import type { Quota } from './quota.ts';
import { QUOTA } from './quota.ts';
import { refusal } from './refusal.ts';
import type { ExecutionState, StepState } from './state.ts';
import { isEnding, stepAt } from './state.ts';
import { startStep } from './step-start.ts';
import { stop } from './stop.ts';
import {
  approvalAnswered,
  callbackEnded,
  callbackRequested,
  childEnded,
  childRefused,
  childStarted,
  heartbeat,
  requestFailed,
} from './waiting-steps.ts';

/**
 * What follows from an outcome: events, the state after them, and the commands they need.
 *
 * G1 Pure and deterministic: same program, state, outcome and time, same decision.
 * G2 A command is in the decision that first needs it, and only there.
 * G3 A stale outcome (its step, attempt or execution has moved on) yields nothing.
 * G4 The host records the events as `state.seq + 1, ...` at `now`, and starts the commands once they
 *    are durable. What it has lost it gets back from `outstanding`, under the same ids.
 */
export interface DecisionResult {
  readonly events: readonly ExecutionEvent[];
  readonly state: ExecutionState;
  readonly commands: readonly Command[];
}

export function decide(
  program: Program,
  state: ExecutionState,
  outcome: Outcome,
  now: number,
  quota: Quota = QUOTA,
): DecisionResult {
  if (isFinal(state.status)) return { events: [], state, commands: [] };
  if (state.createdAt === null) throw new TypeError('an execution begins with execution_created');
  const decision = newDecision(program, state, now, quota);
  const handler = HANDLERS[outcome.kind] as (decision: Decision, outcome: Outcome) => void;
  handler(decision, outcome);
  if (state.yielded && !isFinal(decision.state.status)) lookEverywhere(decision);
  settle(decision, state.halted);
  return { events: decision.events, state: decision.state, commands: decision.commands };
}

const HANDLERS: {
  readonly [K in Outcome['kind']]: (
    decision: Decision,
    outcome: Extract<Outcome, { kind: K }>,
  ) => void;
} = {
  start: (decision) => start(decision),
  clock: (decision) => clock(decision),

  call_succeeded: (decision, outcome) => {
    const found = running(decision, outcome.step);
    if (found === null) return;
    const { place, current } = found;
    const { step } = place.info;
    if (step.type === 'callback') callbackRequested(decision, place, step, current);
    else if ('retry' in step) callSucceeded(decision, place, current, outcome);
  },
  call_failed: (decision, outcome) => {
    const found = running(decision, outcome.step);
    if (found === null) return;
    const { place, current } = found;
    const { step } = place.info;
    if (step.type === 'callback' || step.type === 'approval') {
      requestFailed(decision, place, current, outcome);
    } else if ('retry' in step) callFailed(decision, place, current, step.retry, outcome);
  },
  evaluated: (decision, outcome) => evaluated(decision, outcome),

  child_started: (decision, outcome) => {
    const found = runningOf(decision, outcome.step, 'sub_workflow');
    if (found === null) return;
    childStarted(decision, found.place, found.step, found.current, outcome.executionId);
  },
  child_refused: (decision, outcome) => {
    const found = runningOf(decision, outcome.step, 'sub_workflow');
    if (found !== null) childRefused(decision, found.place, found.step, found.current, outcome);
  },
  child_ended: (decision, signal) => {
    const found = accepted(decision, signal, 'sub_workflow');
    if (found !== null) childEnded(decision, found.place, found.step, signal);
  },

  approval_answered: (decision, signal) => {
    const found = accepted(decision, signal, 'approval');
    if (found !== null) approvalAnswered(decision, found.place, found.step, signal);
  },
  callback_completed: (decision, signal) => {
    const found = accepted(decision, signal, 'callback');
    if (found !== null) callbackEnded(decision, found.place, found.current, signal);
  },
  callback_failed: (decision, signal) => {
    const found = accepted(decision, signal, 'callback');
    if (found !== null) callbackEnded(decision, found.place, found.current, signal);
  },
  callback_heartbeat: (decision, signal) => {
    const found = accepted(decision, signal, 'callback');
    if (found !== null) heartbeat(decision, found.place, found.step, found.current);
  },

  compensated: (decision, outcome) => compensated(decision, outcome),
  compensation_call_failed: (decision, outcome) => compensationCallFailed(decision, outcome),

  cancel: (decision, signal) => {
    if (refusal(decision.program, decision.state, signal) !== null) return;
    if (decision.state.status === 'PENDING') record(decision, { type: 'execution_started' });
    const { by, reason } = signal;
    const compensate = signal.compensate ?? decision.program.onCancel === 'compensate';
    record(decision, { type: 'cancel_requested', by, compensate, reason });
    stop(decision, 'the execution was cancelled');
  },
  pause: (decision, signal) => {
    if (refusal(decision.program, decision.state, signal) !== null) return;
    record(decision, { type: 'execution_paused', by: signal.by });
  },
  resume: (decision, signal) => {
    if (refusal(decision.program, decision.state, signal) !== null) return;
    record(decision, { type: 'execution_resumed', by: signal.by });
    lookEverywhere(decision);
    clock(decision);
  },
};

function start(decision: Decision): void {
  if (decision.state.status !== 'PENDING') return;
  record(decision, { type: 'execution_started' });
  const { timeoutMs } = decision.program;
  if (timeoutMs !== null) {
    const dueAt = decision.state.at + timeoutMs;
    command(decision, { kind: 'timer', id: COMMAND_ID.workflowTimeout, dueAt });
  }
  beginScope(decision, decision.index.root, []);
  if (decision.state.root.open === 0) {
    decision.work.push({ kind: 'drained', container: null, iteration: 0 }); // all carried
  }
}

interface Found {
  readonly place: Place;
  readonly current: StepState;
}

/** The step that an outcome speaks of, if it is EXECUTING. */
function running(decision: Decision, key: StepKey): Found | null {
  const place = findPlace(decision.index, key);
  if (place === null) return null;
  const current = stepAt(decision.state, place);
  return current.status === 'EXECUTING' ? { place, current } : null;
}

function runningOf<T extends StepType>(
  decision: Decision,
  key: StepKey,
  type: T,
): (Found & { readonly step: StepOf<T> }) | null {
  const found = running(decision, key);
  if (found === null || found.place.info.step.type !== type) return null;
  return { ...found, step: found.place.info.step as StepOf<T> };
}

/** As `runningOf` for a signal, if it is not refused. */
function accepted<T extends StepType>(
  decision: Decision,
  signal: Extract<Signal, { step: StepKey }>,
  type: T,
): (Found & { readonly step: StepOf<T> }) | null {
  if (refusal(decision.program, decision.state, signal) !== null) return null;
  return runningOf(decision, signal.step, type);
}

function evaluated(
  decision: Decision,
  { step: key, slot, results }: Extract<Outcome, { kind: 'evaluated' }>,
): void {
  if (key === '') {
    if (slot === 'output' && !isEnding(decision.state)) finish(decision, results);
    return;
  }
  const place = findPlace(decision.index, key);
  if (place === null) return;
  if (slot === 'start') {
    startStep(decision, place, results);
    return;
  }
  const found = running(decision, key);
  if (found === null) return;
  const { current } = found;
  const { step } = place.info;
  if (step.type === 'loop') {
    if (slot === testSlot(current)) testLoop(decision, place, step, results);
  } else if (slot === 'result' && current.answer !== null && current.shaped === null) {
    shapeAnswer(decision, place, current.answer.result, results);
  } else if (slot === 'compensation' && current.shaped !== null) {
    compensatable(decision, place, current.shaped.output, results);
  }
}
