/**
 * Tasks that wait for somebody: their answer goes to a task token, later.
 *
 *  W1 The token is durable before anybody outside can answer.
 *  W2 The answer is recorded before the machine hears of it; when the machine no longer waits, the
 *     record stands and nothing is lost.
 *  W3 What comes when the step's time is over is no answer: the machine's own timer has decided, though the
 *     log may not say so yet.
 */
import { failureCause, type PayloadOf } from '#core/asl/payload.ts';
import { bindingsOf } from '#core/execution/bindings.ts';
import { parseChildConfig } from '#core/execution/child-config.ts';
import type { Signal } from '#core/execution/commands.ts';
import { deadlineOf } from '#core/execution/deadlines.ts';
import type { StepKey } from '#core/execution/events.ts';
import { failures } from '#core/execution/failures.ts';
import { indexOf, placeOf } from '#core/execution/program-index.ts';
import { exceededBy, QUOTA } from '#core/execution/quota.ts';
import { keyRootOf, scopeAt, stepAt } from '#core/execution/state.ts';
import { approvalResult } from '#core/execution/waiting-steps.ts';
import type { Json } from '#core/json.ts';
import { expressionsOf } from '#core/plan/program.ts';
import type { StateMachines } from '#ports/state-machines.ts';
import { parseApprovalConfig } from '../approval-config.ts';
import { performCall } from '../perform-call.ts';
import type { Bindings } from '../shape-result.ts';
import { add, stepOf } from './draft.ts';
import { begin, bindingsFor, expressionsAfter } from './evaluating.ts';
import { RunnerFailure } from './failure.ts';
import {
  enter,
  failWith,
  openTask,
  planStep,
  type RunnerDeps,
  recordIn,
  settle,
  shapeAndSucceed,
  type Task,
} from './task.ts';

/** Longest that the request of a callback may take; the callback itself has its own timeout. */
const REQUEST_TIMEOUT_MS = 30_000;

export async function approval(task: Task, payload: PayloadOf<'approval'>): Promise<Json> {
  const step = planStep(task, payload.step);
  if (step.type !== 'approval') throw new TypeError(`${payload.step} is no approval`);
  const { deps, header } = task;
  const bindings = await bindingsFor(task, payload, [...expressionsOf(step.config)]);
  const begun = await begin(task, payload, step.config, bindings);
  if (begun.kind !== 'go') return settle(begun);
  const config = parseApprovalConfig(begun.config);
  if (!config.ok) return failWith(task, payload.step, config.error, 1);
  await deps.tokens.put(header.tenant, header.id, payload.step, payload.token);
  const now = deps.clock.now();
  await deps.operating.requestApproval({
    tenant: header.tenant,
    executionId: header.id,
    workflowId: header.workflowId,
    step: payload.step,
    mode: header.mode,
    assignees: config.value.assignees,
    message: config.value.message,
    requestedAt: now,
    dueAt: now + step.timeoutMs,
  });
  return {};
}

export async function callback(task: Task, payload: PayloadOf<'callback'>): Promise<Json> {
  const step = planStep(task, payload.step);
  if (step.type !== 'callback') throw new TypeError(`${payload.step} is no callback`);
  const { deps, header } = task;
  const bindings = await bindingsFor(task, payload, [...expressionsOf(step.config)]);
  const begun = await begin(task, payload, step.config, bindings);
  if (begun.kind !== 'go') return settle(begun);
  await deps.tokens.put(header.tenant, header.id, payload.step, payload.token);
  const own = deps.callbackTokens.create();
  await deps.operating.openCallback(own.hash, {
    tenant: header.tenant,
    mode: header.mode,
    executionId: header.id,
    step: payload.step,
    expiresAt: deps.clock.now() + step.timeoutMs,
  });
  const result = await performCall(deps, {
    tenant: header.tenant,
    mode: header.mode,
    executionId: header.id,
    rootId: keyRootOf(task.state, payload.step),
    trace: task.state.trace,
    key: payload.step,
    step,
    attempt: begun.attempt,
    config: begun.config,
    timeoutMs: Math.min(step.timeoutMs, REQUEST_TIMEOUT_MS),
    bindings,
    callback: { token: own.token },
  });
  if (!result.ok) return failWith(task, payload.step, result.error, begun.attempt);
  await recordIn(task, (draft) => {
    const { step: current } = stepOf(draft, payload.step);
    if (current.status !== 'EXECUTING' || current.suspended) return;
    const began = current.startedAt ?? draft.now;
    const due =
      step.heartbeatMs === null ? null : (current.heartbeatAt ?? began + step.heartbeatMs);
    add(draft, { type: 'step_suspended', step: payload.step, heartbeat_due_at: due });
  });
  return {};
}

