import type { StepError } from '#core/errors.ts';
import type { Signal } from '#core/execution/commands.ts';
import type {
  AskedRuntime,
  CarriedResult,
  ExecutionEvent,
  ExecutionStatus,
  RecordedEvent,
  SkipReason,
  StepClass,
  StepKey,
  StepStatus,
} from '#core/execution/events.ts';
import type { HeldStart } from '#core/execution/held.ts';
import type { ExecutionProjection, StepProjection } from '#core/execution/project.ts';
import type { Json } from '#core/json.ts';
import type { Runtime } from '#core/plan/program.ts';
import type { QuarantinedExecution } from './quarantine.ts';

/**
 * The truth about executions. One log per execution (unique sequence, from 1, no gap) and the
 * projections that people search, written together. Four faces, because four roles hold different
 * rights: `ExecutionAccess` (the API, one tenant at a time), `ExecutionOwnership` (an engine process,
 * across tenants, fenced by epoch), `ExecutionRecorder` (the Step Functions runtime, where the state
 * machine decides) and the relay's outbox, which is not here.
 */

export type { ExecutionProjection, StepProjection };

export type Mode = 'live' | 'test';

export interface Labels {
  readonly [name: string]: string;
}

export interface ExecutionParent {
  readonly executionId: string;
  readonly step: StepKey;
}

// ── accepting ────────────────────────────────────────────────────────────────────────────────

export interface AcceptRequest {
  readonly tenant: string;
  readonly mode: Mode;
  /** UUID v7: its time bits name the month the execution is kept in. */
  readonly id: string;
  readonly workflowId: string;
  readonly version: string;
  readonly programHash: string;
  readonly runtime: Runtime;
  /** What was asked for, where somebody asked: it goes into the first event. */
  readonly choice?: AskedRuntime;
  readonly input: Json;
  /** The first execution of a chain of retries; `id` itself when this is none. */
  readonly rootId: string;
  readonly parent: ExecutionParent | null;
  readonly depth: number;
  readonly retryOf: string | null;
  readonly carried: { readonly [step: StepKey]: CarriedResult } | null;
  /** Steps whose idempotency keys do not begin with `rootId`; absent: none. */
  readonly keyRoots?: { readonly [step: StepKey]: string };
  /**
   * The step that looks at it until it ends, of an execution that is not told and so is no `parent`; absent:
   * none. What somebody waits for is never held: it begins in the place of whoever waits.
   */
  readonly lookedAtBy?: StepKey;
  /** 0 to 9, absent: 0. Each step is worth five minutes of waiting, where starts wait. */
  readonly priority?: number;
  /** Also what search finds the execution by, word for word; without any it costs search nothing. */
  readonly labels: Labels;
  readonly correlationId: string | null;
  /** Where it stands in a trace, as `core/trace.ts` writes it: it goes into the first event. */
  readonly trace?: string;
  /** `fingerprint`: hash of whatever makes two requests the same request. */
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
  readonly now: number;
}

export type AcceptAnswer =
  | { readonly kind: 'accepted'; readonly executionId: string }
  /** The same request came before: by its idempotency key, or by its id with the same input. */
  | { readonly kind: 'existing'; readonly executionId: string }
  /** The key or the id was used before for something else. */
  | { readonly kind: 'conflict'; readonly executionId: string }
  /** Accepted, and it waits to be let in: its workflow or its tenant may not begin any now. */
  | { readonly kind: 'queued'; readonly executionId: string }
  /** Too many wait already: nothing was accepted. */
  | { readonly kind: 'full'; readonly executionId: string }
  /** A child whose step no longer waits for it: nothing was started. */
  | { readonly kind: 'parent_ended'; readonly executionId: string };

/** The phase of an execution that waits to be let in; its status is PENDING. */
export const QUEUED_PHASE = 'queued';

/** One pass over the tenants of which something waits to be let in, a few of them at a time. */
export interface LetIn {
  readonly count: number;
  /** Something waited: whoever ends an execution may have made room for it. */
  readonly waiting: boolean;
  /** Where the next pass goes on; null: from the beginning. */
  readonly after: string | null;
}

