import { LIMITS } from '#core/dsl/limits.ts';
import type { StepError } from '#core/errors.ts';
import { isRetryableStepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import { jsonBytes } from '#core/json.ts';
import type { Program, Template } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { bind, outputsAtRoot } from './bindings.ts';
import type { Outcome } from './commands.ts';
import type { Decision, EvaluatorResults } from './decision.ts';
import { askEvaluator, COMMAND_ID, command, controlError, record } from './decision.ts';
import type { Values } from './evaluation.ts';
import { outside, render, valuesOf } from './evaluation.ts';
import type { CompensationState, StepKey } from './events.ts';
import { isFinal } from './events.ts';
import { failures } from './failures.ts';
import type { ProgramIndex } from './program-index.ts';
import { quotaError } from './quota.ts';
import type { ExecutionState, LedgerEntry } from './state.ts';
import { isStopped } from './state.ts';

/**
 * The end of an execution: outcome, compensation, last event (rules 29 to 33, 35, 36).
 *
 * E1 The end begins when every top-level step is terminal, and its outcome follows from state.
 * E2 Compensations run one at a time in reverse order of completion; a failed one never stops the
 *    next. A bad entry counts as failed without a call.
 * E3 While the execution is paused no compensation attempt begins.
 */
export function finish(decision: Decision, results: EvaluatorResults | null = null): void {
  const { state } = decision;
  if (isFinal(state.status) || state.status === 'PENDING' || state.root.open > 0) return;
  if (state.saga !== null) {
    runSaga(decision);
  } else if (isStopped(state)) {
    if (undoes(decision.program, state) && state.ledger.length > 0) startSaga(decision);
    else end(decision);
  } else if (state.root.failed > 0 || state.outputError !== null) {
    if (state.ledger.length > 0) startSaga(decision);
    else end(decision);
  } else {
    complete(decision, results);
  }
}

/** Whether an execution that was stopped undoes what was done. */
export function undoes(program: Program, state: ExecutionState): boolean {
  if (state.exceeded !== null) return true; // a failure like any other (rule 30)
  return state.cancel?.compensate ?? (state.timedOut && program.onCancel === 'compensate');
}

function complete(decision: Decision, results: EvaluatorResults | null): void {
  const { output } = decision.program;
  if (output === null) {
    ended(decision, {
      type: 'execution_completed',
      output: outputsAtRoot(decision.index, decision.state),
    });
    return;
  }
  const asked = outside(expressionsOf(output));
  if (asked.length > 0 && results === null) {
    askEvaluator(decision, null, 'output', asked, {});
    return;
  }
  const values = valuesOf(asked, results ?? [], (expression) =>
    bind(decision.index, decision.state, null, [expression], {}),
  );
  const made = outputOf(output, values);
  if (made.ok) {
    ended(decision, { type: 'execution_completed', output: made.value });
    return;
  }
  const { error } = made;
  record(decision, { type: 'expression_evaluated', step: '', slot: 'output', error });
  finish(decision);
}

/** The output that an author wrote (rule 33), within the bound of every output of a workflow (R39). */
export function outputOf(
  template: Template,
  values: Values,
): { ok: true; value: Json } | { ok: false; error: StepError } {
  const rendered = render(template, values);
  if (!rendered.ok) return { ok: false, error: failures.expression(rendered.message) };
  const bytes = jsonBytes(rendered.value);
  return bytes > LIMITS.regionBytes
    ? { ok: false, error: failures.outputTooLarge(bytes, LIMITS.regionBytes) }
    : rendered;
}

function startSaga(decision: Decision): void {
  if (decision.state.paused) return;
  record(decision, { type: 'compensation_started' });
  runSaga(decision);
}

/** The entry that is being compensated. */
export function currentEntry(state: ExecutionState): LedgerEntry | null {
  const { saga } = state;
  const position = saga?.order[saga.finished];
  return position === undefined ? null : (state.ledger[position] ?? null);
}

function runSaga(decision: Decision): void {
  for (;;) {
    const { state } = decision;
    const entry = currentEntry(state);
    if (entry === null) {
      end(decision);
      return;
    }
    if (state.saga === null || state.saga.attempt > 0 || state.paused) return;
    if (entry.record.bad === undefined) {
      beginAttempt(decision, entry, 1);
      return;
    }
    const { bad } = entry.record;
    record(decision, { type: 'compensation_failed', step: entry.step, error: bad, attempts: 0 });
  }
}

function beginAttempt(decision: Decision, entry: LedgerEntry, attempt: number): void {
  record(decision, { type: 'compensation_attempt_started', step: entry.step, attempt });
  compensateCommand(decision, entry, attempt);
}

function compensateCommand(decision: Decision, entry: LedgerEntry, attempt: number): void {
  command(decision, {
    kind: 'compensate',
    id: COMMAND_ID.compensate(entry.step, attempt),
    step: entry.step,
    attempt,
    record: entry.record,
  });
}

/** Whether the running attempt of the saga is the one that an outcome speaks of. */
function isRunning(state: ExecutionState, step: StepKey, attempt: number): boolean {
  const { saga } = state;
  if (isFinal(state.status) || saga === null || saga.retryAt !== null) return false;
  return saga.attempt === attempt && currentEntry(state)?.step === step;
}

export function compensated(
  decision: Decision,
  { step, attempt }: Extract<Outcome, { kind: 'compensated' }>,
): void {
  if (!isRunning(decision.state, step, attempt)) return;
  record(decision, { type: 'compensation_succeeded', step, attempts: attempt });
  runSaga(decision);
}

/** Compensations are repeated this often, whatever retries their step asked for (rule 32). */
export const COMPENSATION_RETRIES = 3;

/** 2, 4 and 8 s. */
export function compensationDelay(retry: number): number {
  return 1000 * 2 ** retry;
}

export function compensationCallFailed(
  decision: Decision,
  { step, attempt, error }: Extract<Outcome, { kind: 'compensation_call_failed' }>,
): void {
  if (!isRunning(decision.state, step, attempt)) return;
  if (isRetryableStepError(error.code) && attempt <= COMPENSATION_RETRIES) {
    const dueAt = decision.now + compensationDelay(attempt);
    record(decision, {
      type: 'compensation_retry_scheduled',
      step,
      attempt,
      error,
      due_at: dueAt,
    });
    command(decision, { kind: 'timer', id: COMMAND_ID.compensationTimer, dueAt });
    return;
  }
  record(decision, { type: 'compensation_failed', step, error, attempts: attempt });
  runSaga(decision);
}

/** The next attempt of the current compensation, once it is due. */
export function retryCompensation(decision: Decision): void {
  const { saga, paused } = decision.state;
  const entry = currentEntry(decision.state);
  if (saga === null || entry === null || paused) return;
  if (saga.retryAt !== null && saga.retryAt <= decision.now) {
    beginAttempt(decision, entry, saga.attempt + 1);
  }
}

/** What the end of an execution is waiting for outside, after a crash. */
export function pursueEnd(decision: Decision): void {
  const { state } = decision;
  const { saga } = state;
  if (state.status !== 'RUNNING' || state.root.open > 0) return;
  const entry = currentEntry(state);
  if (saga !== null && entry !== null) {
    if (saga.retryAt !== null) {
      command(decision, {
        kind: 'timer',
        id: COMMAND_ID.compensationTimer,
        dueAt: saga.retryAt,
      });
    } else if (saga.attempt > 0) {
      compensateCommand(decision, entry, saga.attempt);
    }
    return;
  }
  const { output } = decision.program;
  if (output === null || state.root.failed > 0 || isEnded(state)) return;
  const asked = outside(expressionsOf(output));
  if (asked.length > 0) askEvaluator(decision, null, 'output', asked, {});
}

function isEnded(state: ExecutionState): boolean {
  return isStopped(state) || state.outputError !== null;
}

function end(decision: Decision): void {
  const { state, index } = decision;
  const compensation = compensationState(state);
  if (state.cancel !== null) ended(decision, { type: 'execution_cancelled', compensation });
  else ended(decision, { type: 'execution_failed', error: failure(index, state), compensation });
}

function ended(decision: Decision, event: Parameters<typeof record>[1]): void {
  record(decision, event);
  if (decision.program.timeoutMs !== null && !decision.state.timedOut) {
    command(decision, { kind: 'abandon', id: COMMAND_ID.workflowTimeout });
  }
}

export function compensationState(state: ExecutionState): CompensationState {
  if (state.saga === null || state.saga.order.length === 0) return 'NONE';
  return state.ledger.every((entry) => entry.status === 'SUCCESS') ? 'COMPLETE' : 'PARTIAL';
}

/** Why an execution fails: its timeout, its quota, its output, or its first failed step. */
export function failure(
  index: ProgramIndex,
  state: ExecutionState,
): StepError & { readonly step?: StepKey } {
  if (state.timedOut) {
    const { timeoutMs } = index.program;
    return controlError('WorkflowTimeout', `the workflow did not end within ${timeoutMs} ms`);
  }
  if (state.exceeded !== null) return quotaError(state.exceeded);
  for (const position of index.root.order) {
    const step = state.root.steps[position];
    const info = index.root.steps[position];
    if (step?.class !== 'F' || step.error === null || info === undefined) continue;
    return { code: step.error.code, message: step.error.message, step: info.step.path };
  }
  return state.outputError ?? controlError('Internal', 'the workflow failed without a failed step');
}
