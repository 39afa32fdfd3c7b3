import type { Json, JsonObject } from '#core/json.ts';

/**
 * A conformance case: a definition, an input, how the world answers, and what must come of it. The
 * same file is run by both runtimes; it knows of neither.
 */
export interface ConformanceCase {
  readonly name: string;
  /** What is shown, in a sentence. */
  readonly shows: string;
  readonly workflow: JsonObject;
  /** Further definitions that the workflow starts as children. */
  readonly others?: readonly JsonObject[];
  readonly input: Json;
  readonly world?: World;
  readonly retry?: Retry;
  readonly expect: Expectation;
}

/** What a failed execution is retried with; absent: what it had. The world is another from then on. */
export interface Retry {
  readonly input?: Json;
  readonly world?: World;
}

/** How the outside answers. Times are business time in milliseconds. */
export interface World {
  /**
   * HTTP answers by step key, or by step path for all its instances; compensations under
   * `undo:<step key or path>`. One entry an attempt, the last repeats; a step that is not named is
   * answered 200 with `{"ok":true}`.
   */
  readonly http?: { readonly [step: string]: readonly HttpAnswer[] };
  /** What people and other systems do, in order of time since the start. */
  readonly signals?: readonly ScriptedSignal[];
  /**
   * Answers to approvals and callbacks that wait for being asked, by step key or path: unlike signals
   * they do not depend on when a runtime comes to ask.
   */
  readonly answers?: { readonly [step: string]: readonly ScriptedAnswer[] };
  /** The one parameter of a registered operation, by its name; those named `with-...` take `v`. */
  readonly parameters?: { readonly [operation: string]: string };
  /** How often a part of ours is away before a call can be made: no attempts (rule 18). */
  readonly away?: { readonly [step: string]: number };
}

/** `after_ms`: since the approval was asked for, or the callback's request arrived. */
export type ScriptedAnswer = { readonly after_ms: number } & (
  | { readonly approve: string; readonly comment?: string }
  | { readonly reject: string; readonly comment?: string }
  | { readonly complete: Json }
  | { readonly fail: { readonly code?: string; readonly message: string } }
  | { readonly heartbeat: true }
);

export interface HttpAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly body?: Json;
  /** The connection is refused: no status, no body. */
  readonly refused?: true;
  /** What comes back is no HTTP. */
  readonly garbled?: true;
  /** Default 0. Longer than the attempt's timeout: the attempt times out. */
  readonly delay_ms?: number;
}

export type ScriptedSignal = { readonly at_ms: number; readonly step: string } & (
  | { readonly approve: string; readonly comment?: string }
  | { readonly reject: string; readonly comment?: string }
  | { readonly complete: Json }
  | { readonly fail: { readonly code: string; readonly message: string } }
  | { readonly heartbeat: true }
) & {
    /** The signal comes too late and must be refused with this code. */
    readonly refused?: string;
  };

export type StepVerdict = string;

export interface Expectation {
  readonly status: 'COMPLETED' | 'FAILED';
  /** The workflow's output; absent: not looked at. */
  readonly output?: Json;
  /** Code of the execution's error. */
  readonly error?: string;
  readonly compensation?: 'NONE' | 'COMPLETE' | 'PARTIAL';
  /**
   * Every step instance that must be in the report and no other, as `S`, `S <code>` (failed, but
   * continued), `F <code>`, `U <reason>` or `K <reason>`.
   */
  readonly steps: { readonly [step: string]: StepVerdict };
  readonly outputs?: { readonly [step: string]: Json };
  readonly attempts?: { readonly [step: string]: number };
  /** Number of calls that reached the outside, by step key. */
  readonly calls?: { readonly [step: string]: number };
  /** When calls of a step were made, in milliseconds since the start. */
  readonly call_times?: { readonly [step: string]: readonly number[] };
  /** Compensated steps in order. */
  readonly compensations?: readonly string[];
  /** Pairs: the first is terminal before the second starts. */
  readonly before?: readonly (readonly [string, string])[];
  /** At most this many calls of a step path at once. */
  readonly max_in_flight?: { readonly [path: string]: number };
  /** How long it took, exactly. */
  readonly duration_ms?: number;
}