/**
 * Takes an execution the moment it is accepted, in the same process. `reserve` is asked before the
 * write and promises room; exactly one of `adopt` and `release` follows a reservation.
 */
export interface Adopter {
  /** The owner to write into the row; null: no room, let anyone claim it. */
  reserve(request: AcceptRequest): string | null;
  adopt(loaded: LoadedExecution): void;
  /** `unknown`: the write failed in a way that leaves open whether it took place. */
  release(request: AcceptRequest, unknown?: boolean): void;
  /** A signal was stored: whoever owns the execution here need not wait for its next look. */
  signalled(tenant: string, executionId: string): void;
}

// ── operating and reading, under row-level security ──────────────────────────────────────────

export type SignalAnswer =
  | { readonly kind: 'stored' }
  | { readonly kind: 'not_found' }
  /** The execution has ended: nothing can follow. */
  | { readonly kind: 'finished'; readonly status: ExecutionStatus };

export interface ExecutionRecord {
  readonly tenant: string;
  readonly mode: Mode;
  readonly id: string;
  readonly rootId: string;
  readonly parent: ExecutionParent | null;
  readonly retryOf: string | null;
  readonly depth: number;
  readonly workflowId: string;
  readonly version: string;
  readonly programHash: string;
  readonly runtime: Runtime;
  readonly status: ExecutionStatus;
  /** Finer than status: `running`, `paused`, `waiting`, `cancelling`, `compensating`, ... */
  readonly phase: string | null;
  readonly labels: Labels;
  readonly correlationId: string | null;
  readonly priority: number;
  readonly owner: string | null;
  readonly epoch: number;
  /** When a parked execution wakes by itself. */
  readonly wakeAt: number | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Why it is set aside; null: it is not. */
  readonly quarantine: QuarantinedExecution | null;
  readonly input: Json;
  readonly output: Json;
  readonly error: (StepError & { readonly step?: StepKey }) | null;
  readonly compensation: string | null;
}

/** A line of a list: no payloads, they may be large. */
export type ExecutionSummary = Omit<ExecutionRecord, 'input' | 'output' | 'quarantine'>;

export interface StepRecord {
  readonly step: StepKey;
  readonly status: StepStatus;
  readonly class: StepClass | null;
  readonly reason: SkipReason | null;
  readonly phase: string | null;
  readonly attempts: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Business time of what the step waits for next: a retry, a timer. */
  readonly dueAt: number | null;
  readonly output: Json;
  readonly error: StepError | null;
}

export interface ExecutionFilter {
  readonly mode?: Mode;
  readonly statuses?: readonly ExecutionStatus[];
  readonly workflowId?: string;
  /** Of these only. */
  readonly workflowIds?: readonly string[];
  readonly version?: string;
  readonly runtime?: Runtime;
  /** All of these. */
  readonly labels?: Labels;
  /** Words, all of them, in the names and values of labels. */
  readonly text?: string;
  readonly createdFrom?: number;
  /** Exclusive. */
  readonly createdTo?: number;
  readonly rootId?: string;
  readonly parentId?: string;
  /** Those which wait to be let in. */
  readonly held?: true;
}

