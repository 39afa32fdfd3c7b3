import type { StepError } from '#core/errors.ts';
import type { StepClass, StepKey } from '#core/execution/events.ts';
import type { Json } from '#core/json.ts';
import type { ConnectorType, StepType } from '#core/plan/program.ts';

/**
 * The contract between a compiled machine and the step runner, the one function that every Task
 * invokes. The machine orders; the runner evaluates, does the work, measures it and records it.
 *
 *  1. Every output passes the runner: it measures it (`max_output_bytes`, canonical JSON in UTF-8),
 *     records it and returns it. Hence `transform` and the ends of containers are Tasks as well: one
 *     implementation counts bytes on both runtimes, which JSONata cannot do exactly ($string rounds
 *     numbers to 15 digits). (2025-11)
 *  2. What does not pass the runner (skips, short waits, conditions that failed, calls that failed
 *     before they were made) has no output. It rides along as `records` with the next Task, which is one
 *     for that alone where the next is behind slow steps, and the last report carries the rest. The same record may arrive more than once, and after the runner
 *     recorded the step itself: the first record of a step stands.
 *  3. A result that is recorded already (Lambda tried again, or a retry carries it) is returned as it
 *     stands, without doing the work again.
 *  4. A step fails by throwing: the error's name is the step's error code, its message is
 *     `failureMessage(...)`. For a task token the same goes to SendTaskFailure as `error` and
 *     `failureCause(...)`. An error whose message is anything else is a platform error and becomes
 *     `CloudFlow.Internal`.
 *  5. `RUNNER_UNAVAILABLE` asks for a repetition that is no attempt (rule 18): the database is away,
 *     the process is being stopped.
 *  6. Expressions are the program's and the runner evaluates them, by the code and the evaluator of the
 *     engine, so that bounds, numbers and messages are the same (rules 10 to 14 and 41). What they read
 *     it takes from `bindings`, or from the log where the machine brings none (that has room for more),
 *     and the input and the execution from the log always. What it evaluated for a step's start is
 *     recorded and not evaluated again. Only conditions that cannot fail are the machine's own
 *     (`isInline`).
 *  7. What the platform says of an error is in no message: a record brings its name as `platform`, for
 *     the log. The rest is in Amazon's history of the execution.
 */
export type StepRunnerPayload =
  | CarriedPayload
  | CallPayload
  | TestPayload
  | TransformPayload
  | TimerPayload
  | FailPayload
  | ApprovalPayload
  | CallbackPayload
  | ChildPayload
  | ItemsPayload
  | ContainerPayload
  | RecordPayload
  | LedgerPayload
  | CompensatePayload
  | ReportPayload;

export type StepRunnerKind = StepRunnerPayload['kind'];
export type PayloadOf<K extends StepRunnerKind> = Extract<StepRunnerPayload, { kind: K }>;

interface PayloadBase {
  /** Id of the execution, which is its name in Step Functions. */
  readonly execution: string;
  /** In order of the workflow; absent when there are none. */
  readonly records?: readonly UnreportedRecord[];
  /** Of a machine that nobody accepted beforehand (`CompileOptions.unaccepted`), else absent. */
  readonly origin?: ExecutionOrigin;
}

/** What the accept path writes down for everybody else: a machine that is started directly brings it. */
export interface ExecutionOrigin {
  readonly workflow: string;
  readonly version: string;
  readonly program: string;
  readonly input: Json;
  /** RFC 3339. */
  readonly started_at: string;
}

interface StepPayload extends PayloadBase {
  readonly step: StepKey;
  /** Repetitions of this Task so far, of whatever reason: a hint, the runner counts attempts itself. */
  readonly repetition: number;
}

interface Bound {
  /** Only what the expressions of this payload's step read; absent: nothing, or more than may travel. */
  readonly bindings?: RunnerBindings;
}

interface Answered {
  /** For SendTaskSuccess and SendTaskFailure; a repetition brings a new one and voids the old. */
  readonly token: string;
}

export interface RunnerBindings {
  readonly steps?: { readonly [id: string]: VisibleRecord };
  readonly item?: Json;
  readonly index?: number;
  readonly loop?: { readonly index: number; readonly last: Json };
}

/** A retry asks whether a step's result was carried over. Answer: `CarriedAnswer`. */
export interface CarriedPayload extends StepPayload {
  readonly kind: 'carried';
}

/** One attempt of a connector. The answer is its output after `result`. */
export interface CallPayload extends StepPayload, Bound {
  readonly kind: 'call';
  /** For whoever reads the machine. */
  readonly type: ConnectorType;
}

/** Conditions of a step: its `when`, the cases of a branch, the test of a loop. Answer: `TestResult`. */
export interface TestPayload extends StepPayload, Bound {
  readonly kind: 'test';
  readonly of: 'when' | 'cases' | 'loop';
}

/** A transform, or a wait that is over and that something undoes: measured, recorded, returned. */
export interface TransformPayload extends StepPayload, Bound {
  readonly kind: 'transform';
}

/** A wait that is long or computed begins. Answer: `TimerResult`. */
export interface TimerPayload extends StepPayload, Bound {
  readonly kind: 'timer';
}

/** A `fail` step: the runner records it and throws its error. */
export interface FailPayload extends StepPayload, Bound {
  readonly kind: 'fail';
  /** For whoever reads the machine. */
  readonly error: string;
}

export interface ApprovalPayload extends StepPayload, Bound, Answered {
  readonly kind: 'approval';
}

