/**
 * The step runner of the Step Functions runtime: what every Task of a compiled machine invokes.
 *
 * Owns: recording what a machine does, doing the work of its steps through the same code as the
 * engine, and answering with what the machine needs to go on. The machine owns order and retries;
 * the recorder owns sequence numbers.
 *
 *  R1 A result that is recorded is answered again; its work is not done again (contract 3).
 *  R2 Work begins only after `step_started` or `attempt_started` is durable, and its result is durable
 *     before the machine hears of it.
 *  R3 Attempts are counted here, from the log: repetitions of Lambda and of the machine's
 *     infrastructure retrier are not attempts (rule 18).
 *  R4 What goes wrong in a part of ours is thrown as RUNNER_UNAVAILABLE and is nobody's failure.
 */
import {
  HALTED,
  type ItemsResult,
  type PayloadOf,
  type StepRunnerKind,
  type StepRunnerPayload,
  type StepRunnerResult,
  type TimerResult,
} from '#core/asl/payload.ts';
import { durationMs } from '#core/dsl/durations.ts';
import { type StepError, stepErrorCode } from '#core/errors.ts';
import { instant } from '#core/execution/bindings.ts';
import { isRetried, retryDelay } from '#core/execution/connector.ts';
import type { CompensationRecord, StepKey } from '#core/execution/events.ts';
import { isFinal } from '#core/execution/events.ts';
import { placeOf } from '#core/execution/program-index.ts';
import { projectExecution, projectStep } from '#core/execution/projection.ts';
import { isTerminal, type StepState } from '#core/execution/state.ts';
import { type Json, jsonBytes } from '#core/json.ts';
import type { Program, RetryPolicy, Step } from '#core/plan/program.ts';
import type { Clock } from '#ports/clock.ts';
import type {
  ExecutionAccess,
  ExecutionHeader,
  ExecutionOwnership,
  ExecutionRecorder,
} from '#ports/execution-store.ts';
import type { Programs } from '#ports/programs.ts';
import type { TaskTokens } from '#ports/task-tokens.ts';
import type { StepDeps } from '../deps.ts';
import { performCall } from '../perform-call.ts';
import { type Bindings, shapeResult } from '../shape-result.ts';
import { add, addRecords, addStarted, type Draft, newDraft, stepOf } from './draft.ts';
import { compensate, ledger, report } from './ending.ts';
import { RunnerFailure, unavailable } from './failure.ts';
import { approval, callback, child } from './waiting.ts';

export interface RunnerDeps extends StepDeps {
  readonly clock: Clock;
  readonly executions: Pick<ExecutionAccess, 'loadExecution' | 'signal'>;
  readonly recorder: ExecutionRecorder;
  readonly operating: Pick<
    ExecutionOwnership,
    'requestApproval' | 'closeApproval' | 'openCallback'
  >;
  readonly programs: Programs;
  readonly tokens: TaskTokens;
  /** A fresh unguessable token for a callback, and the hash under which it is kept. */
  readonly newCallbackToken: () => { readonly token: string; readonly hash: string };
}

/** One task of one execution. */
export interface Task {
  readonly deps: RunnerDeps;
  readonly header: ExecutionHeader;
  readonly program: Program;
  readonly input: Json;
  readonly startedAt: number | null;
}

type Run<K extends StepRunnerKind> = (task: Task, payload: PayloadOf<K>) => Promise<Json>;

const RUN: { readonly [K in StepRunnerKind]: Run<K> } = {
  call,
  transform,
  timer,
  fail,
  items,
  container,
  record,
  approval,
  callback,
  child,
  ledger,
  compensate,
  report,
};

/** Performs one task. Throws `RunnerFailure` for a step that fails, see the contract in core/asl. */
export async function runTask(
  deps: RunnerDeps,
  tenant: string,
  payload: StepRunnerPayload,
): Promise<Json> {
  try {
    const task = await openTask(deps, tenant, payload.execution);
    return await (RUN[payload.kind] as Run<StepRunnerKind>)(task, payload);
  } catch (error) {
    if (error instanceof Error && (error instanceof RunnerFailure || error.name === HALTED))
      throw error;
    throw unavailable(error);
  }
}