export async function child(task: Task, payload: PayloadOf<'child'>): Promise<Json> {
  const { deps, header } = task;
  const step = planStep(task, payload.step);
  if (step.type !== 'sub_workflow') throw new TypeError(`${payload.step} is no sub_workflow`);
  const expressions = [...expressionsOf(step.config), ...expressionsAfter(step)];
  const bindings = await bindingsFor(task, payload, expressions);
  const begun = await begin(task, payload, step.config, bindings);
  if (begun.kind !== 'go') return settle(begun);
  const config = parseChildConfig(begun.config);
  if (!config.ok) return failWith(task, payload.step, config.error, 1);
  const detach = step.mode === 'detach';
  if (payload.token !== undefined) {
    await deps.tokens.put(header.tenant, header.id, payload.step, payload.token);
  }
  const answer = await deps.children.start({
    tenant: header.tenant,
    mode: header.mode,
    parentId: header.id,
    step: payload.step,
    purpose: 'step',
    ...config.value,
    detach,
    trace: task.state.trace,
  });
  if (answer.kind === 'refused') return failWith(task, payload.step, answer.error, 1);
  const { executionId } = answer;
  await recordIn(task, (draft) => {
    const { step } = stepOf(draft, payload.step);
    if (step.status !== 'EXECUTING' || step.childId !== null) return;
    add(draft, { type: 'child_started', step: payload.step, execution_id: executionId });
  });
  if (detach) {
    return shapeAndSucceed(task, payload.step, { execution_id: executionId }, 1, bindings);
  }
  return {};
}

/** What an answer means for the step that waits, whoever gave it. */
export type TaskAnswer = Exclude<Signal, { kind: 'cancel' | 'pause' | 'resume' }>;

/**
 * Delivers an answer to a step of a Step Functions execution: shapes and records it, then tells the
 * machine. May be repeated; the first answer wins.
 */
export async function answerTask(
  deps: RunnerDeps,
  machines: Pick<StateMachines, 'sendTaskSuccess' | 'sendTaskFailure' | 'sendTaskHeartbeat'>,
  tenant: string,
  executionId: string,
  answer: TaskAnswer,
): Promise<'delivered' | 'gone'> {
  const task = await openTask(deps, tenant, executionId);
  const token = await deps.tokens.find(tenant, executionId, answer.step);
  if (answer.kind === 'callback_heartbeat') {
    await recordHeartbeat(task, answer.step);
    if (token === null) return 'gone';
    return (await machines.sendTaskHeartbeat(token)) === 'sent' ? 'delivered' : 'gone';
  }
  let result: Json | null;
  try {
    result = await outcomeOf(task, answer);
  } catch (error) {
    if (!(error instanceof RunnerFailure)) throw error;
    if (token === null) return 'gone';
    const { code } = error.error;
    const cause = failureCause(code, { attempts: error.attempts, message: error.error.message });
    return (await machines.sendTaskFailure(token, { error: code, cause })) === 'sent'
      ? 'delivered'
      : 'gone';
  }
  if (token === null || result === null) return 'gone';
  return (await machines.sendTaskSuccess(token, result)) === 'sent' ? 'delivered' : 'gone';
}

/**
 * What `result` and `compensate` of a waiting step read, from the log: every task before this one
 * brought the records of what happened inside the machine, so the log has all that is visible here.
 */
async function bindingsAtAnswer(task: Task, key: StepKey): Promise<Bindings> {
  const expressions = expressionsAfter(planStep(task, key));
  return recordIn(task, (draft) => bindingsOf(task.program, draft.state, key, expressions));
}

async function recordHeartbeat(task: Task, key: StepKey): Promise<void> {
  const step = planStep(task, key);
  if (step.type !== 'callback' || step.heartbeatMs === null) return;
  const { heartbeatMs } = step;
  await recordIn(task, (draft) => {
    const { step: current } = stepOf(draft, key);
    const due = draft.now + heartbeatMs;
    if (current.status !== 'EXECUTING' || current.heartbeatAt === due) return;
    if (exceededBy(draft.state, QUOTA) !== null) return; // the machine hears it all the same
    add(draft, { type: 'heartbeat_received', step: key, due_at: due });
  });
}

function isOver({ program, state, deps }: Task, key: StepKey): boolean {
  const place = placeOf(indexOf(program), key);
  const due = deadlineOf({ place, step: stepAt(state, place), scope: scopeAt(state, place) });
  return due !== null && due <= deps.clock.now();
}

/**
 * Records what an answer makes of its step, with the values its `result` and `compensate` read. Null: it came
 * too late (W3).
 */
async function outcomeOf(
  task: Task,
  answer: Exclude<TaskAnswer, { kind: 'callback_heartbeat' }>,
): Promise<Json | null> {
  const key = answer.step;
  const entry = await enter(task, { step: key }, null);
  if (entry.kind !== 'go') return settle(entry);
  if (isOver(task, key)) return null;
  const succeedWith = async (raw: Json) =>
    shapeAndSucceed(task, key, raw, 1, await bindingsAtAnswer(task, key));
  switch (answer.kind) {
    case 'approval_answered': {
      const step = planStep(task, key);
      if (step.type === 'approval' && answer.decision === 'rejected' && step.onReject === 'fail') {
        return failWith(task, key, failures.rejected(answer.by), 1);
      }
      return succeedWith(approvalResult(answer));
    }
    case 'callback_completed':
      return succeedWith(answer.result);
    case 'callback_failed':
      return failWith(task, key, answer.error, 1);
    case 'child_ended': {
      if (answer.status === 'COMPLETED') return succeedWith(answer.output);
      const error = answer.error ?? failures.childEnded(answer.executionId, answer.status);
      return failWith(task, key, error, 1);
    }
  }
}
