/** Tasks that end by themselves: calls, values, timers, containers. */
import type { ItemsResult, PayloadOf, TimerResult } from '#core/asl/payload.ts';
import type { StepError } from '#core/errors.ts';
import { instant } from '#core/execution/bindings.ts';
import { oversize } from '#core/execution/decision.ts';
import type { Values } from '#core/execution/evaluation.ts';
import { failures } from '#core/execution/failures.ts';
import { itemsOf } from '#core/execution/for-each.ts';
import { failError, waitDueAt } from '#core/execution/inner-steps.ts';
import { isTerminal, keyRootOf, type StepState } from '#core/execution/state.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import type { ForEachStep, Template } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { performCall } from '../perform-call.ts';
import { evaluateAll } from '../shape-result.ts';
import { add, addRecords, addStarted, stepOf } from './draft.ts';
import { begin, bindingsFor, expressionsAfter, rendered, startedWith } from './evaluating.ts';
import {
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
  const expressions = [...expressionsOf(step.config), ...expressionsAfter(step)];
  const bindings = await bindingsFor(task, payload, expressions);
  const begun = await begin(task, payload, step.config, bindings);
  if (begun.kind !== 'go') return settle(begun);
  const { header } = task;
  const result = await performCall(task.deps, {
    tenant: header.tenant,
    mode: header.mode,
    executionId: header.id,
    rootId: keyRootOf(task.state, payload.step),
    trace: task.state.trace,
    key: payload.step,
    step,
    attempt: begun.attempt,
    config: begun.config,
    timeoutMs: step.timeoutMs,
    bindings,
  });
  return result.ok
    ? succeed(task, payload.step, result.output, begun.attempt, result.compensation)
    : failWith(task, payload.step, result.error, begun.attempt, step.retry);
}

/** A value: evaluated, measured, its undo evaluated, recorded, answered. A wait that is over has none. */
export async function transform(task: Task, payload: PayloadOf<'transform'>): Promise<Json> {
  const step = planStep(task, payload.step);
  const entry = await enter(task, payload, null);
  if (entry.kind !== 'go') return settle(entry);
  const template: Template =
    step.type === 'transform' ? step.value : { kind: 'literal', value: null };
  const expressions = [...expressionsOf(template), ...expressionsAfter(step)];
  const bindings = await bindingsFor(task, payload, expressions);
  const value = await rendered(task, template, bindings);
  return value.ok
    ? shapeAndSucceed(task, payload.step, value.value, entry.attempt, bindings)
    : failWith(task, payload.step, failures.expression(value.message), entry.attempt);
}

/** Where a wait ends, by the same reckoning as the engine's. */
export async function timer(task: Task, payload: PayloadOf<'timer'>): Promise<Json> {
  const wait = planStep(task, payload.step);
  if (wait.type !== 'wait') throw new TypeError(`${payload.step} is no wait`);
  const template = wait.duration ?? wait.until;
  if (template === null) throw new TypeError(`wait ${payload.step} has no duration and no until`);
  const bindings = await bindingsFor(task, payload, [...expressionsOf(template)]);
  const value = await rendered(task, template, bindings);
  const found = await recordIn(task, (draft): { readonly dueAt: number } | Entry => {
    addStarted(draft);
    addRecords(draft, payload.records);
    const { step } = stepOf(draft, payload.step);
    if (isTerminal(step)) return recorded(step);
    if (step.status === 'EXECUTING') return { dueAt: dueOf(step) };
    const kind = wait.duration === null ? 'until' : 'duration';
    const due = value.ok ? waitDueAt(kind, value.value, draft.now) : value.message;
    const config = typeof due === 'number' ? { due_at: due } : null;
    add(draft, { type: 'step_started', step: payload.step, config });
    if (typeof due === 'number') return { dueAt: due };
    const error = failures.expression(due);
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
  const step = planStep(task, payload.step);
  if (step.type !== 'fail') throw new TypeError(`${payload.step} is no fail`);
  const entry = await enter(task, payload, null);
  if (entry.kind !== 'go') return settle(entry);
  const bindings = await bindingsFor(task, payload, [...expressionsOf(step.message)]);
  const message = await rendered(task, step.message, bindings);
  return failWith(task, payload.step, failError(step, message), 1);
}

export async function items(task: Task, payload: PayloadOf<'items'>): Promise<Json> {
  const step = planStep(task, payload.step);
  if (step.type !== 'for_each') throw new TypeError(`${payload.step} is no for_each`);
  const known = startedWith(task, payload.step);
  const found = Array.isArray(known)
    ? { ok: true as const, value: known as readonly Json[] }
    : itemsOf(step, await itemValues(task, step, payload));
  const entry = await enter(task, payload, found.ok ? found.value : null);
  if (entry.kind === 'failed') return settle(entry);
  const first = startedWith(task, payload.step);
  if (Array.isArray(first)) return { items: first } satisfies ItemsResult as Json;
  if (found.ok) return { items: found.value } satisfies ItemsResult as Json;
  return failWith(task, payload.step, found.error, 1);
}

async function itemValues(
  task: Task,
  step: ForEachStep,
  payload: PayloadOf<'items'>,
): Promise<Values> {
  const expressions = [...expressionsOf(step.items)];
  const bindings = await bindingsFor(task, payload, expressions);
  return evaluateAll(task.deps.evaluator, task.header.tenant, expressions, bindings);
}

function failureOf({ type, failed, output }: PayloadOf<'container'>): StepError {
  switch (type) {
    case 'for_each':
      return failures.iterations(failed, Array.isArray(output) ? output.length : failed);
    case 'branch':
      return failures.arm(isJsonObject(output) ? String(output['case']) : '');
    case 'group':
      return failures.group();
    case 'loop':
      return failures.loop();
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
  const tooLarge = oversize(planStep(task, payload.step), payload.output);
  if (tooLarge !== null) return failWith(task, payload.step, tooLarge, 1);
  return succeed(task, payload.step, payload.output, 1, null);
}

export async function record(task: Task, payload: PayloadOf<'record'>): Promise<Json> {
  await recordIn(task, (draft) => {
    addStarted(draft);
    addRecords(draft, payload.records);
  });
  return {};
}
