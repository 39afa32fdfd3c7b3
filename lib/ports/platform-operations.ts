import type { StepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';

/** What the platform can do to itself, by name: the work of `platform_operation`. */
export interface PlatformOperations {
  /** Rejects only when a part of ours was away: that is no attempt. */
  perform(request: OperationRequest): Promise<OperationAnswer>;
}

export interface OperationRequest {
  readonly operation: string;
  readonly parameters: Json;
  readonly executionId: string;
  /** The same for every attempt: an operation that is repeated is done once. */
  readonly idempotencyKey: string;
  /** The attempt's time is up, or nobody wants its result any more. */
  readonly signal: AbortSignal;
}

export type OperationAnswer =
  | { readonly ok: true; readonly result: Json }
  | { readonly ok: false; readonly error: StepError };
