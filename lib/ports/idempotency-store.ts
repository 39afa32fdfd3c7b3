import type { Json } from '#core/json.ts';
import type { Mode } from './execution-store.ts';

/**
 * Answers kept under an Idempotency-Key. `begin` is one atomic statement, so of two equal requests
 * at the same instant one runs and one is told that it is in progress.
 */
export interface IdempotencyStore {
  begin(request: IdempotentRequest): Promise<IdempotencyAnswer>;
  /** Keeps the answer. False: the lease ran out and another try owns the key now. */
  finish(request: IdempotencyName, attempt: string, answer: KeptAnswer): Promise<boolean>;
  /** The try failed inside: forget it, so that a repeat may run. */
  abandon(request: IdempotencyName, attempt: string): Promise<void>;
}

/** One namespace per tenant and mode, for every operation. */
export interface IdempotencyName {
  readonly tenant: string;
  readonly mode: Mode;
  readonly key: string;
}

export interface IdempotentRequest extends IdempotencyName {
  /** Hash of what makes two requests the same request, the operation included. */
  readonly fingerprint: string;
  /** Business time. */
  readonly now: number;
  /** Real milliseconds for which others believe that this try is alive. */
  readonly leaseMs: number;
  /** From `now`. */
  readonly keptMs: number;
}

export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
}

export type IdempotencyAnswer =
  /** Ours to run. `attempt` must be named when it ends. */
  | { readonly kind: 'begun'; readonly attempt: string }
  | { readonly kind: 'answered'; readonly answer: KeptAnswer }
  | { readonly kind: 'in_progress' }
  | { readonly kind: 'reused' };
