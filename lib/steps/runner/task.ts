/**
 * One task of one execution: what the log says when it arrives, and how its result is recorded.
 *
 *  T1 What is answered is what is recorded: the first record of a step stands for every repetition.
 *  T2 Attempts are counted in the log (contract, R3 of run-task.ts).
 *  T3 Nothing is recorded for a machine once the log says that the engine runs the execution instead.
 */
import { HALTED, type StepRunnerPayload, type StepRunnerResult } from '#core/asl/payload.ts';
import { type StepError, stepErrorCode } from '#core/errors.ts';
import { isRetried, retryDelay } from '#core/execution/connector.ts';
import type { CompensationRecord, StepKey } from '#core/execution/events.ts';
import { isFinal } from '#core/execution/events.ts';
import { errorMessage } from '#core/execution/failures.ts';
import { foldOn } from '#core/execution/fold.ts';
import { indexOf, placeOf } from '#core/execution/program-index.ts';
import { project } from '#core/execution/project.ts';
import {
  type ExecutionState,
  initialState,
  isTerminal,
  type StepState,
} from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import type { Program, RetryPolicy, Step } from '#core/plan/program.ts';
import type { CallbackTokens } from '#ports/callback-tokens.ts';
import type { Clock } from '#ports/clock.ts';
import type {
  ExecutionAccess,
  ExecutionHeader,
  ExecutionOwnership,
  ExecutionRecorder,
  RecordedFacts,
  Recording,
} from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Programs } from '#ports/programs.ts';
import type { TaskTokens } from '#ports/task-tokens.ts';
import type { StepDeps } from '../deps.ts';
import { lifecycleMessages, signalsToChildren, signalToParent } from '../lifecycle.ts';
import { measureEvents, type Witness } from '../measure.ts';
import { type Bindings, shapeResult } from '../shape-result.ts';
import { add, addRecords, addStarted, type Draft, newDraft, stepOf } from './draft.ts';
import { RunnerFailure, RunsOnEngine } from './failure.ts';
import type { KnownExecution, KnownExecutions } from './known.ts';
import { patiently } from './patience.ts';

export interface RunnerDeps extends StepDeps, Witness {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly executions: Pick<ExecutionAccess, 'getExecution' | 'loadExecution' | 'signal'>;
  readonly recorder: ExecutionRecorder;
  /** Of this process: made once. */
  readonly known: KnownExecutions;
  readonly operating: Pick<
    ExecutionOwnership,
    'requestApproval' | 'closeApproval' | 'openCallback'
  >;
  readonly programs: Programs;
  readonly tokens: TaskTokens;
  readonly callbackTokens: CallbackTokens;
  readonly log: Log;
}

/** One task of one execution. */
export interface Task {
  readonly deps: RunnerDeps;
  readonly header: ExecutionHeader;
  readonly program: Program;
  /** What the log said when this task read it last. */
  stored: ExecutionState;
  /** The same with what it added since. */
  state: ExecutionState;
}

export async function openTask(
  deps: RunnerDeps,
  tenant: string,
  executionId: string,
): Promise<Task> {
  const known =
    deps.known.find(tenant, executionId) ??
    (await patiently(deps.clock, () => read(deps, tenant, executionId)));
  const { header, program, state } = known;
  return { deps, header, program, stored: state, state };
}

/** Reads an execution that this process does not know yet: once, and outside its lock. */
async function read(deps: RunnerDeps, tenant: string, id: string): Promise<KnownExecution> {
  // The whole log: no checkpoints are made of what the machine decides.
  const loaded = await deps.executions.loadExecution(tenant, id, true);
  if (loaded === null) throw new TypeError(`no execution ${id}`);
  const { header } = loaded;
  const program = await deps.programs.find(tenant, header.programHash);
  if (program === null) throw new TypeError(`no program ${header.programHash}`);
  const state = foldOn(program, initialState(header), loaded.tail);
  if (state.createdAt === null) throw new TypeError(`no first event of ${id}`);
  const known = { header, program, state };
  deps.known.keep(known);
  return known;
}

/** Decides under the execution's lock what to add to the log; answers what `decide` found. */
export async function recordIn<T>(task: Task, decide: (draft: Draft) => T): Promise<T> {
  const { deps, header, program } = task;
  const now = deps.clock.now();
  const known = deps.known.find(header.tenant, header.id)?.state ?? task.stored;
  const from = known.seq > task.stored.seq ? known : task.stored;
  type Decided = { readonly value: T; readonly stored: ExecutionState; readonly draft: Draft };
  let answer = null as Decided | null;
  const decideOn = (facts: RecordedFacts): Recording => {
    const stored = foldOn(program, from, facts.tail);
    if (stored.runtime === 'engine') throw new RunsOnEngine(header.id);
    const draft = newDraft(program, stored, now);
    answer = { value: decide(draft), stored, draft };
    return {
      at: draft.now,
      events: draft.events,
      ...project(program, draft.state, draft.events),
      outbox: lifecycleMessages(header, draft.state, draft.events, stored.seq + 1, now, deps.ids),
      parentSignal: endsHere(draft) ? signalToParent(header, draft.state) : null,
      childSignals: signalsToChildren(program, header, draft.state, draft.events),
    };
  };
  // Deciding again finds in the log what a try has written whose answer was lost.
  const added = await patiently(deps.clock, () =>
    deps.recorder.record(header.tenant, header.id, now, from.seq, decideOn),
  );
  if (added === null || answer === null) throw new TypeError(`no execution ${header.id}`);
  task.stored = answer.stored;
  task.state = answer.draft.state;
  if (isFinal(task.state.status)) deps.known.forget(header.tenant, header.id);
  else deps.known.keep({ header, program, state: task.stored });
  measureEvents(deps, program, header, task.state, added);
  for (const { event } of added) {
    if (event.type !== 'step_failed' && event.type !== 'step_skipped') continue;
    // Answered ones are closed by their answer; this one can no longer be.
    if (planStep(task, event.step).type !== 'approval') continue;
    await deps.operating.closeApproval(header.tenant, header.id, event.step, now);
  }
  return answer.value;
}

function endsHere({ events, state }: Draft): boolean {
  return events.length > 0 && isFinal(state.status);
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

export function recorded(step: StepState): Entry {
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
  given: StepError,
  attempts: number,
  policy: RetryPolicy | null = null,
): Promise<never> {
  const error: StepError = { code: given.code, message: errorMessage(given.message) };
  const entry = await recordIn(task, (draft): Entry => {
    const { step } = stepOf(draft, key);
    if (isTerminal(step)) return recorded(step);
    const failed: Entry = { kind: 'failed', error, attempts };
    // Said before: by a repetition of this attempt, or long ago.
    if (step.attempts > attempts || step.retryAt !== null) return failed;
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
    return failed;
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

export function planStep(task: Task, key: StepKey): Step {
  return placeOf(indexOf(task.program), key).info.step;
}

function policyOf(step: Step): RetryPolicy | null {
  return 'retry' in step ? step.retry : null;
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
