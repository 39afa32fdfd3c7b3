import type { Json } from '#core/json.ts';
import type { StepOf } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import type { Behaviour } from './behaviour.ts';
import { instant } from './bindings.ts';
import type { ChildConfig } from './child-config.ts';
import { parseChildConfig } from './child-config.ts';
import type { Outcome, Signal } from './commands.ts';
import { answerStep, dropTimer } from './complete.ts';
import { callCommand } from './connector.ts';
import type { Decision } from './decision.ts';
import { COMMAND_ID, command, failStep, record } from './decision.ts';
import { render } from './evaluation.ts';
import { failures, timedOut } from './failures.ts';
import type { Place } from './program-index.ts';
import { keyOf } from './program-index.ts';
import type { StepState } from './state.ts';

/**
 * Steps that wait for somebody: approval, callback, sub_workflow (rules 25 and 26).
 *
 * W1 The first answer ends the waiting; whatever comes later is stale.
 * W2 A timeout runs from the start of the step. Once the answer is there it no longer counts.
 * W3 A callback may be answered before its request has returned.
 */
export const approval: Behaviour<'approval'> = {
  expressions: (step) => expressionsOf(step.config),
  start: (decision, place, step, values) =>
    startWaiting(decision, place, render(step.config, values), (config) =>
      requestApproval(decision, place, step, config, decision.now),
    ),
  pursue: (decision, place, step, current) => {
    if (!isOpen(current)) return;
    requestApproval(decision, place, step, current.config, startOf(current));
  },
  deadline: (step, current) => (isOpen(current) ? startOf(current) + step.timeoutMs : null),
  expire: (decision, place, step) => {
    command(decision, { kind: 'abandon', id: COMMAND_ID.approval(keyOf(place)) });
    failStep(decision, place, timedOut(step));
  },
};

function requestApproval(
  decision: Decision,
  place: Place,
  step: StepOf<'approval'>,
  config: Json,
  startedAt: number,
): void {
  const key = keyOf(place);
  const dueAt = startedAt + step.timeoutMs;
  command(decision, {
    kind: 'request_approval',
    id: COMMAND_ID.approval(key),
    step: key,
    config,
    dueAt,
  });
  command(decision, { kind: 'timer', id: COMMAND_ID.timer(key), dueAt });
}

/** The raw result of an approval, on both runtimes. */
export function approvalResult(answer: Extract<Signal, { kind: 'approval_answered' }>): Json {
  const { decision, by, at, comment } = answer;
  return { decision, by, at: instant(at), comment };
}

export function approvalAnswered(
  decision: Decision,
  place: Place,
  step: StepOf<'approval'>,
  answer: Extract<Signal, { kind: 'approval_answered' }>,
): void {
  dropTimer(decision, place);
  if (answer.decision === 'rejected' && step.onReject === 'fail') {
    failStep(decision, place, failures.rejected(answer.by));
    return;
  }
  answerStep(decision, place, approvalResult(answer));
}

/** Longest that the request of a callback may take; the callback itself has its own timeout. */
const REQUEST_TIMEOUT_MS = 30_000;

export const callback: Behaviour<'callback'> = {
  expressions: (step) => expressionsOf(step.config),
  start: (decision, place, step, values) =>
    startWaiting(decision, place, render(step.config, values), (config) => {
      const key = keyOf(place);
      callCommand(decision, key, 1, config, requestTimeout(step));
      const dueAt = decision.now + Math.min(step.timeoutMs, step.heartbeatMs ?? step.timeoutMs);
      command(decision, { kind: 'timer', id: COMMAND_ID.timer(key), dueAt });
    }),
  pursue: (decision, place, step, current) => {
    if (!isOpen(current)) return;
    const key = keyOf(place);
    if (!current.suspended) callCommand(decision, key, 1, current.config, requestTimeout(step));
    const dueAt = callbackDeadline(step, current);
    command(decision, { kind: 'timer', id: COMMAND_ID.timer(key), dueAt });
  },
  deadline: (step, current) => (isOpen(current) ? callbackDeadline(step, current) : null),
  expire: (decision, place, step, current) => {
    abandonRequest(decision, place, current);
    failStep(decision, place, timedOut(step));
  },
};

function requestTimeout(step: StepOf<'callback'>): number {
  return Math.min(step.timeoutMs, REQUEST_TIMEOUT_MS);
}

/** The first heartbeat is due from the start of the step, as Step Functions counts it. */
function callbackDeadline(step: StepOf<'callback'>, current: StepState): number {
  const end = startOf(current) + step.timeoutMs;
  if (step.heartbeatMs === null) return end;
  return Math.min(end, current.heartbeatAt ?? startOf(current) + step.heartbeatMs);
}

/** Whether a heartbeat is due before the callback itself. */
export function heartbeatIsNext(step: StepOf<'callback'>, current: StepState): boolean {
  return callbackDeadline(step, current) < startOf(current) + step.timeoutMs;
}

function abandonRequest(decision: Decision, place: Place, current: StepState): void {
  if (current.suspended) return;
  command(decision, { kind: 'abandon', id: COMMAND_ID.call(keyOf(place), 1) });
}

