/** Tasks that end by themselves: calls, values, timers, containers. */
import type { ItemsResult, PayloadOf, TimerResult } from '#core/asl/payload.ts';
import { type StepError, stepErrorCode } from '#core/errors.ts';
import { instant } from '#core/execution/bindings.ts';
import { containerFailure } from '#core/execution/container-failure.ts';
import { waitDueAt } from '#core/execution/inner-steps.ts';
import { isTerminal, keyRootOf, type StepState } from '#core/execution/state.ts';
import { isJsonObject, type Json, jsonBytes } from '#core/json.ts';
import { performCall } from '../perform-call.ts';
import { add, addRecords, addStarted, stepOf } from './draft.ts';
import {
  bindingsFor,
  type Entry,
  enter,
  failWith,
  planStep,
  recorded,
  recordIn,
  settle,
  shapeAndSucceed,
  succeed,
  type Task,
} from './task.ts';

export async function call(task: Task, payload: PayloadOf<'call'>): Promise<Json> {
  const step = planStep(task, payload.step);
  if (!('retry' in step))
    throw new TypeError(`${payload.step} is a ${step.type}, which makes no call`);
  const entry = await enter(task, payload, payload.config);
  if (entry.kind !== 'go') return settle(entry);
  const { header } = task;
  const result = await performCall(task.deps, {
    tenant: header.tenant,
    mode: header.mode,
    executionId: header.id,
    rootId: keyRootOf(task.state, payload.step),
    key: payload.step,
    step,
    attempt: entry.attempt,
    config: payload.config,
    timeoutMs: step.timeoutMs,
    bindings: bindingsFor(task, payload.bindings),
  });
  return result.ok
    ? succeed(task, payload.step, result.output, entry.attempt, result.compensation)
    : failWith(task, payload.step, result.error, entry.attempt, step.retry);
}

/** A value the machine computed: measured, its undo evaluated, recorded, answered. */
export async function transform(task: Task, payload: PayloadOf<'transform'>): Promise<Json> {
  const entry = await enter(task, payload, null);
  if (entry.kind !== 'go') return settle(entry);
  return shapeAndSucceed(
    task,
    payload.step,
    payload.value,
    entry.attempt,
    bindingsFor(task, payload.bindings),
  );
}

/** Where a wait ends, by the same reckoning as the engine's. */
export async function timer(task: Task, payload: PayloadOf<'timer'>): Promise<Json> {
  const found = await recordIn(task, (draft): { readonly dueAt: number } | Entry => {
    addStarted(draft);
    addRecords(draft, payload.records);
    const { step } = stepOf(draft, payload.step);
    if (isTerminal(step)) return recorded(step);
    if (step.status === 'EXECUTING') return { dueAt: dueOf(step) };
    const due =
      payload.until === undefined
        ? waitDueAt('duration', payload.duration ?? null, draft.now)
        : waitDueAt('until', payload.until, draft.now);
    const config = typeof due === 'number' ? { due_at: due } : null;
    add(draft, { type: 'step_started', step: payload.step, config });
    if (typeof due === 'number') return { dueAt: due };
    const error = { code: stepErrorCode('ExpressionError'), message: due };
    add(draft, { type: 'step_failed', step: payload.step, error, attempts: 1 });
    return { kind: 'failed', error, attempts: 1 };
  });
  if ('dueAt' in found) return { until: instant(found.dueAt) } satisfies TimerResult;
  if (found.kind === 'recorded') {
    return { until: instant(task.deps.clock.now()) } satisfies TimerResult;
  }
  return settle(found);
}

function dueOf(step: StepState): number {
  // Written above, so a wait that is under way has it.
  return (step.config as { readonly due_at: number }).due_at;
}

export async function fail(task: Task, payload: PayloadOf<'fail'>): Promise<Json> {
  const entry = await enter(task, payload, null);
  if (entry.kind !== 'go') return settle(entry);
  const { message } = payload;
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  return failWith(task, payload.step, { code: payload.error, message: text }, 1);
}

export async function items(task: Task, payload: PayloadOf<'items'>): Promise<Json> {
  const step = planStep(task, payload.step);
  if (step.type !== 'for_each') throw new TypeError(`${payload.step} is no for_each`);
  const given = payload.items as Json;
  if (payload.items.length > step.maxItems) {
    const error = {
      code: stepErrorCode('TooManyItems'),
      message: `${payload.items.length} items, ${step.maxItems} are allowed`,
    };
    const entry = await enter(task, payload, null);
    if (entry.kind !== 'go') return settle(entry);
    return failWith(task, payload.step, error, 1);
  }
  const entry = await enter(task, payload, given);
  if (entry.kind === 'failed') return settle(entry);
  return { items: payload.items } satisfies ItemsResult as Json;
}

function failureOf({ type, failed, output }: PayloadOf<'container'>): StepError {
  switch (type) {
    case 'for_each':
      return containerFailure.for_each(failed, Array.isArray(output) ? output.length : failed);
    case 'branch':
      return containerFailure.branch(isJsonObject(output) ? String(output['case']) : '');
    case 'group':
      return containerFailure.group();
    case 'loop':
      return containerFailure.loop();
  }
}

export async function container(task: Task, payload: PayloadOf<'container'>): Promise<Json> {
  const entry = await recordIn(task, (draft): Entry => {
    addStarted(draft);
    addRecords(draft, payload.records);
    const { step } = stepOf(draft, payload.step);
    if (isTerminal(step)) return recorded(step);
    if (step.status === 'QUEUED')
      add(draft, { type: 'step_started', step: payload.step, config: null });
    return { kind: 'go', attempt: 1 };
  });
  if (entry.kind !== 'go') return settle(entry);
  if (payload.failed > 0) {
    return failWith(task, payload.step, failureOf(payload), 1);
  }
  const { maxOutputBytes } = planStep(task, payload.step);
  const bytes = jsonBytes(payload.output);
  if (bytes > maxOutputBytes) {
    const error = {
      code: stepErrorCode('OutputTooLarge'),
      message: `the output has ${bytes} bytes; ${maxOutputBytes} are allowed`,
    };
    return failWith(task, payload.step, error, 1);
  }
  return succeed(task, payload.step, payload.output, 1, null);
}

export async function record(task: Task, payload: PayloadOf<'record'>): Promise<Json> {
  await recordIn(task, (draft) => {
    addStarted(draft);
    addRecords(draft, payload.records);
  });
  return {};
}
