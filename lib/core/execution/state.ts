import type { StepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import type { Runtime } from '#core/plan/program.ts';
import type {
  CarriedResult,
  CompensationRecord,
  CompensationState,
  ExecutionStatus,
  QuotaName,
  SkipReason,
  StepClass,
  StepKey,
  StepStatus,
} from './events.ts';
import type { Place, ProgramIndex, ScopeInfo, StepInfo } from './program-index.ts';
import { iterates, keyOf, placeInside, scopeInside } from './program-index.ts';

/**
 * The state of one execution: the fold of its log.
 *
 * Owns: the shape of state and how to look into it. Only `apply.ts` makes new states.
 * S1 State is plain JSON: no undefined, no Map, no class. A snapshot is its text.
 * S2 States share structure: a change copies the path from the root to the step, nothing else.
 * S3 A body that nothing has happened in yet is `null` in `bodies` and stands for its fresh scope.
 */
export interface ExecutionState {
  readonly id: string;
  /** Sequence number of the last event; 0 before the first. */
  readonly seq: number;
  /** The latest business time seen. It never goes back, whatever the clocks of hosts do. */
  readonly at: number;
  readonly status: ExecutionStatus;
  readonly runtime: Runtime;
  readonly input: Json;
  readonly rootId: string;
  /** See `key_roots` of the first event. */
  readonly keyRoots: { readonly [step: StepKey]: string } | null;
  /** See `trace` of the first event. */
  readonly trace: string | null;
  readonly parent: { readonly execution_id: string; readonly step: StepKey } | null;
  readonly depth: number;
  readonly retryOf: string | null;
  readonly carried: { readonly [step: StepKey]: CarriedResult } | null;
  readonly createdAt: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly paused: boolean;
  readonly cancel: CancelRequest | null;
  readonly timedOut: boolean;
  /** What the execution has used up, if that is why it ends. */
  readonly exceeded: QuotaName | null;
  /** `on_failure: halt` has come into force. */
  readonly halted: boolean;
  /** The last decision stopped at its limit. */
  readonly yielded: boolean;
  readonly root: ScopeState;
  /** Steps that have become terminal, in all scopes: what checkpoints count. */
  readonly completed: number;
  /** Step instances of bodies that have begun: each needs an event to end, whatever becomes of it. */
  readonly begun: number;
  /** Bytes of the values in the log (`quota.ts`). */
  readonly bytes: number;
  /** In order of the log. */
  readonly ledger: readonly LedgerEntry[];
  readonly saga: SagaState | null;
  /** Why the workflow's own `output` could not be had. */
  readonly outputError: StepError | null;
  readonly output: Json;
  readonly error: (StepError & { readonly step?: StepKey }) | null;
  readonly compensation: CompensationState;
}

export interface CancelRequest {
  readonly by: string | null;
  readonly compensate: boolean;
  readonly reason: string | null;
}

export interface ScopeState {
  readonly steps: readonly StepState[];
  /** Steps that are not terminal. */
  readonly open: number;
  /** Steps of class F. */
  readonly failed: number;
}

export interface StepState {
  readonly status: StepStatus;
  readonly class: StepClass | null;
  readonly reason: SkipReason | null;
  /** What was evaluated at the start. */
  readonly config: Json;
  readonly output: Json;
  /** Why it failed; while a retry is due, why the last attempt did. */
  readonly error: StepError | null;
  /** Attempts begun. */
  readonly attempts: number;
  readonly retryAt: number | null;
  readonly suspended: boolean;
  readonly heartbeatAt: number | null;
  readonly childId: string | null;
  /** What came back from outside and is still being shaped. */
  readonly answer: { readonly result: Json } | null;
  /** The shaped output while compensation arguments are being evaluated. */
  readonly shaped: { readonly output: Json } | null;
  readonly startedAt: number | null;
  readonly completedAt: number | null;
  /** Containers only, see S3: by iteration, or one. */
  readonly bodies: readonly (ScopeState | null)[] | null;
  /** for_each: iterations below it have been let start; those not finished number `inFlight`. */
  readonly frontier: number;
  readonly inFlight: number;
  /** Iterations that finished. */
  readonly done: number;
}

export interface LedgerEntry {
  readonly step: StepKey;
  /** When the step completed. */
  readonly at: number;
  readonly record: CompensationRecord;
  readonly status: 'PENDING' | 'SUCCESS' | 'FAILED';
  readonly attempts: number;
  readonly error: StepError | null;
}

/** The compensations while they run: one at a time, in `order`. */
export interface SagaState {
  /** Positions in the ledger, first to be undone first. */
  readonly order: readonly number[];
  /** How many of `order` are over. */
  readonly finished: number;
  /** The attempt of the current one; 0 before its first. */
  readonly attempt: number;
  readonly retryAt: number | null;
}

/** What a log does not say about its execution. */
export interface ExecutionHeader {
  readonly id: string;
}

export const QUEUED_STEP: StepState = {
  status: 'QUEUED',
  class: null,
  reason: null,
  config: null,
  output: null,
  error: null,
  attempts: 0,
  retryAt: null,
  suspended: false,
  heartbeatAt: null,
  childId: null,
  answer: null,
  shaped: null,
  startedAt: null,
  completedAt: null,
  bodies: null,
  frontier: 0,
  inFlight: 0,
  done: 0,
};

const NOTHING: ScopeState = { steps: [], open: 0, failed: 0 };

/** The state before the first event. */
export function initialState(header: ExecutionHeader): ExecutionState {
  return {
    id: header.id,
    seq: 0,
    at: 0,
    status: 'PENDING',
    runtime: 'engine',
    input: null,
    rootId: header.id,
    keyRoots: null,
    trace: null,
    parent: null,
    depth: 0,
    retryOf: null,
    carried: null,
    createdAt: null,
    startedAt: null,
    endedAt: null,
    paused: false,
    cancel: null,
    timedOut: false,
    exceeded: null,
    halted: false,
    yielded: false,
    root: NOTHING,
    completed: 0,
    begun: 0,
    bytes: 0,
    ledger: [],
    saga: null,
    outputError: null,
    output: null,
    error: null,
    compensation: 'NONE',
  };
}

export function isTerminal(step: StepState): boolean {
  return step.status === 'SUCCESS' || step.status === 'FAILED' || step.status === 'SKIPPED';
}

/** True once something from outside its steps has put an end to the execution. */
export function isStopped(state: ExecutionState): boolean {
  return state.cancel !== null || state.timedOut || state.exceeded !== null;
}

/** True once the fate of the execution is decided: what follows is compensation and the end. */
export function isEnding(state: ExecutionState): boolean {
  return isStopped(state) || state.saga !== null || state.outputError !== null;
}

/** True while nothing new may start: steps, iterations, children, attempts. */
export function startsNothing(state: ExecutionState): boolean {
  return state.paused || state.halted || isEnding(state);
}

const freshScopes = new WeakMap<ScopeInfo, ScopeState>();

/** A scope in which nothing has happened, except that a retry carried results into it. */
export function freshScope(
  info: ScopeInfo,
  indices: readonly number[],
  carried: ExecutionState['carried'],
): ScopeState {
  if (carried !== null) return carriedScope(info, indices, carried);
  const known = freshScopes.get(info);
  if (known !== undefined) return known;
  const fresh = {
    steps: info.steps.map(() => QUEUED_STEP),
    open: info.steps.length,
    failed: 0,
  };
  freshScopes.set(info, fresh);
  return fresh;
}

function carriedScope(
  info: ScopeInfo,
  indices: readonly number[],
  carried: { readonly [step: StepKey]: CarriedResult },
): ScopeState {
  let open = 0;
  const steps = info.steps.map((step) => {
    const key = keyOf({ info: step, indices });
    const result = Object.hasOwn(carried, key) ? carried[key] : undefined;
    if (result === undefined) {
      open += 1;
      return QUEUED_STEP;
    }
    return {
      ...QUEUED_STEP,
      status: result.status,
      class: result.class,
      reason: result.reason,
      output: result.output,
      error: result.error ?? null,
      attempts: result.attempts,
      completedAt: result.completed_at,
    };
  });
  return { steps, open, failed: 0 };
}

/** Which scope of a container is (or would be) run: an arm for a branch, else the body. */
export function runningScope(container: StepInfo, step: StepState): ScopeInfo | null {
  if (container.step.type !== 'branch') return container.inner.get('body') ?? null;
  const arm = armOf(step);
  return arm === null ? null : scopeInside(container, arm);
}

/** The arm that a branch chose: `0`, `1`, ..., `else`; null when none or not yet. */
export function armOf(step: StepState): string | null {
  const config = step.config as { readonly case?: Json } | null;
  return typeof config?.case === 'string' ? config.case : null;
}

/** One body of a container, fresh where nothing has happened in it yet. */
export function bodyOf(
  state: ExecutionState,
  scope: ScopeInfo,
  container: StepState,
  iteration: number,
  indices: readonly number[],
): ScopeState {
  return container.bodies?.[iteration] ?? freshScope(scope, indices, state.carried);
}

/** The scope instance that a place stands in. */
export function scopeAt(state: ExecutionState, place: Place): ScopeState {
  let scope = state.root;
  let used = 0;
  const { ancestors } = place.info;
  for (let depth = 0; depth < ancestors.length; depth++) {
    const container = ancestors[depth] as StepInfo;
    const step = scope.steps[container.position] ?? QUEUED_STEP;
    let iteration = 0;
    if (iterates(container.step)) iteration = place.indices[used++] as number;
    const next = ancestors[depth + 1]?.scope ?? place.info.scope;
    scope = bodyOf(state, next, step, iteration, place.indices.slice(0, used));
  }
  return scope;
}

/** The state of one step instance; that of a queued step where nothing is known of it. */
export function stepAt(state: ExecutionState, place: Place): StepState {
  return scopeAt(state, place).steps[place.info.position] ?? QUEUED_STEP;
}

/** Iterations of a container that may have begun, as `[from, to)` of `bodies`. */
export function begunBodies(container: StepInfo, step: StepState): number {
  const known = step.bodies?.length ?? 0;
  switch (container.step.type) {
    case 'for_each':
      return Math.max(step.frontier, known);
    case 'loop':
      return known;
    case 'group':
      return step.attempts === 0 ? known : 1; // skipped, or failed by its `when`: never began
    case 'branch':
      return runningScope(container, step) === null ? 0 : step.status === 'QUEUED' ? known : 1;
    default:
      return 0;
  }
}

/** A step instance met on a walk. */
export interface Visit {
  readonly place: Place;
  readonly step: StepState;
  readonly scope: ScopeState;
}

/**
 * Every step instance in scopes that have begun, bodies before their container, scopes in
 * topological order. `openOnly` leaves out what is terminal, with all that is inside it.
 */
export function walk(index: ProgramIndex, state: ExecutionState, openOnly: boolean): Visit[] {
  const visits: Visit[] = [];
  walkScope(state, index.root, state.root, null, 0, openOnly, visits);
  return visits;
}

function walkScope(
  state: ExecutionState,
  info: ScopeInfo,
  scope: ScopeState,
  container: Place | null,
  iteration: number,
  openOnly: boolean,
  visits: Visit[],
): void {
  if (openOnly && scope.open === 0) return;
  for (const position of info.order) {
    const step = scope.steps[position];
    const stepInfo = info.steps[position];
    if (step === undefined || stepInfo === undefined) continue; // the root before the first event
    if (openOnly && isTerminal(step)) continue;
    const place: Place =
      container === null
        ? { info: stepInfo, indices: [] }
        : placeInside(container, iteration, stepInfo);
    const begun = begunBodies(stepInfo, step);
    const inner = begun === 0 ? null : runningScope(stepInfo, step);
    if (inner !== null) {
      for (let i = 0; i < begun; i++) {
        const indices = iterates(stepInfo.step) ? [...place.indices, i] : place.indices;
        const body = bodyOf(state, inner, step, i, indices);
        walkScope(state, inner, body, place, i, openOnly, visits);
      }
    }
    visits.push({ place, step, scope });
  }
}

/** True when every direct dependency of a step is terminal (rule 2). */
export function dependenciesDone(info: StepInfo, scope: ScopeState): boolean {
  for (const dependency of info.step.dependsOn) {
    const step = scope.steps[dependency];
    if (step === undefined || !isTerminal(step)) return false;
  }
  return true;
}

/** The execution whose id the idempotency keys of a step begin with, also when it is undone. */
export function keyRootOf(of: Pick<ExecutionState, 'rootId' | 'keyRoots'>, step: StepKey): string {
  const own = of.keyRoots;
  return own !== null && Object.hasOwn(own, step) ? (own[step] as string) : of.rootId;
}
