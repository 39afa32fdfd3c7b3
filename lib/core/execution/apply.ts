import type { Program } from '#core/plan/program.ts';
import type { EventOf, ExecutionEvent, ExecutionEventType, RecordedEvent } from './events.ts';
import { isFinal } from './events.ts';
import { byCompletion } from './ledger.ts';
import type { Place, ProgramIndex, StepInfo } from './program-index.ts';
import { indexOf, iterates, placeOf } from './program-index.ts';
import { valueBytes } from './quota.ts';
import type { ExecutionState, LedgerEntry, ScopeState, StepState } from './state.ts';
import { bodyOf, freshScope, isEnding, isTerminal, QUEUED_STEP, runningScope } from './state.ts';

/**
 * The fold: what each event does to state.
 *
 * A1 Pure: the given state is never changed; equal state and event give equal states.
 * A2 Sequence numbers count up by one. Anything else is our own misuse and throws.
 * A3 A terminal step never changes again, nor does anything after the end of the execution (there
 *    the Step Functions runtime may still record what its step runner had begun).
 * A4 Only the order of events of one step matters. On the Step Functions runtime the machine
 *    decides, so containers may be heard of after what is inside them.
 */
export function apply(
  program: Program,
  state: ExecutionState,
  recorded: RecordedEvent,
): ExecutionState {
  if (recorded.seq !== state.seq + 1) {
    throw new TypeError(`event ${recorded.seq} cannot follow event ${state.seq}`);
  }
  return applyNext(indexOf(program), state, recorded.event, recorded.at);
}

/** `apply` for the event that comes next, whatever its number. */
export function applyNext(
  index: ProgramIndex,
  state: ExecutionState,
  event: ExecutionEvent,
  recordedAt: number,
): ExecutionState {
  if (isFinal(state.status) && state.runtime === 'engine') {
    throw new TypeError(`${event.type} cannot follow the end of execution ${state.id}`);
  }
  const handler = HANDLERS[event.type] as Handler<ExecutionEventType>;
  const tally = { begun: 0 };
  const next = handler(
    {
      index,
      state: {
        ...state,
        seq: state.seq + 1,
        at: Math.max(state.at, recordedAt),
        bytes: state.bytes + valueBytes(event),
        yielded: false,
      },
      tally,
    },
    event,
  );
  return tally.begun === 0 ? next : { ...next, begun: next.begun + tally.begun };
}

interface Context {
  readonly index: ProgramIndex;
  /** Already has the event's number and time. */
  readonly state: ExecutionState;
  /** Step instances of bodies that begin with the event. */
  readonly tally: { begun: number };
}

type Handler<T extends ExecutionEventType> = (
  context: Context,
  event: EventOf<T>,
) => ExecutionState;

