/** Tasks that end by themselves: calls, values, timers, containers. */
import type { ItemsResult, PayloadOf, TimerResult } from '#core/asl/payload.ts';
import { durationMs } from '#core/dsl/durations.ts';
import { stepErrorCode } from '#core/errors.ts';
import { instant } from '#core/execution/bindings.ts';
import { isTerminal, type StepState } from '#core/execution/state.ts';
import { type Json, jsonBytes } from '#core/json.ts';
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
    rootId: header.rootId,
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

/** Where a wait ends. Durations are rounded up to seconds, as everywhere (schema, `wait`). */
export async function timer(task: Task, payload: PayloadOf<'timer'>): Promise<Json> {
  const due = (now: number): number | null => {
    if (payload.until !== undefined) {
      const at = typeof payload.until === 'string' ? Date.parse(payload.until) : Number.NaN;
      return Number.isFinite(at) ? at : null;
    }
    const duration = durationMs(payload.duration ?? null);
    return duration === null ? null : now + Math.ceil(duration / 1000) * 1000;
  };
  const found = await recordIn(task, (draft): { until: number } | Entry => {
    addStarted(draft);
    addRecords(draft, payload.records);
    const { step } = stepOf(draft, payload.step);
    if (isTerminal(step)) return recorded(step);
    if (step.status === 'EXECUTING') return { until: untilOf(step) };
    const until = due(draft.now);
    add(draft, {
      type: 'step_started',
      step: payload.step,
      config: until === null ? null : { until },
    });
    if (until !== null) return { until };
    const error = {
      code: stepErrorCode('ExpressionError'),
      message:
        payload.until === undefined
          ? 'duration is not a length of time'
          : 'until is not an instant',
    };
    add(draft, { type: 'step_failed', step: payload.step, error, attempts: 1 });
    return { kind: 'failed', error, attempts: 1 };
  });
  if ('until' in found) return { until: instant(found.until) } satisfies TimerResult;
  if (found.kind === 'recorded')
    return { until: instant(task.deps.clock.now()) } satisfies TimerResult;
  return settle(found);
}

function untilOf(step: StepState): number {
  const config = step.config as { readonly until?: number } | null;
  return config?.until ?? step.startedAt ?? 0;
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

const CONTAINER_ERRORS = {
  for_each: 'IterationFailed',
  loop: 'IterationFailed',
  branch: 'ArmFailed',
  group: 'GroupFailed',
} as const;

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
    const error = {
      code: stepErrorCode(CONTAINER_ERRORS[payload.type]),
      message: `${payload.failed} ${payload.type === 'for_each' ? 'iterations' : 'steps'} failed`,
    };
    return failWith(task, payload.step, error, 1);
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