export async function openTask(
  deps: RunnerDeps,
  tenant: string,
  executionId: string,
): Promise<Task> {
  const loaded = await deps.executions.loadExecution(tenant, executionId);
  if (loaded === null) throw new TypeError(`no execution ${executionId}`);
  const program = await deps.programs.find(tenant, loaded.header.programHash);
  if (program === null) throw new TypeError(`no program ${loaded.header.programHash}`);
  const created = loaded.tail.find(({ event }) => event.type === 'execution_created');
  const started = loaded.tail.find(({ event }) => event.type === 'execution_started');
  return {
    deps,
    header: loaded.header,
    program,
    // No checkpoints are made of what the machine decides, so event 1 is always in the tail.
    input: created?.event.type === 'execution_created' ? created.event.input : null,
    startedAt: started?.at ?? null,
  };
}

/** Decides under the execution's lock what to add to the log; answers what `decide` found. */
export async function recordIn<T>(task: Task, decide: (draft: Draft) => T): Promise<T> {
  const { deps, header, program } = task;
  const now = deps.clock.now();
  let found: { readonly value: T } | null = null;
  const added = await deps.recorder.record(header.tenant, header.id, now, (facts) => {
    const draft = newDraft(program, header.id, facts.events, now);
    const before = projectExecution(draft.state);
    found = { value: decide(draft) };
    const after = projectExecution(draft.state);
    return {
      events: draft.events,
      steps: [...draft.touched].map((key) => projectStep(draft.state, placeOf(draft.index, key))),
      execution: before.status === after.status && before.phase === after.phase ? null : after,
      outbox: [],
    };
  });
  if (added === null || found === null) throw new TypeError(`no execution ${header.id}`);
  return (found as { readonly value: T }).value;
}

/** What the log says when a step's task arrives. */
export type Entry =
  | { readonly kind: 'go'; readonly attempt: number }
  | { readonly kind: 'recorded'; readonly result: StepRunnerResult }
  | { readonly kind: 'failed'; readonly error: StepError; readonly attempts: number };

/** Records the entry of a step, or finds what is recorded of it already. */
export async function enter(
  task: Task,
  payload: { readonly step: StepKey; readonly records?: StepRunnerPayload['records'] },
  config: Json,
): Promise<Entry> {
  const entry = await recordIn(task, (draft): Entry | 'halted' => {
    addStarted(draft);
    addRecords(draft, payload.records);
    const { place, step } = stepOf(draft, payload.step);
    if (isTerminal(step)) return recorded(step);
    if (isFinal(draft.state.status) || draft.state.cancel !== null) {
      return {
        kind: 'failed',
        error: { code: stepErrorCode('Cancelled'), message: 'the execution has ended' },
        attempts: step.attempts,
      };
    }
    if (step.status === 'QUEUED') {
      if (draft.state.halted) return 'halted';
      add(draft, { type: 'step_started', step: payload.step, config });
      return { kind: 'go', attempt: 1 };
    }
    if (step.retryAt === null) return { kind: 'go', attempt: Math.max(1, step.attempts) };
    const policy = policyOf(place.info.step);
    const delay = policy === null ? 0 : retryDelay(policy, step.attempts);
    // Earlier than half the delay this is no retry: the machine never heard of the failure.
    if (step.error !== null && draft.now < step.retryAt - delay / 2) {
      return { kind: 'failed', error: step.error, attempts: step.attempts };
    }
    const attempt = step.attempts + 1;
    add(draft, { type: 'attempt_started', step: payload.step, attempt });
    return { kind: 'go', attempt };
  });
  if (entry !== 'halted') return entry;
  const error = new Error('a step has failed and the workflow halts');
  error.name = HALTED;
  throw error;
}

function recorded(step: StepState): Entry {
  if (step.status === 'SUCCESS') {
    return { kind: 'recorded', result: { output: step.output, attempts: step.attempts } };
  }
  const error = step.error ?? { code: stepErrorCode('Cancelled'), message: 'the step was skipped' };
  return { kind: 'failed', error, attempts: step.attempts };
}

