import type { Json } from '#core/json.ts';

/**
 * Answers kept under an Idempotency-Key. `begin` is one atomic statement, so of two equal requests
 * at the same instant one runs and one is told that it is in progress.
 */
export interface IdempotencyStore {
  begin(request: IdempotentRequest): Promise<IdempotencyAnswer>;
  /** Keeps the answer. False: the lease ran out and another try owns the key now. */
  finish(
    request: Pick<IdempotentRequest, 'tenant' | 'operation' | 'key'>,
    attempt: string,
    answer: KeptAnswer,
  ): Promise<boolean>;
  /** The try failed inside: forget it, so that a repeat may run. */
  abandon(
    request: Pick<IdempotentRequest, 'tenant' | 'operation' | 'key'>,
    attempt: string,
  ): Promise<void>;
  /** Drops what was kept long enough, at most `limit` rows; answers how many. */
  expire(before: number, limit: number): Promise<number>;
}

export interface IdempotentRequest {
  readonly tenant: string;
  /** Operation id with the key's mode: the same key elsewhere is another key. */
  readonly operation: string;
  readonly key: string;
  /** Hash of what makes two requests the same request. */
  readonly fingerprint: string;
  readonly now: number;
  readonly leaseMs: number;
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
