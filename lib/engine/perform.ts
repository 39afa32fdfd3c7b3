import { bindingsOf } from '#core/execution/bindings.ts';
import type { Command, CommandOf, Outcome } from '#core/execution/commands.ts';
import { indexOf, placeOf } from '#core/execution/program-index.ts';
import { type ExecutionState, keyRootOf } from '#core/execution/state.ts';
import { type Expression, expressionsOf, type Program, type Step } from '#core/plan/program.ts';
import type { ExecutionHeader } from '#ports/execution-store.ts';
import { parseApprovalConfig } from '#steps/approval-config.ts';
import type { EngineDeps } from './deps.ts';
import type { Slots } from './slots.ts';

/** Commands that go on outside until they answer. */
export type Work = Exclude<Command, { kind: 'timer' | 'abandon' }>;

export interface WorkContext {
  readonly header: ExecutionHeader;
  readonly program: Program;
  readonly state: ExecutionState;
  readonly signal: AbortSignal;
}

/**
 * Carries one command out and says what came of it; null: nothing to tell the core. Rejects when a
 * part of ours was away, and then the same command is to be repeated.
 */
export type Perform = (context: WorkContext, work: Work) => Promise<Outcome | null>;

export function createPerform(deps: EngineDeps, slots: Slots): Perform {
  const handlers: {
    readonly [K in Work['kind']]: (
      context: WorkContext,
      command: CommandOf<K>,
    ) => Promise<Outcome | null>;
  } = {
    call: (context, command) => call(deps, slots, context, command),
    evaluate: (context, command) => evaluate(deps, context, command),
    start_child: (context, command) => startChild(deps, context, command),
    request_approval: (context, command) => requestApproval(deps, context, command),
    compensate: (context, command) => compensate(deps, slots, context, command),
  };
  return (context, work) =>
    (handlers[work.kind] as (c: WorkContext, w: Work) => Promise<Outcome | null>)(context, work);
}

async function call(
  deps: EngineDeps,
  slots: Slots,
  { header, program, state, signal }: WorkContext,
  { step: key, attempt, config, timeoutMs }: CommandOf<'call'>,
): Promise<Outcome | null> {
  const { step } = placeOf(indexOf(program), key).info;
  const callback = step.type === 'callback' ? deps.tokens.create() : undefined;
  if (step.type === 'callback' && callback !== undefined) {
    // Known before anybody can use it.
    await deps.store.openCallback(callback.hash, {
      tenant: header.tenant,
      mode: header.mode,
      executionId: header.id,
      step: key,
      expiresAt: state.at + step.timeoutMs,
    });
  }
  const result = await slots.run(step.type, header.tenant, signal, () =>
    deps.performer.call({
      tenant: header.tenant,
      mode: header.mode,
      executionId: header.id,
      rootId: keyRootOf(state, key),
      trace: state.trace,
      key,
      step,
      attempt,
      config,
      timeoutMs,
      bindings: bindingsOf(program, state, key, expressionsAfter(step)),
      ...(callback === undefined ? {} : { callback: { token: callback.token } }),
      signal,
    }),
  );
  if (result === null) return null;
  return result.ok
    ? {
        kind: 'call_succeeded',
        step: key,
        attempt,
        output: result.output,
        compensation: result.compensation,
      }
    : { kind: 'call_failed', step: key, attempt, error: result.error };
}

/** What may be evaluated once the call has answered: its bindings go along. */
function expressionsAfter(step: Step): Expression[] {
  const expressions: Expression[] = [];
  if ('result' in step && step.result !== null) expressions.push(step.result);
  if (step.compensate !== null) expressions.push(...expressionsOf(step.compensate.config));
  return expressions;
}

async function evaluate(
  deps: EngineDeps,
  { header }: WorkContext,
  { step, slot, expressions, bindings }: CommandOf<'evaluate'>,
): Promise<Outcome> {
  const results = await deps.evaluator.evaluate({
    tenant: header.tenant,
    expressions,
    bindings,
    dialect: 'portable',
  });
  return { kind: 'evaluated', step, slot, results };
}

async function startChild(
  deps: EngineDeps,
  { header, state }: WorkContext,
  { step, workflowId, version, input, detach }: CommandOf<'start_child'>,
): Promise<Outcome> {
  const answer = await deps.children.start({
    tenant: header.tenant,
    mode: header.mode,
    parentId: header.id,
    step,
    purpose: 'step',
    workflowId,
    version,
    input,
    detach,
    trace: state.trace,
  });
  return answer.kind === 'started'
    ? { kind: 'child_started', step, executionId: answer.executionId }
    : { kind: 'child_refused', step, error: answer.error };
}

async function requestApproval(
  deps: EngineDeps,
  { header, state }: WorkContext,
  { step, config, dueAt }: CommandOf<'request_approval'>,
): Promise<Outcome | null> {
  const parsed = parseApprovalConfig(config);
  if (!parsed.ok) return { kind: 'call_failed', step, attempt: 1, error: parsed.error };
  await deps.store.requestApproval({
    tenant: header.tenant,
    executionId: header.id,
    workflowId: header.workflowId,
    step,
    mode: header.mode,
    assignees: parsed.value.assignees,
    message: parsed.value.message,
    requestedAt: state.at,
    dueAt,
  });
  return null;
}

async function compensate(
  deps: EngineDeps,
  slots: Slots,
  { header, program, state, signal }: WorkContext,
  { step: key, attempt, record }: CommandOf<'compensate'>,
): Promise<Outcome | null> {
  const { step } = placeOf(indexOf(program), key).info;
  const result = await slots.run(record.type, header.tenant, signal, () =>
    deps.performer.compensate({
      tenant: header.tenant,
      mode: header.mode,
      executionId: header.id,
      rootId: keyRootOf(state, key),
      trace: state.trace,
      key,
      step,
      attempt,
      record,
      signal,
    }),
  );
  if (result === null) return null;
  return result.ok
    ? { kind: 'compensated', step: key, attempt }
    : { kind: 'compensation_call_failed', step: key, attempt, error: result.error };
}
