import type { Json } from '#core/json.ts';
import type { Mode } from './execution-store.ts';

/**
 * The Step Functions runtime, as far as CloudFlow uses it. Implemented by the local interpreter and
 * by the AWS adapter; both name a running machine after the execution id, so a repeated start finds
 * the first.
 */
export interface StateMachines {
  /** Harmless to repeat with the same id and input. */
  start(request: StartStateMachine): Promise<StartStateMachineAnswer>;
  /** Ends a running machine as ABORTED. Stopping what has ended, or never began, is harmless. */
  stop(tenant: string, executionId: string, reason: StopReason): Promise<void>;
  /** Null: never started. */
  describe(tenant: string, executionId: string): Promise<StateMachineStatus | null>;
  /** `gone`: the task has ended, timed out, or never was. */
  sendTaskSuccess(taskToken: string, output: Json): Promise<'sent' | 'gone'>;
  sendTaskFailure(taskToken: string, error: StopReason): Promise<'sent' | 'gone'>;
  sendTaskHeartbeat(taskToken: string): Promise<'sent' | 'gone'>;
  /** In the shape of GetExecutionHistory, oldest first. */
  history(
    tenant: string,
    executionId: string,
    page: { readonly limit: number; readonly after: string | null },
  ): Promise<{ readonly events: readonly Json[]; readonly next: string | null }>;
}

export interface StartStateMachine {
  readonly tenant: string;
  readonly mode: Mode;
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: string;
  readonly programHash: string;
  /** A retry: its machine asks what was carried over (`CompileOptions.continues`). */
  readonly continues: boolean;
  readonly input: Json;
  /** Where it stands in a trace, as `core/trace.ts` writes it; null: nowhere. */
  readonly trace: string | null;
}

/** `quota`: the machine cannot be made or started now, and why in words that tenants may read. */
export type StartStateMachineAnswer =
  | { readonly kind: 'started' | 'exists' }
  | { readonly kind: 'quota'; readonly message: string };

/** `error` at most 256 characters, `cause` at most 32,768: what Step Functions keeps. */
export interface StopReason {
  readonly error: string;
  readonly cause: string;
}

export interface StateMachineStatus {
  readonly status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  readonly startedAt: number;
  readonly stoppedAt: number | null;
  readonly output: Json;
  readonly error: string | null;
  readonly cause: string | null;
}
