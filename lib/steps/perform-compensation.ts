import { durationMs } from '#core/dsl/durations.ts';
import { type StepError, stepErrorCode } from '#core/errors.ts';
import { parseChildConfig } from '#core/execution/child-config.ts';
import type { CompensationRecord, StepKey } from '#core/execution/events.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import type { Step } from '#core/plan/program.ts';
import { traceText } from '#core/trace.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { Caller, StepDeps } from './deps.ts';
import { StepFailure, stepFailure } from './failure.ts';
import { withinTime } from './perform-call.ts';
import { COMPENSATION_WORK, STEP_WORK } from './step-work.ts';

/** How long one attempt to undo may take where its config does not say. */
const CALL_TIMEOUT_MS = 30_000;
/** What the longest-lived function can wait for; a repeat finds the same child and waits on. */
const MAX_TIMEOUT_MS = 840_000;

export interface CompensationCall {
  readonly tenant: string;
  readonly mode: Mode;
  readonly executionId: string;
  readonly rootId: string;
  readonly key: StepKey;
  /** The step that is undone. */
  readonly step: Step;
  readonly attempt: number;
  readonly record: CompensationRecord;
  /** Of the execution; null or absent: none. */
  readonly trace?: string | null;
  readonly signal?: AbortSignal;
}

/**
 * One attempt to undo a success. Its key differs from the step's own and is the same for all attempts,
 * so a receiver that dedupes undoes once. As `performCall`, it rejects only when a part of ours is away.
 */
export async function performCompensation(
  deps: StepDeps,
  call: CompensationCall,
): Promise<{ ok: true } | { ok: false; error: StepError }> {
  const { record } = call;
  if (record.bad !== undefined) return { ok: false, error: record.bad };
  const isChild = COMPENSATION_WORK[record.type] === 'child';
  const timeoutMs = timeoutOf(record.config, isChild ? MAX_TIMEOUT_MS : CALL_TIMEOUT_MS);
  const attempt = await withinTime(
    deps,
    { ...call, timeoutMs, purpose: 'compensation' },
    async (caller) => {
      const work = STEP_WORK[record.type];
      if (work.kind === 'call') return await work.perform(deps, caller, record.config);
      await undoByChild(deps, caller, record.config);
      return null;
    },
  );
  return attempt.ok ? { ok: true } : attempt;
}

async function undoByChild(deps: StepDeps, caller: Caller, config: Json): Promise<void> {
  const child = parseChildConfig(config);
  if (!child.ok) throw new StepFailure(child.error);
  const { tenant, mode } = caller;
  const answer = await deps.children.start({
    tenant,
    mode,
    parentId: caller.executionId,
    step: caller.key,
    purpose: 'compensation',
    ...child.value,
    detach: false,
    ...(caller.trace === null ? {} : { trace: traceText(caller.trace) }),
  });
  if (answer.kind === 'refused') throw new StepFailure(answer.error);
  const end = await deps.children.ended(tenant, answer.executionId, caller.signal);
  if (end === null) throw stepFailure('Timeout', 'the child that undoes it has not ended');
  if (end.status !== 'COMPLETED') {
    throw new StepFailure(
      end.error ?? {
        code: stepErrorCode('SubWorkflowFailed'),
        message: `the child that undoes it ended as ${end.status}`,
      },
    );
  }
}

function timeoutOf(config: Json, fallback: number): number {
  const given = isJsonObject(config) ? durationMs(config['timeout']) : null;
  return Math.min(given ?? fallback, MAX_TIMEOUT_MS);
}