/** Records a success; whatever was recorded first is what is answered. */
export async function succeed(
  task: Task,
  key: StepKey,
  output: Json,
  attempts: number,
  compensation: CompensationRecord | null,
): Promise<Json> {
  const entry = await recordIn(task, (draft): Entry => {
    const { step } = stepOf(draft, key);
    if (isTerminal(step)) return recorded(step);
    if (step.status === 'QUEUED') add(draft, { type: 'step_started', step: key, config: null });
    add(draft, { type: 'step_succeeded', step: key, output, attempts, compensation });
    return { kind: 'recorded', result: { output, attempts } };
  });
  return settle(entry);
}

/** Records a failure, or that it is retried, and throws it. */
export async function failWith(
  task: Task,
  key: StepKey,
  error: StepError,
  attempts: number,
  policy: RetryPolicy | null = null,
): Promise<never> {
  const entry = await recordIn(task, (draft): Entry => {
    const { step } = stepOf(draft, key);
    if (isTerminal(step)) return recorded(step);
    const again =
      policy !== null &&
      attempts <= policy.maxAttempts &&
      !draft.state.halted &&
      isRetried(policy, error);
    add(
      draft,
      again
        ? {
            type: 'step_retry_scheduled',
            step: key,
            attempt: attempts,
            error,
            due_at: draft.now + retryDelay(policy, attempts),
          }
        : { type: 'step_failed', step: key, error, attempts },
    );
    return { kind: 'failed', error, attempts };
  });
  settle(entry);
  throw new RunnerFailure(error, attempts);
}

export function settle(entry: Entry): Json {
  switch (entry.kind) {
    case 'recorded':
      return { output: entry.result.output, attempts: entry.result.attempts };
    case 'failed':
      throw new RunnerFailure(entry.error, entry.attempts);
    case 'go':
      throw new TypeError('a step that is to go on has no answer yet');
  }
}

export function bindingsFor(task: Task, bindings: PayloadOf<'call'>['bindings']): Bindings {
  const { header, input, startedAt, deps } = task;
  return {
    input,
    execution: {
      id: header.id,
      workflow_id: header.workflowId,
      version: header.version,
      started_at: instant(startedAt ?? deps.clock.now()),
    },
    ...(bindings === undefined ? {} : (bindings as Bindings)),
  };
}

export function planStep(task: Task, key: StepKey): Step {
  return placeOf(newDraft(task.program, task.header.id, [], 0).index, key).info.step;
}

function policyOf(step: Step): RetryPolicy | null {
  return 'retry' in step ? step.retry : null;
}

async function call(task: Task, payload: PayloadOf<'call'>): Promise<Json> {
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
async function transform(task: Task, payload: PayloadOf<'transform'>): Promise<Json> {
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

export async function shapeAndSucceed(
  task: Task,
  key: StepKey,
  raw: Json,
  attempts: number,
  bindings: Bindings,
): Promise<Json> {
  const shaped = await shapeResult(task.deps.evaluator, {
    tenant: task.header.tenant,
    step: planStep(task, key),
    attempt: attempts,
    bindings,
    raw,
  });
  return shaped.ok
    ? succeed(task, key, shaped.output, attempts, shaped.compensation)
    : failWith(task, key, shaped.error, attempts);
}

/** Where a wait ends. Durations are rounded up to seconds, as everywhere (schema, `wait`). */
async function timer(task: Task, payload: PayloadOf<'timer'>): Promise<Json> {
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

async function fail(task: Task, payload: PayloadOf<'fail'>): Promise<Json> {
  const entry = await enter(task, payload, null);
  if (entry.kind !== 'go') return settle(entry);
  const { message } = payload;
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  return failWith(task, payload.step, { code: payload.error, message: text }, 1);
}

async function items(task: Task, payload: PayloadOf<'items'>): Promise<Json> {
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

async function container(task: Task, payload: PayloadOf<'container'>): Promise<Json> {
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

async function record(task: Task, payload: PayloadOf<'record'>): Promise<Json> {
  await recordIn(task, (draft) => {
    addStarted(draft);
    addRecords(draft, payload.records);
  });
  return {};
}
