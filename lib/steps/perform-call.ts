/**
 * What a step does outside, once, for both runtimes. Owns: one attempt of a call, its time limit and
 * its idempotency key, and what is made of its result. The host owns: when to attempt, recording the
 * outcome, and doing it again.
 *
 *  C1 every attempt of a step carries the same idempotency key, also over retries of the execution.
 *  C2 an attempt ends within its time: with a result, an error, or an abort that the adapter heard.
 *  C3 what the outside does wrong is an answer (`ok: false`). A rejection means that a part of ours
 *     was away (the store, the secrets, every evaluator): that is no attempt, and the host repeats it.
 *  C4 neither results nor messages hold a secret.
 */
import { type StepError, stepErrorCode } from '#core/errors.ts';
import type { StepKey } from '#core/execution/events.ts';
import { failures } from '#core/execution/failures.ts';
import type { Json } from '#core/json.ts';
import type { Step } from '#core/plan/program.ts';
import { parseTrace } from '#core/trace.ts';
import type { Mode } from '#ports/execution-store.ts';
import { NO_TRACER, type Span } from '#ports/tracer.ts';
import { handOutToken } from './callback-request.ts';
import type { Caller, StepDeps } from './deps.ts';
import { StepFailure } from './failure.ts';
import { type Bindings, type Shaped, shapeResult } from './shape-result.ts';
import { STEP_WORK } from './step-work.ts';

export interface StepCall {
  readonly tenant: string;
  readonly mode: Mode;
  readonly executionId: string;
  /** The first execution of a chain of retries. */
  readonly rootId: string;
  readonly key: StepKey;
  readonly step: Step;
  /** From 1. */
  readonly attempt: number;
  /** Evaluated. */
  readonly config: Json;
  readonly timeoutMs: number;
  /** What `result` and `compensate` may read, besides `$result` and the step itself. */
  readonly bindings: Bindings;
  /** Of the execution, as `core/trace.ts` writes it; null or absent: none. */
  readonly trace?: string | null;
  /** For a callback: the token that its request hands out. */
  readonly callback?: { readonly token: string };
  /** Abandons the attempt: its result no longer matters. */
  readonly signal?: AbortSignal;
}

export type CallResult = Shaped;

/** The key that receivers dedupe by. A step key holds no slash, so these never meet. */
export function idempotencyKey(
  rootId: string,
  key: StepKey,
  purpose: 'step' | 'compensation' = 'step',
): string {
  return purpose === 'step' ? `${rootId}/${key}` : `${rootId}/${key}/compensate`;
}

/**
 * One attempt of a step that calls out. For a callback, success means that its request went out and
 * the step waits: output null, nothing to undo yet.
 */
export async function performCall(deps: StepDeps, call: StepCall): Promise<CallResult> {
  const { step, key } = call;
  const work = STEP_WORK[step.type];
  if (work.kind !== 'call' && work.kind !== 'hand_out') {
    throw new TypeError(`step ${key} is a ${step.type}, which has no call`);
  }
  const attempt = await withinTime(deps, { ...call, purpose: 'step' }, async (caller) => {
    if (work.kind === 'call') return await work.perform(deps, caller, call.config);
    if (call.callback === undefined)
      throw new TypeError(`callback ${key} has no token to hand out`);
    await handOutToken(deps, caller, call.config, call.callback.token);
    return null;
  });
  if (!attempt.ok) return attempt;
  if (work.kind === 'hand_out') return { ok: true, output: null, compensation: null };
  return await shapeResult(deps.evaluator, {
    tenant: call.tenant,
    step,
    attempt: call.attempt,
    bindings: call.bindings,
    raw: attempt.raw,
  });
}

interface Attempt {
  readonly tenant: string;
  readonly mode: Mode;
  readonly executionId: string;
  readonly rootId: string;
  readonly key: StepKey;
  readonly step: Step;
  readonly attempt: number;
  readonly timeoutMs: number;
  readonly purpose: 'step' | 'compensation';
  readonly trace?: string | null | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Runs one attempt under its time limit and turns what ended it into words of the language. */
export async function withinTime(
  deps: Pick<StepDeps, 'deadlines' | 'tracer'>,
  attempt: Attempt,
  perform: (caller: Caller) => Promise<Json>,
): Promise<{ ok: true; raw: Json } | { ok: false; error: StepError }> {
  const deadline = deps.deadlines.after(attempt.timeoutMs);
  const { tenant, mode, executionId, rootId, key, purpose } = attempt;
  const abandoned = attempt.signal;
  const tracer = deps.tracer ?? NO_TRACER;
  // What runs us knows better where it stands than the beginning of the execution did.
  const span = tracer.begin(purpose, tracer.ambient() ?? parseTrace(attempt.trace));
  let outcome: Parameters<Span['end']>[0] = 'fault';
  try {
    const raw = await perform({
      tenant,
      mode,
      executionId,
      rootId,
      key,
      stepId: attempt.step.id,
      attempt: attempt.attempt,
      idempotencyKey: idempotencyKey(rootId, key, purpose),
      purpose,
      trace: span.trace,
      signal:
        abandoned === undefined ? deadline.signal : AbortSignal.any([abandoned, deadline.signal]),
      deadline: deadline.signal,
    });
    outcome = 'ok';
    return { ok: true, raw };
  } catch (error) {
    if (!(error instanceof StepFailure)) throw error;
    outcome = 'error';
    if (abandoned?.aborted === true) {
      return { ok: false, error: { code: stepErrorCode('Cancelled'), message: 'abandoned' } };
    }
    if (deadline.signal.aborted) {
      return { ok: false, error: failures.attemptTimedOut(attempt.timeoutMs) };
    }
    return { ok: false, error: error.error };
  } finally {
    span.end(outcome, {
      execution: executionId,
      step_type: attempt.step.type,
      attempt: attempt.attempt,
    });
    deadline.clear();
  }
}