/** The request of a callback returned. */
export function callbackRequested(
  decision: Decision,
  place: Place,
  step: StepOf<'callback'>,
  current: StepState,
): void {
  if (!isOpen(current) || current.suspended) return;
  const dueAt =
    step.heartbeatMs === null ? null : (current.heartbeatAt ?? startOf(current) + step.heartbeatMs);
  record(decision, { type: 'step_suspended', step: keyOf(place), heartbeat_due_at: dueAt });
}

/** The request of an approval or a callback could not be made. */
export function requestFailed(
  decision: Decision,
  place: Place,
  current: StepState,
  outcome: Extract<Outcome, { kind: 'call_failed' }>,
): void {
  if (!isOpen(current) || current.suspended) return;
  dropTimer(decision, place);
  failStep(decision, place, outcome.error);
}

export function callbackEnded(
  decision: Decision,
  place: Place,
  current: StepState,
  signal: Extract<Signal, { kind: 'callback_completed' | 'callback_failed' }>,
): void {
  abandonRequest(decision, place, current);
  dropTimer(decision, place);
  if (signal.kind === 'callback_completed') answerStep(decision, place, signal.result);
  else failStep(decision, place, signal.error);
}

export function heartbeat(
  decision: Decision,
  place: Place,
  step: StepOf<'callback'>,
  current: StepState,
): void {
  if (step.heartbeatMs === null) return;
  const dueAt = decision.now + step.heartbeatMs;
  const key = keyOf(place);
  record(decision, { type: 'heartbeat_received', step: key, due_at: dueAt });
  command(decision, {
    kind: 'timer',
    id: COMMAND_ID.timer(key),
    dueAt: Math.min(dueAt, startOf(current) + step.timeoutMs),
  });
}

export const subWorkflow: Behaviour<'sub_workflow'> = {
  expressions: (step) => expressionsOf(step.config),
  start: (decision, place, step, values) => {
    startWaiting(decision, place, render(step.config, values), (config) => {
      const child = parseChildConfig(config);
      if (!child.ok) {
        failStep(decision, place, child.error);
        return;
      }
      startChild(decision, place, step, child.value);
      setChildTimer(decision, place, step, decision.now);
    });
  },
  pursue: (decision, place, step, current) => {
    if (!isOpen(current)) return;
    const child = parseChildConfig(current.config);
    if (current.childId === null && child.ok) startChild(decision, place, step, child.value);
    setChildTimer(decision, place, step, startOf(current));
  },
  deadline: (step, current) =>
    isOpen(current) && step.mode === 'wait' && step.timeoutMs !== null
      ? startOf(current) + step.timeoutMs
      : null,
  expire: (decision, place, step) => {
    command(decision, { kind: 'abandon', id: COMMAND_ID.child(keyOf(place)) });
    failStep(decision, place, timedOut(step));
  },
};

function startChild(
  decision: Decision,
  place: Place,
  step: StepOf<'sub_workflow'>,
  child: ChildConfig,
): void {
  const key = keyOf(place);
  command(decision, {
    kind: 'start_child',
    id: COMMAND_ID.child(key),
    step: key,
    ...child,
    detach: step.mode === 'detach',
  });
}

function setChildTimer(
  decision: Decision,
  place: Place,
  step: StepOf<'sub_workflow'>,
  startedAt: number,
): void {
  if (step.mode === 'detach' || step.timeoutMs === null) return;
  const dueAt = startedAt + step.timeoutMs;
  command(decision, { kind: 'timer', id: COMMAND_ID.timer(keyOf(place)), dueAt });
}

export function childStarted(
  decision: Decision,
  place: Place,
  step: StepOf<'sub_workflow'>,
  current: StepState,
  executionId: string,
): void {
  if (!isOpen(current) || current.childId !== null) return;
  record(decision, { type: 'child_started', step: keyOf(place), execution_id: executionId });
  if (step.mode === 'detach') answerStep(decision, place, { execution_id: executionId });
}

export function childRefused(
  decision: Decision,
  place: Place,
  step: StepOf<'sub_workflow'>,
  current: StepState,
  outcome: Extract<Outcome, { kind: 'child_refused' }>,
): void {
  if (!isOpen(current) || current.childId !== null) return;
  dropChildTimer(decision, place, step);
  failStep(decision, place, outcome.error);
}

export function childEnded(
  decision: Decision,
  place: Place,
  step: StepOf<'sub_workflow'>,
  signal: Extract<Signal, { kind: 'child_ended' }>,
): void {
  dropChildTimer(decision, place, step);
  if (signal.status === 'COMPLETED') {
    answerStep(decision, place, signal.output);
    return;
  }
  failStep(decision, place, signal.error ?? failures.childEnded(signal.executionId, signal.status));
}

function dropChildTimer(decision: Decision, place: Place, step: StepOf<'sub_workflow'>): void {
  if (step.mode === 'wait' && step.timeoutMs !== null) dropTimer(decision, place);
}

/** Whether a waiting step still takes an answer. */
export function isOpen(current: StepState): boolean {
  return current.status === 'EXECUTING' && current.answer === null && current.shaped === null;
}

function startOf(current: StepState): number {
  return current.startedAt ?? 0;
}

function startWaiting(
  decision: Decision,
  place: Place,
  config: ReturnType<typeof render>,
  go: (config: Json) => void,
): void {
  const value = config.ok ? config.value : null;
  record(decision, { type: 'step_started', step: keyOf(place), config: value });
  if (config.ok) go(config.value);
  else failStep(decision, place, failures.expression(config.message));
}
