import type { StepError } from '#core/errors.ts';
import type { StepKey } from '#core/execution/events.ts';
import type { Json } from '#core/json.ts';
import type { Mode } from './execution-store.ts';

/** Starts executions for a step, through the accept path that everybody uses. */
export interface Children {
  /** The id derives from parent, step and purpose: a repeat finds the child that is there. */
  start(child: ChildRequest): Promise<ChildAnswer>;
  /** Resolves when the child has ended; null when `signal` came first. */
  ended(tenant: string, executionId: string, signal: AbortSignal): Promise<ChildEnd | null>;
}

export interface ChildRequest {
  readonly tenant: string;
  readonly mode: Mode;
  readonly parentId: string;
  readonly step: StepKey;
  readonly purpose: 'step' | 'compensation';
  readonly workflowId: string;
  /** Null: the version that is current when the child starts. */
  readonly version: string | null;
  readonly input: Json;
  readonly detach: boolean;
  /** Of the parent, as `core/trace.ts` writes it; null or absent: none. */
  readonly trace?: string | null;
}

export type ChildAnswer =
  | { readonly kind: 'started'; readonly executionId: string }
  | { readonly kind: 'refused'; readonly error: StepError };

export interface ChildEnd {
  readonly status: 'COMPLETED' | 'FAILED' | 'CANCELLED';
  readonly error: StepError | null;
}