const HANDLERS: { readonly [T in ExecutionEventType]: Handler<T> } = {
  execution_created: ({ index, state, tally }, event) => {
    const root = freshScope(index.root, [], event.carried);
    tally.begun += root.open;
    const ledger: LedgerEntry[] = [];
    for (const [step, result] of Object.entries(event.carried ?? {})) {
      if (result.compensation === null) continue;
      ledger.push(ledgerEntry(step, result.completed_at, result.compensation));
    }
    ledger.sort(byCompletion(index));
    return {
      ...state,
      runtime: event.runtime,
      input: event.input,
      rootId: event.root_id,
      keyRoots: event.key_roots ?? null,
      trace: event.trace ?? null,
      parent: event.parent,
      depth: event.depth,
      retryOf: event.retry_of,
      carried: event.carried,
      createdAt: state.at,
      root,
      ledger,
    };
  },
  runtime_changed: ({ state }, { runtime }) => ({ ...state, runtime }),
  execution_started: ({ state }) => ({ ...state, status: 'RUNNING', startedAt: state.at }),
  execution_yielded: ({ state }) => ({ ...state, yielded: true }),

  step_started: (context, event) =>
    onStep(context, event.step, (step, place) => {
      const started: StepState = {
        ...step,
        status: 'EXECUTING',
        // A4: a branch may know its arm already from what ran in it.
        config: event.config ?? step.config,
        attempts: 1,
        startedAt: context.state.at,
      };
      if (place.info.step.type === 'for_each') {
        return openIterations(context, place.info, place.indices, started);
      }
      if (!iterates(place.info.step)) beginBody(context, place, started);
      return started;
    }),
  attempt_started: (context, event) =>
    onStep(context, event.step, (step) => ({
      ...step,
      attempts: event.attempt,
      retryAt: null,
      error: null,
    })),
  step_retry_scheduled: (context, event) =>
    onStep(context, event.step, (step) => ({
      ...step,
      status: 'EXECUTING',
      attempts: event.attempt,
      error: event.error,
      retryAt: event.due_at,
    })),
  step_suspended: (context, event) =>
    onStep(context, event.step, (step) => ({
      ...step,
      status: 'EXECUTING',
      suspended: true,
      heartbeatAt: event.heartbeat_due_at,
    })),
  heartbeat_received: (context, event) =>
    onStep(context, event.step, (step) => ({ ...step, heartbeatAt: event.due_at })),
  child_started: (context, event) =>
    onStep(context, event.step, (step) => ({ ...step, childId: event.execution_id })),
  iteration_started: (context, event) =>
    onStep(context, event.step, (step, place) => {
      const body = place.info.inner.get('body');
      if (body === undefined) return step;
      const fresh = freshScope(body, [...place.indices, event.index], context.state.carried);
      context.tally.begun += fresh.open;
      return placeBody(step, event.index, fresh);
    }),
  answer_received: (context, event) =>
    onStep(context, event.step, (step) => ({ ...step, answer: { result: event.result } })),
  expression_evaluated: (context, event) => {
    if (event.step === '') return { ...context.state, outputError: event.error ?? null };
    const { value } = event;
    if (value === undefined) return context.state;
    return onStep(context, event.step, (step) => ({ ...step, shaped: { output: value } }));
  },

  step_succeeded: (context, event) => {
    const next = onStep(context, event.step, (step) => ({
      ...step,
      status: 'SUCCESS',
      class: 'S',
      output: event.output,
      error: null,
      attempts: event.attempts,
      ...ENDED,
      completedAt: context.state.at,
    }));
    const completed = next.completed + 1;
    if (event.compensation === null) return { ...next, completed };
    const entry = ledgerEntry(event.step, next.at, event.compensation);
    return { ...next, completed, ledger: [...next.ledger, entry] };
  },
  step_failed: (context, event) => {
    let halts = context.index.program.onFailure === 'halt';
    const next = onStep(context, event.step, (step, place) => {
      const { continueOnFailure } = place.info.step;
      halts &&= !continueOnFailure && place.info.ancestors.every((a) => !a.step.continueOnFailure);
      return {
        ...step,
        status: 'FAILED',
        class: continueOnFailure ? 'S' : 'F',
        output: null,
        error: event.error,
        attempts: event.attempts,
        ...ENDED,
        completedAt: context.state.at,
      };
    });
    return { ...next, completed: next.completed + 1, halted: next.halted || halts };
  },
  step_skipped: (context, event) => {
    const next = onStep(context, event.step, (step) => ({
      ...step,
      status: 'SKIPPED',
      class: event.class,
      reason: event.reason,
      completedAt: context.state.at,
    }));
    return { ...next, completed: next.completed + 1 };
  },

  execution_paused: ({ state }) => ({ ...state, paused: true }),
  execution_resumed: ({ state }) => ({ ...state, paused: false }),
  cancel_requested: ({ state }, { by, compensate, reason }) => ({
    ...state,
    cancel: { by, compensate, reason },
    paused: false,
  }),
  execution_timed_out: ({ state }) => ({ ...state, timedOut: true, paused: false }),
  quota_exceeded: ({ state }, { quota }) => ({ ...state, exceeded: quota, paused: false }),

  compensation_started: ({ index, state }) => ({ ...state, saga: newSaga(index, state) }),
  compensation_attempt_started: ({ index, state }, event) => ({
    ...state,
    saga: { ...(state.saga ?? newSaga(index, state)), attempt: event.attempt, retryAt: null },
  }),
  compensation_retry_scheduled: ({ index, state }, event) => ({
    ...state,
    saga: {
      ...(state.saga ?? newSaga(index, state)),
      attempt: event.attempt,
      retryAt: event.due_at,
    },
  }),
  compensation_succeeded: ({ index, state }, event) =>
    compensationEnded(index, state, event.step, {
      status: 'SUCCESS',
      attempts: event.attempts,
      error: null,
    }),
  compensation_failed: ({ index, state }, event) =>
    compensationEnded(index, state, event.step, {
      status: 'FAILED',
      attempts: event.attempts,
      error: event.error,
    }),

  execution_completed: ({ state }, event) => ({
    ...state,
    status: 'COMPLETED',
    output: event.output,
    endedAt: state.at,
    paused: false,
  }),
  execution_failed: ({ state }, event) => ({
    ...state,
    status: 'FAILED',
    error: event.error,
    compensation: event.compensation,
    endedAt: state.at,
    paused: false,
  }),
  execution_cancelled: ({ state }, event) => ({
    ...state,
    status: 'CANCELLED',
    compensation: event.compensation,
    endedAt: state.at,
    paused: false,
  }),
};

/** What no terminal step has. */
const ENDED = { retryAt: null, heartbeatAt: null, answer: null, shaped: null } as const;

