import type { StepKey } from '#core/execution/events.ts';

/**
 * Task tokens of Step Functions executions, by what waits for them. The newest one counts: a task that
 * is repeated brings a new token and voids the old.
 */
export interface TaskTokens {
  put(tenant: string, executionId: string, key: StepKey, token: string): Promise<void>;
  find(tenant: string, executionId: string, key: StepKey): Promise<string | null>;
  /** Forgets all tokens of an execution that has ended. */
  forget(tenant: string, executionId: string): Promise<void>;
}
