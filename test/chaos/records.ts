/** What the harness and its target write down of a run: the checker's own memory, beside the platform's. */

/** Lines of the ledger, each durable; `at` is real time in milliseconds. */
export type LedgerLine =
  /** Written before the first request of this key leaves. */
  | {
      readonly kind: 'intent';
      readonly at: number;
      readonly tenant: string;
      readonly key: string;
      readonly workflow: string;
    }
  /** The platform has acknowledged it: written after its answer came, before anything is made of it. */
  | {
      readonly kind: 'started';
      readonly at: number;
      readonly tenant: string;
      readonly key: string;
      readonly workflow: string;
      readonly id: string;
      readonly input: { readonly [name: string]: unknown };
      /** The highest version that was acknowledged before the request left; null: versions do not matter. */
      readonly atLeast: string | null;
      readonly requestId: string | null;
    }
  /** The same request again, and its answer. */
  | {
      readonly kind: 'repeated';
      readonly at: number;
      readonly tenant: string;
      readonly key: string;
      readonly id: string;
    }
  /** The same key with another body, and how it was answered. */
  | {
      readonly kind: 'conflicting';
      readonly at: number;
      readonly key: string;
      readonly status: number;
    }
  | {
      readonly kind: 'cancelled';
      readonly at: number;
      readonly id: string;
      readonly status: number;
    }
  | { readonly kind: 'published'; readonly workflow: string; readonly version: string }
  /** A request that had to be refused, and was. */
  | { readonly kind: 'refused'; readonly tenant: string; readonly requestId: string }
  /** Starts of a workflow were held back; what was seen of them before it was let go again. */
  | {
      readonly kind: 'gate';
      readonly workflow: string;
      readonly accepted: number;
      readonly begun: number;
    };

/** A call at the target. */
export interface Call {
  /** Idempotency-Key of the step. */
  readonly key: string;
  readonly execution: string;
  readonly step: string;
  readonly attempt: number;
  /** What the body says whose it is. */
  readonly canary: string | null;
  /** Recorded results of other steps that came with it, by step. */
  readonly given: { readonly [step: string]: string };
  /** Real time: arrived, answered (or cut off). */
  readonly from: number;
  readonly to: number;
  /** What was answered as the value; null: no success was answered. */
  readonly value: string | null;
}

/** What an API of the platform said when it was asked whether it lives and is ready. */
export interface Probe {
  readonly at: number;
  readonly live: boolean;
  readonly ready: boolean;
  /** It could be reached at all. */
  readonly reached: boolean;
}