/** Newest first. `after` is the `next` of the page before; the API wraps it in an opaque cursor. */
export interface PageRequest {
  readonly limit: number;
  readonly after: string | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface ApprovalRecord {
  readonly id: string;
  readonly executionId: string;
  readonly workflowId: string;
  readonly step: StepKey;
  readonly mode: Mode;
  /** Any of these users or roles may answer. */
  readonly assignees: readonly string[];
  readonly message: string | null;
  readonly status: 'pending' | 'approved' | 'rejected' | 'closed';
  readonly requestedAt: number;
  readonly dueAt: number;
  readonly answeredBy: string | null;
  readonly answeredAt: number | null;
  readonly comment: string | null;
}

export interface ApprovalAnswer {
  readonly decision: 'approved' | 'rejected';
  readonly by: string;
  readonly comment: string | null;
  readonly at: number;
}

export interface CallbackRecord {
  readonly tenant: string;
  readonly executionId: string;
  readonly step: StepKey;
  readonly expiresAt: number;
}

export interface FoundCallback extends CallbackRecord {
  readonly finished: boolean;
  /** What its tenant says of how often all its callers may ask in a minute; null: nothing. */
  readonly tenantPerMinute: number | null;
}

/** What the API may do: one tenant at a time, row-level security behind every statement. */
export interface ExecutionAccess {
  /** Durable when it resolves: idempotency record, row, event 1 and outbox row in one transaction. */
  accept(request: AcceptRequest): Promise<AcceptAnswer>;
  /** Writes a signal under the execution's lock; whoever owns it hears within half a second. */
  signal(tenant: string, executionId: string, signal: Signal, now: number): Promise<SignalAnswer>;
  getExecution(tenant: string, executionId: string): Promise<ExecutionRecord | null>;
  /** Why it has not begun; null: it is not held. */
  heldStart(tenant: string, executionId: string, now: number): Promise<HeldStart | null>;
  listExecutions(
    tenant: string,
    filter: ExecutionFilter,
    page: PageRequest,
  ): Promise<Page<ExecutionSummary>>;
  /** What is set aside, in order of ids; `workflows` null: of all. */
  listQuarantined(
    tenant: string,
    mode: Mode,
    workflows: readonly string[] | null,
    page: PageRequest,
  ): Promise<Page<QuarantinedExecution>>;
  /** Lets it be moved again; false: it was not set aside. */
  releaseQuarantined(tenant: string, executionId: string, now: number): Promise<boolean>;
  /** In order of sequence; `after` is a sequence number. */
  listEvents(tenant: string, executionId: string, page: PageRequest): Promise<Page<RecordedEvent>>;
  /** In order of step key. */
  listSteps(tenant: string, executionId: string, page: PageRequest): Promise<Page<StepRecord>>;
  /**
   * Latest checkpoint and all events after it: what `whyWaiting` and retry fold. `whole`: all events,
   * for a reader that cannot read the checkpoint.
   */
  loadExecution(
    tenant: string,
    executionId: string,
    whole?: boolean,
  ): Promise<LoadedExecution | null>;
  listApprovals(
    tenant: string,
    filter: {
      readonly status?: ApprovalRecord['status'];
      /** One of the assignees. */
      readonly assignee?: string;
      readonly executionId?: string;
      readonly mode?: Mode;
      /** Of these only. */
      readonly workflowIds?: readonly string[];
    },
    page: PageRequest,
  ): Promise<Page<ApprovalRecord>>;
  getApproval(tenant: string, id: string): Promise<ApprovalRecord | null>;
  /**
   * The first answer wins: `answered` tells of an earlier one, or that the question is closed, since it is
   * past `dueAt` or the execution has ended; with the record as it stands.
   */
  answerApproval(
    tenant: string,
    id: string,
    answer: ApprovalAnswer,
  ): Promise<
    | { readonly kind: 'stored' | 'answered'; readonly approval: ApprovalRecord }
    | { readonly kind: 'not_found' }
  >;
  /**
   * Without a tenant: the token is the credential. Null: unknown or expired at `now`. One that was
   * answered is still found, so that a repeated answer can be told what became of the first.
   */
  findCallback(tokenHash: string, now: number): Promise<FoundCallback | null>;
  /** Complete and fail end the token, heartbeat does not. `finished`: it was ended before. */
  answerCallback(
    tokenHash: string,
    signal: Extract<
      Signal,
      { kind: 'callback_completed' | 'callback_failed' | 'callback_heartbeat' }
    >,
    now: number,
  ): Promise<{ readonly kind: 'stored' | 'finished' | 'not_found' }>;
}

// ── owning: the engine ───────────────────────────────────────────────────────────────────────

export interface ExecutionHeader {
  readonly tenant: string;
  readonly mode: Mode;
  readonly id: string;
  readonly rootId: string;
  readonly parent: ExecutionParent | null;
  readonly depth: number;
  readonly workflowId: string;
  readonly version: string;
  readonly programHash: string;
  readonly runtime: Runtime;
  readonly labels: Labels;
  readonly correlationId: string | null;
  readonly createdAt: number;
}

export interface StoredSignal {
  /** Grows with time within an execution. */
  readonly id: string;
  readonly executionId: string;
  readonly signal: Signal;
}

export interface LoadedExecution {
  readonly header: ExecutionHeader;
  readonly epoch: number;
  readonly checkpoint: { readonly seq: number; readonly state: Json } | null;
  /** Events after the checkpoint, in order. */
  readonly tail: readonly RecordedEvent[];
  readonly signals: readonly StoredSignal[];
  /** How many signals were ever stored: releasing names it, so that none is slept through. */
  readonly signalCount: number;
  /** Why what is stored of it could not be read here: then nothing else is told of it. */
  readonly unreadable?: Error;
}

export interface OutboxMessage {
  readonly topic: string;
  readonly key: string;
  readonly payload: Json;
}

/** One transition of one execution: all of it is written, or none. */
export interface AppendRequest {
  readonly tenant: string;
  readonly executionId: string;
  readonly epoch: number;
  /** Consecutive, following the last one written. May be empty when signals are consumed. */
  readonly events: readonly RecordedEvent[];
  readonly steps: readonly StepProjection[];
  /** Null: the execution's own row stays as it is. */
  readonly execution: ExecutionProjection | null;
  readonly checkpoint: { readonly seq: number; readonly state: Json } | null;
  readonly consumedSignals: readonly string[];
  readonly outbox: readonly OutboxMessage[];
  readonly parentSignal: ParentSignal | null;
  readonly childSignals: readonly ChildSignal[];
  readonly now: number;
}

/** The end of a child, written with it, so that its parent hears of it whatever crashes. */
export interface ParentSignal {
  readonly executionId: string;
  readonly signal: Extract<Signal, { kind: 'child_ended' }>;
}

/**
 * What a step that stops waiting tells its child, written with the step's end. Whoever has not ended
 * and has this execution and step as its parent hears it; a child that is being accepted meanwhile is
 * not started (`parent_ended`), so none is left behind.
 */
export interface ChildSignal {
  readonly step: StepKey;
  readonly signal: Extract<Signal, { kind: 'cancel' }>;
}

/**
 * `fenced`: another owner has a higher epoch; forget the execution. `conflict`: the sequence was
 * taken (a statement of an earlier owner landed late, or our own whose answer was lost): load again.
 */
export type AppendAnswer = 'written' | 'fenced' | 'conflict';

export interface ReleaseRequest {
  readonly tenant: string;
  readonly executionId: string;
  readonly epoch: number;
  /** Business time at which anyone may claim it; null: only a signal wakes it. */
  readonly wakeAt: number | null;
  /** As loaded plus those seen since: when more were stored the release is refused. */
  readonly signalCount: number;
}

export type ReleaseAnswer = 'released' | 'fenced' | 'signalled';

export interface ApprovalRequest {
  readonly tenant: string;
  readonly executionId: string;
  readonly workflowId: string;
  readonly step: StepKey;
  readonly mode: Mode;
  readonly assignees: readonly string[];
  readonly message: string | null;
  readonly requestedAt: number;
  readonly dueAt: number;
}

/** How many of a tenant one claim may take. */
export interface ClaimShares {
  readonly each: number;
  /** Tenants that may have fewer, and how many. */
  readonly left: readonly (readonly [tenant: string, left: number])[];
}

/** What an engine process may do: execution tables only, across tenants, fenced by epoch. */
export interface ExecutionOwnership {
  /**
   * Takes up to `limit` executions that are due and owned by nobody, oldest first. When there are more,
   * tenants take turns: the oldest of each, then the second oldest of each, ... Of no tenant more than
   * its share; absent: as many as there are.
   */
  claim(
    owner: string,
    limit: number,
    now: number,
    shares?: ClaimShares,
  ): Promise<readonly LoadedExecution[]>;
  /** Takes this one if nobody owns it and it has not ended. */
  claimOne(owner: string, tenant: string, executionId: string): Promise<LoadedExecution | null>;
  /** Takes executions of processes whose lease is stale, but for those of the tenants in `full`. */
  takeOver(
    owner: string,
    limit: number,
    full?: readonly string[],
  ): Promise<readonly LoadedExecution[]>;
  /**
   * Forgets processes that are dead for a minute and have nothing left, then takes executions of names that no
   * process has any more, as a claim leaves them that was written after its process was forgotten. Expensive: for now and then. Nothing where another process just looks.
   */
  takeOwnerless(owner: string, limit: number): Promise<readonly LoadedExecution[]>;
  /** Everything that has not ended and is this owner's. Expensive: for when an answer was lost. */
  owned(
    owner: string,
  ): Promise<readonly { readonly tenant: string; readonly executionId: string }[]>;
  /** Takes these again, if they are still this owner's, under a new epoch. */
  claimAgain(
    owner: string,
    executions: readonly { readonly tenant: string; readonly executionId: string }[],
  ): Promise<readonly LoadedExecution[]>;
  /**
   * What is stored now, if `owner` still owns it under this epoch. `whole`: all events, for a host
   * that cannot read the checkpoint.
   */
  reload(
    owner: string,
    tenant: string,
    executionId: string,
    epoch: number,
    whole?: boolean,
  ): Promise<LoadedExecution | null>;
  /** Resolves when the transition is durable. At most one append of an execution at a time. */
  append(request: AppendRequest): Promise<AppendAnswer>;
  release(request: ReleaseRequest): Promise<ReleaseAnswer>;
  /** Signals waiting for executions that this process owns. */
  pendingSignals(owner: string, limit: number): Promise<readonly StoredSignal[]>;
  /** Lets executions in that waited for it, oldest first, of the tenants after this one. */
  letIn(after: string | null, now: number): Promise<LetIn>;
  /** Opens or renews this process's lease. False: it was lost, and others may own what it had. */
  heartbeat(owner: string, leaseMs: number): Promise<boolean>;
  /** Ends the lease; whatever is still owned may be taken at once. */
  resign(owner: string): Promise<void>;
  /** Once per (execution, step): a repeat changes nothing. */
  requestApproval(request: ApprovalRequest): Promise<void>;
  /** The step has ended without an answer. */
  closeApproval(tenant: string, executionId: string, step: StepKey, now: number): Promise<void>;
  /** Binds the hash of a token to a step; a repeat with the same hash changes nothing. */
  openCallback(
    tokenHash: string,
    callback: CallbackRecord & { readonly mode: Mode },
  ): Promise<void>;
}

// ── recording from outside: the Step Functions runtime ───────────────────────────────────────

/** What is known under the execution's lock when a task records. */
export interface RecordedFacts {
  readonly header: ExecutionHeader;
  readonly status: ExecutionStatus;
  /** Those behind the number that the caller has folded up to. */
  readonly tail: readonly RecordedEvent[];
}

export interface Recording {
  /** Business time of all of them, in milliseconds: never before what is recorded already, whatever clocks say. */
  readonly at: number;
  readonly events: readonly ExecutionEvent[];
  readonly steps: readonly StepProjection[];
  readonly execution: ExecutionProjection | null;
  readonly outbox: readonly OutboxMessage[];
  readonly parentSignal: ParentSignal | null;
  readonly childSignals: readonly ChildSignal[];
}

export interface ExecutionRecorder {
  /**
   * Decides under the execution's lock what to add and writes it with the next sequence numbers.
   * `after` is the number of the last event that the caller has read (0: none), so that what one
   * record costs does not grow with the log. `decide` may run again after a serialization failure and
   * must not do anything but decide. Answers the events that were added; null: no such execution.
   */
  record(
    tenant: string,
    executionId: string,
    now: number,
    after: number,
    decide: (facts: RecordedFacts) => Recording,
  ): Promise<readonly RecordedEvent[] | null>;
}