export interface CallbackPayload extends StepPayload, Bound, Answered {
  readonly kind: 'callback';
}

/** A child. Without a token (`detach`) the answer is `{execution_id}`, else the child's end. */
export interface ChildPayload extends StepPayload, Bound, Partial<Answered> {
  readonly kind: 'child';
}

/** A for_each begins: its items are evaluated and counted. Answer: `ItemsResult`. */
export interface ItemsPayload extends StepPayload, Bound {
  readonly kind: 'items';
}

/**
 * A container ends. When anything in it failed, the runner records that and throws the container's
 * error (`IterationFailed`, `ArmFailed`, `GroupFailed`); else it measures, records and returns the
 * output. A loop that failed does not come here: it has no output, so it rides along.
 */
export interface ContainerPayload extends StepPayload {
  readonly kind: 'container';
  readonly type: Extract<StepType, 'for_each' | 'branch' | 'loop' | 'group'>;
  readonly output: Json;
  /** How many of its steps (for_each: iterations) are of class F. */
  readonly failed: number;
}

/** Nothing but records: an iteration ends whose last records no other Task would carry. */
export interface RecordPayload extends PayloadBase {
  readonly kind: 'record';
}

/** The execution failed. Answer: what to compensate, in that order (`LedgerResult`). */
export interface LedgerPayload extends PayloadBase {
  readonly kind: 'ledger';
  readonly error: FailureReport;
}

/** Undoes one recorded success with the arguments recorded with it. */
export interface CompensatePayload extends PayloadBase {
  readonly kind: 'compensate';
  readonly step: StepKey;
  readonly repetition: number;
}

/** The end. The answer to COMPLETED is `CompletionResult`, to FAILED `FailureResult`. */
export type ReportPayload = PayloadBase & {
  readonly kind: 'report';
} /** `output`: where the author wrote none; else the runner evaluates what was written. */ & (
    | ({ readonly status: 'COMPLETED'; readonly output?: Json } & Bound)
    | {
        readonly status: 'FAILED';
        readonly error: FailureReport;
        /** One for each compensation begun; those that were done are empty. */
        readonly compensations: readonly (FailedCompensation | Record<string, never>)[];
      }
  );

/** The first failed step in topological order; no step: the workflow's output could not be had. */
export interface FailureReport extends StepError {
  readonly step: string | null;
}

export interface FailedCompensation {
  readonly step: StepKey;
  readonly error: StepError;
}

/** What expressions see as `$steps.<id>`. */
export interface VisibleRecord {
  readonly status: 'SUCCESS' | 'FAILED' | 'SKIPPED';
  readonly output: Json;
  readonly error: StepError | null;
  readonly attempts: number;
}

/** The value of a record variable of the machine: class, reason of a skip, and what is visible. */
export interface StepRecord {
  readonly k: StepClass;
  readonly why?: string;
  readonly v: VisibleRecord;
  /** The platform's name for a failure that the runner did not hear of. */
  readonly platform?: string;
}

/** `record` is empty where nothing was carried over: a variable of a machine cannot be absent. */
export interface CarriedAnswer {
  readonly record: StepRecord | Record<string, never>;
}

/** Null: on the way that the execution took, the runner has recorded the step itself. */
export interface UnreportedRecord {
  readonly step: StepKey;
  readonly record: StepRecord | null;
}

/** Answer to call, transform, approval, callback, child and container. */
export interface StepRunnerResult {
  readonly output: Json;
  /** Calls made, without infrastructure repetitions (rule 18). */
  readonly attempts: number;
}

/**
 * `when`: true, false or other; `cases`: the key of the arm, or none; `loop`: on or off. Texts, since a
 * variable of a machine cannot be absent.
 */
export interface TestResult {
  readonly value: string;
}

/** RFC 3339, in UTC. */
export interface TimerResult {
  readonly until: string;
}

export interface ItemsResult {
  readonly items: readonly Json[];
}

/**
 * Steps with a recorded compensation, latest completion first, ties by reverse topological number
 * (rule 30). The arguments stay in the database.
 */
export interface LedgerResult {
  readonly steps: readonly StepKey[];
}

/** Becomes the output of the machine. */
export interface CompletionResult {
  readonly output: Json;
}

/** `Error` and `Cause` of the Fail state; the cause is JSON of step, code, message, compensation. */
export interface FailureResult {
  readonly error: string;
  readonly cause: string;
}

/** Asks the machine to repeat without counting an attempt. */
export const RUNNER_UNAVAILABLE = 'CloudFlow.RunnerUnavailable';

/**
 * Under `on_failure: halt`, thrown instead of starting a step once a step has failed: the machine
 * records it as SKIPPED, HALTED. Such workflows are outside exact conformance, as cancelling is: when
 * a failure becomes known depends on timing.
 */
export const HALTED = 'CloudFlow.Halted';

export interface StepFailure {
  readonly attempts: number;
  readonly message: string;
}

/** Message of the error that the runner throws. `attempts` comes first: machines look for it. */
export function failureMessage(failure: StepFailure): string {
  return JSON.stringify({ attempts: failure.attempts, message: failure.message });
}

/** `cause` for SendTaskFailure, in the shape that Lambda gives a thrown error. */
export function failureCause(code: string, failure: StepFailure): string {
  return JSON.stringify({ errorType: code, errorMessage: failureMessage(failure) });
}

/** What a Cause of ours contains and no other does; `failureMessage` inside a JSON string. */
export const OWN_CAUSE_MARK = '"errorMessage":"{\\"attempts\\":';