function ledgerEntry(step: string, at: number, record: LedgerEntry['record']): LedgerEntry {
  return { step, at, record, status: 'PENDING', attempts: 0, error: null };
}

function newSaga(index: ProgramIndex, state: ExecutionState): NonNullable<ExecutionState['saga']> {
  const compare = byCompletion(index);
  const order = state.ledger.map((_, i) => i);
  order.sort((a, b) => -compare(state.ledger[a] as LedgerEntry, state.ledger[b] as LedgerEntry));
  return { order, finished: 0, attempt: 0, retryAt: null };
}

function compensationEnded(
  index: ProgramIndex,
  state: ExecutionState,
  step: string,
  end: Pick<LedgerEntry, 'status' | 'attempts' | 'error'>,
): ExecutionState {
  const saga = state.saga ?? newSaga(index, state);
  const ledger = state.ledger.map((entry) =>
    entry.step === step && entry.status === 'PENDING' ? { ...entry, ...end } : entry,
  );
  return {
    ...state,
    ledger,
    saga: { ...saga, finished: saga.finished + 1, attempt: 0, retryAt: null },
  };
}

/** Changes one step instance, copying the path to it. A terminal step cannot change (A3). */
function onStep(
  context: Context,
  key: string,
  change: (step: StepState, place: Place) => StepState,
): ExecutionState {
  const place = placeOf(context.index, key);
  const guarded = (step: StepState): StepState => {
    if (isTerminal(step)) throw new TypeError(`step ${key} is ${step.status}: it cannot change`);
    return change(step, place);
  };
  const root = editScope(context, context.state.root, place, 0, 0, guarded);
  return { ...context.state, root };
}

function editScope(
  context: Context,
  scope: ScopeState,
  place: Place,
  depth: number,
  used: number,
  change: (step: StepState) => StepState,
): ScopeState {
  const target = place.info.ancestors[depth] ?? place.info;
  const old = scope.steps[target.position] ?? QUEUED_STEP;
  const next =
    target === place.info
      ? change(old)
      : editInside(context, old, target, place, depth, used, change);
  const steps = scope.steps.slice();
  steps[target.position] = next;
  const ended = isTerminal(next) && !isTerminal(old);
  return {
    steps,
    open: ended ? scope.open - 1 : scope.open,
    failed: ended && next.class === 'F' ? scope.failed + 1 : scope.failed,
  };
}

function editInside(
  context: Context,
  container: StepState,
  info: StepInfo,
  place: Place,
  depth: number,
  used: number,
  change: (step: StepState) => StepState,
): StepState {
  const inner = (place.info.ancestors[depth + 1] ?? place.info).scope;
  const repeated = iterates(info.step);
  const iteration = repeated ? (place.indices[used] as number) : 0;
  const count = repeated ? used + 1 : used;
  const indices = place.indices.slice(0, count);
  const body = bodyOf(context.state, inner, container, iteration, indices);
  const edited = editScope(context, body, place, depth + 1, count, change);
  let next = placeBody(container, iteration, edited);
  if (info.step.type === 'branch' && next.config === null) {
    next = { ...next, config: { case: inner.arm } }; // A4: the arm is known from what runs in it
  }
  if (info.step.type !== 'for_each' || edited.open > 0 || body.open === 0) return next;
  next = { ...next, done: next.done + 1, inFlight: next.inFlight - 1 };
  return openIterations(context, info, indices.slice(0, -1), next);
}

function placeBody(container: StepState, iteration: number, body: ScopeState): StepState {
  const bodies = container.bodies === null ? [] : container.bodies.slice();
  while (bodies.length < iteration) bodies.push(null);
  bodies[iteration] = body;
  return { ...container, bodies };
}

/** Counts the one body of a group, or the arm that a branch chose. */
function beginBody({ state, tally }: Context, place: Place, container: StepState): void {
  const scope = place.info.inner.size === 0 ? null : runningScope(place.info, container);
  if (scope !== null) tally.begun += bodyOf(state, scope, container, 0, place.indices).open;
}

/** Lets iterations begin in index order while fewer than `concurrency` are unfinished (rule 20). */
function openIterations(
  context: Context,
  info: StepInfo,
  indices: readonly number[],
  step: StepState,
): StepState {
  const { state } = context;
  if (info.step.type !== 'for_each' || !Array.isArray(step.config)) return step;
  const body = info.inner.get('body');
  if (body === undefined || state.halted || isEnding(state)) return step;
  let { frontier, inFlight, done } = step;
  while (frontier < step.config.length && inFlight < info.step.concurrency) {
    const { open } = bodyOf(state, body, step, frontier, [...indices, frontier]);
    context.tally.begun += open;
    if (open === 0 && state.carried !== null) done += 1;
    else inFlight += 1;
    frontier += 1;
  }
  return { ...step, frontier, inFlight, done };
}
