import type { StepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import type { CompensationType, Runtime, RuntimeChoice } from '#core/plan/program.ts';

/**
 * The log of an execution: past tense, append-only, the same for both runtimes. State is the fold of
 * these events and of nothing else; whatever was evaluated or answered from outside is in them, so
 * replay never evaluates again (rule 12 of docs/language.md).
 *
 * A step instance is named by its key: the step path and, inside iterations, the indices from the
 * outermost in: `ship`, `orders.charge[3]`, `orders.lines.reserve[3,0]`.
 */
export type StepKey = string;

export type ExecutionStatus = 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';
export type StepStatus = 'QUEUED' | 'EXECUTING' | 'SUCCESS' | 'FAILED' | 'SKIPPED';

/** Class of a terminal step, rule 6 of docs/language.md: what trigger rules look at. */
export type StepClass = 'S' | 'F' | 'U' | 'K';

export const SKIP_REASONS = [
  'UPSTREAM_FAILED',
  'UPSTREAM_SKIPPED',
  'RULE_NOT_MET',
  'CONDITION_FALSE',
  'CONDITION_NOT_BOOLEAN',
  'HALTED',
  'CANCELLED',
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** What an execution may use up: `events` of its log, `bytes` of the values in them. */
export type QuotaName = 'events' | 'bytes';

export type CompensationState = 'NONE' | 'COMPLETE' | 'PARTIAL';

/** The undo of one success, evaluated when the step succeeded (rule 31). */
export interface CompensationRecord {
  readonly type: CompensationType;
  /** Evaluated arguments; null when `bad` says why they could not be had. */
  readonly config: Json;
  readonly bad?: StepError;
}

/** A result carried from an earlier execution by retry: it is not run again. */
export interface CarriedResult {
  /** Only inside a container that is carried whole is anything but SUCCESS. */
  readonly status: 'SUCCESS' | 'FAILED' | 'SKIPPED';
  readonly class: StepClass;
  readonly reason: SkipReason | null;
  readonly output: Json;
  /** Of a failed step; absent: none. */
  readonly error?: StepError;
  readonly attempts: number;
  readonly compensation: CompensationRecord | null;
  readonly completed_at: number;
}

export interface AskedRuntime {
  readonly asked: RuntimeChoice;
  /** In words; null where nothing was left to choose. */
  readonly reason: string | null;
}

export type ExecutionEvent =
  | {
      readonly type: 'execution_created';
      readonly workflow_id: string;
      readonly version: string;
      readonly program_hash: string;
      /** The one that was chosen. */
      readonly runtime: Runtime;
      /** What was asked for, and why `auto` became what it did. Absent: nobody wrote it down yet. */
      readonly choice?: AskedRuntime;
      readonly input: Json;
      /** The execution whose id goes into idempotency keys: itself, or the first of its retries. */
      readonly root_id: string;
      readonly parent: { readonly execution_id: string; readonly step: StepKey } | null;
      /** Nesting depth through sub_workflow; 0 at the top. */
      readonly depth: number;
      readonly retry_of: string | null;
      readonly carried: { readonly [step: StepKey]: CarriedResult } | null;
      /**
       * Steps whose idempotency keys begin with another id than `root_id`: they were undone, so a
       * receiver that remembers the first key must not take the new call for a repeat. Absent: none.
       */
      /** Which of two that wait to begin goes first; absent: 0. */
      readonly priority?: number;
      readonly key_roots?: { readonly [step: StepKey]: string };
      /** The trace that it was started in, as `core/trace.ts` writes it. Absent: none. */
      readonly trace?: string;
    }
  /**
   * Before it began, `auto` became another runtime than was chosen at first: what was chosen had no
   * room for it. Never after `execution_started`.
   */
  | { readonly type: 'runtime_changed'; readonly runtime: Runtime; readonly reason: string }
  | { readonly type: 'execution_started' }
  /** `config` is whatever was evaluated at the start and must never be evaluated again. */
  | { readonly type: 'step_started'; readonly step: StepKey; readonly config: Json }
  | {
      readonly type: 'step_retry_scheduled';
      readonly step: StepKey;
      /** The attempt that failed, from 1. */
      readonly attempt: number;
      readonly error: StepError;
      /** Business time in milliseconds of the next attempt. */
      readonly due_at: number;
    }
  /** The next attempt of a step begins; its first begins with `step_started`. */
  | { readonly type: 'attempt_started'; readonly step: StepKey; readonly attempt: number }
  /** An attempt of a compensation begins, also the first. */
  | {
      readonly type: 'compensation_attempt_started';
      readonly step: StepKey;
      readonly attempt: number;
    }
  /**
   * What came back from outside to a waiting step (approval, callback, child), where the evaluator
   * must still shape it: recorded at once, so that it is never asked for twice.
   */
  | { readonly type: 'answer_received'; readonly step: StepKey; readonly result: Json }
  /** More follows from state than one decision may record: the next decision goes on. */
  | { readonly type: 'execution_yielded' }
  /** A callback's request went out: from here only its answer or its timeouts end it. */
  | {
      readonly type: 'step_suspended';
      readonly step: StepKey;
      readonly heartbeat_due_at: number | null;
    }
  | { readonly type: 'heartbeat_received'; readonly step: StepKey; readonly due_at: number }
  | { readonly type: 'child_started'; readonly step: StepKey; readonly execution_id: string }
  /** A loop's test held: iteration `index` of the body begins. for_each iterations follow from state. */
  | { readonly type: 'iteration_started'; readonly step: StepKey; readonly index: number }
  /**
   * The value of an expression, recorded on its own where no other event carries it: `result` before
   * compensation arguments are evaluated, and an `output` of the workflow (step ``) that failed.
   */
  | {
      readonly type: 'expression_evaluated';
      readonly step: StepKey;
      readonly slot: string;
      readonly value?: Json;
      readonly error?: StepError;
    }
  | {
      readonly type: 'step_succeeded';
      readonly step: StepKey;
      readonly output: Json;
      readonly attempts: number;
      readonly compensation: CompensationRecord | null;
    }
  | {
      readonly type: 'step_failed';
      readonly step: StepKey;
      readonly error: StepError;
      readonly attempts: number;
    }
  | {
      readonly type: 'step_skipped';
      readonly step: StepKey;
      readonly class: 'U' | 'K';
      readonly reason: SkipReason;
    }
  | { readonly type: 'execution_paused'; readonly by: string | null }
  | { readonly type: 'execution_resumed'; readonly by: string | null }
  | {
      readonly type: 'cancel_requested';
      readonly by: string | null;
      readonly compensate: boolean;
      readonly reason: string | null;
    }
  | { readonly type: 'execution_timed_out' }
  /** One execution may record no more than the language allows (R43): what follows is its end. */
  | { readonly type: 'quota_exceeded'; readonly quota: QuotaName }
  | { readonly type: 'compensation_started' }
  | {
      readonly type: 'compensation_retry_scheduled';
      readonly step: StepKey;
      readonly attempt: number;
      readonly error: StepError;
      readonly due_at: number;
    }
  | { readonly type: 'compensation_succeeded'; readonly step: StepKey; readonly attempts: number }
  | {
      readonly type: 'compensation_failed';
      readonly step: StepKey;
      readonly error: StepError;
      readonly attempts: number;
    }
  | { readonly type: 'execution_completed'; readonly output: Json }
  | {
      readonly type: 'execution_failed';
      readonly error: StepError & { readonly step?: StepKey };
      readonly compensation: CompensationState;
    }
  | { readonly type: 'execution_cancelled'; readonly compensation: CompensationState };

export type ExecutionEventType = ExecutionEvent['type'];
export type EventOf<T extends ExecutionEventType> = Extract<ExecutionEvent, { type: T }>;

/** An event in its place: `seq` counts from 1 without gaps, `at` is business time in milliseconds. */
export interface RecordedEvent {
  readonly seq: number;
  readonly at: number;
  readonly event: ExecutionEvent;
}

/** Statuses from which nothing follows. */
export function isFinal(status: ExecutionStatus): boolean {
  return status === 'COMPLETED' || status === 'FAILED' || status === 'CANCELLED';
}

export function stepKey(path: string, indices: readonly number[]): StepKey {
  return indices.length === 0 ? path : `${path}[${indices.join(',')}]`;
}

/** Inverse of `stepKey`. Keys come from our own log, so a malformed one is a TypeError. */
export function parseStepKey(key: StepKey): { path: string; indices: number[] } {
  const match = /^([a-z][a-z0-9_.-]*)(?:\[(\d+(?:,\d+)*)\])?$/.exec(key);
  if (match === null) throw new TypeError(`not a step key: ${key}`);
  return {
    path: match[1] as string,
    indices: match[2] === undefined ? [] : match[2].split(',').map(Number),
  };
}
