/**
 * The end of a Step Functions execution: its ledger, its compensations, its report.
 *
 *  E1 The order of compensation is the log's, by the same function as on the engine (rule 30).
 *  E2 A compensation is retried here-after by the machine, counted here, at most COMPENSATION_RETRIES
 *     times (rule 32); what is recorded of it is not done again.
 *  E3 The end is recorded once, with what waits for it: the parent, and those who follow events.
 */
import type {
  CompletionResult,
  FailureResult,
  LedgerResult,
  PayloadOf,
} from '#core/asl/payload.ts';
import { isRetryableStepError, type StepError } from '#core/errors.ts';
import {
  COMPENSATION_RETRIES,
  compensationDelay,
  compensationState,
  outputOf,
} from '#core/execution/ending.ts';
import { isFinal } from '#core/execution/events.ts';
import { keyRootOf, type LedgerEntry } from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { performCompensation } from '../perform-compensation.ts';
import { evaluateAll } from '../shape-result.ts';
import { add, addRecords, addStarted } from './draft.ts';
import { bindingsFor } from './evaluating.ts';
import { RunnerFailure } from './failure.ts';
import { planStep, recordIn, type Task } from './task.ts';

export async function ledger(task: Task, payload: PayloadOf<'ledger'>): Promise<Json> {
  return recordIn(task, (draft) => {
    addStarted(draft);
    addRecords(draft, payload.records);
    if (draft.state.saga === null && draft.state.ledger.length > 0) {
      add(draft, { type: 'compensation_started' });
    }
    const { saga, ledger: entries } = draft.state;
    // A repeat answers the whole list again: what is done already is answered from the log.
    const steps = (saga?.order ?? []).map((position) => (entries[position] as LedgerEntry).step);
    return { steps } satisfies LedgerResult;
  });
}

type CompensationEntry =
  | { readonly kind: 'go'; readonly attempt: number; readonly entry: LedgerEntry }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: StepError; readonly attempts: number };

export async function compensate(task: Task, payload: PayloadOf<'compensate'>): Promise<Json> {
  const { header, deps } = task;
  const found = await recordIn(task, (draft): CompensationEntry => {
    addRecords(draft, payload.records);
    const entry = draft.state.ledger.find(({ step }) => step === payload.step);
    if (entry === undefined) throw new TypeError(`nothing to undo for '${payload.step}'`);
    if (entry.status === 'SUCCESS') return { kind: 'done' };
    if (entry.status === 'FAILED') {
      return { kind: 'failed', error: entry.error ?? unknownError, attempts: entry.attempts };
    }
    if (entry.record.bad !== undefined) {
      const { bad } = entry.record;
      add(draft, { type: 'compensation_failed', step: payload.step, error: bad, attempts: 0 });
      return { kind: 'failed', error: bad, attempts: 0 };
    }
    const saga = draft.state.saga;
    const attempt = saga?.retryAt === null ? Math.max(1, saga.attempt) : (saga?.attempt ?? 0) + 1;
    if (saga === null || saga.retryAt !== null || saga.attempt === 0) {
      add(draft, { type: 'compensation_attempt_started', step: payload.step, attempt });
    }
    return { kind: 'go', attempt, entry };
  });
  if (found.kind === 'done') return {};
  if (found.kind === 'failed') throw new RunnerFailure(found.error, found.attempts);

  const { attempt } = found;
  const result = await performCompensation(deps, {
    tenant: header.tenant,
    mode: header.mode,
    executionId: header.id,
    rootId: keyRootOf(task.state, payload.step),
    trace: task.state.trace,
    key: payload.step,
    step: planStep(task, payload.step),
    attempt,
    record: found.entry.record,
  });
  if (result.ok) {
    await recordIn(task, (draft) => {
      if (isPending(draft.state.ledger, payload.step)) {
        add(draft, { type: 'compensation_succeeded', step: payload.step, attempts: attempt });
      }
    });
    return {};
  }
  const { error } = result;
  await recordIn(task, (draft) => {
    if (!isPending(draft.state.ledger, payload.step)) return;
    const { saga } = draft.state;
    if (saga !== null && (saga.attempt > attempt || saga.retryAt !== null)) return; // said before
    const again = isRetryableStepError(error.code) && attempt <= COMPENSATION_RETRIES;
    add(
      draft,
      again
        ? {
            type: 'compensation_retry_scheduled',
            step: payload.step,
            attempt,
            error,
            due_at: draft.now + compensationDelay(attempt),
          }
        : { type: 'compensation_failed', step: payload.step, error, attempts: attempt },
    );
  });
  throw new RunnerFailure(error, attempt);
}

const unknownError: StepError = {
  code: 'CloudFlow.CompensationFailed',
  message: 'it was not undone',
};

function isPending(entries: readonly LedgerEntry[], step: string): boolean {
  return entries.some((entry) => entry.step === step && entry.status === 'PENDING');
}

export async function report(task: Task, payload: PayloadOf<'report'>): Promise<Json> {
  const { deps, header } = task;
  const answer =
    payload.status === 'COMPLETED' ? await complete(task, payload) : await failed(task, payload);
  await deps.tokens.forget(header.tenant, header.id);
  return answer as unknown as Json;
}

/** Rule 33: an output that cannot be had fails the workflow, and the machine goes on to undo. */
async function complete(
  task: Task,
  payload: Extract<PayloadOf<'report'>, { status: 'COMPLETED' }>,
): Promise<CompletionResult> {
  const { deps, header } = task;
  const template = task.program.output;
  const expressions = template === null ? [] : [...expressionsOf(template)];
  const bindings = await bindingsFor(task, payload, expressions);
  const values = await evaluateAll(deps.evaluator, header.tenant, expressions, bindings);
  const made =
    template === null
      ? { ok: true as const, value: payload.output ?? null }
      : outputOf(template, values);
  const answer = await recordIn(task, (draft): CompletionResult | StepError => {
    addStarted(draft);
    addRecords(draft, payload.records);
    if (!isFinal(draft.state.status) && draft.state.outputError === null) {
      add(
        draft,
        made.ok
          ? { type: 'execution_completed', output: made.value }
          : { type: 'expression_evaluated', step: '', slot: 'output', error: made.error },
      );
    }
    return draft.state.outputError ?? { output: draft.state.output };
  });
  if ('code' in answer) throw new RunnerFailure(answer, 1);
  return answer;
}

async function failed(
  task: Task,
  payload: Extract<PayloadOf<'report'>, { status: 'FAILED' }>,
): Promise<FailureResult> {
  return recordIn(task, (draft): FailureResult => {
    addStarted(draft);
    addRecords(draft, payload.records);
    if (!isFinal(draft.state.status)) {
      for (const failed of payload.compensations) {
        if (!('step' in failed)) continue;
        if (isPending(draft.state.ledger, failed.step)) {
          // The machine gave up on what this runner could never record.
          const { step, error } = failed as { step: string; error: StepError };
          add(draft, { type: 'compensation_failed', step, error, attempts: 0 });
        }
      }
      const { code, message, step } = payload.error;
      add(draft, {
        type: 'execution_failed',
        error: step === null ? { code, message } : { code, message, step },
        compensation: compensationState(draft.state),
      });
    }
    const { error, compensation } = draft.state;
    return {
      error: error?.code ?? payload.error.code,
      cause: JSON.stringify({
        step: error?.step ?? null,
        code: error?.code ?? payload.error.code,
        message: error?.message ?? payload.error.message,
        compensation,
      }),
    };
  });
}
