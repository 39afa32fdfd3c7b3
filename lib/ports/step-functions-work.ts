import type { Signal } from '#core/execution/commands.ts';
import type { ExecutionStatus } from '#core/execution/events.ts';
import type { LetIn } from './execution-store.ts';

/** What there is to do for executions that run on Step Functions, across tenants. */
export interface StepFunctionsWork {
  /** As `letIn` of the engine: where no engine runs, nobody else would. */
  letIn(after: string | null, now: number): Promise<LetIn>;
  /** Accepted and not begun, oldest first, after `after` (an execution id). */
  open(
    status: Extract<ExecutionStatus, 'PENDING' | 'RUNNING'>,
    after: string | null,
    limit: number,
  ): Promise<readonly { readonly tenant: string; readonly executionId: string }[]>;
  /**
   * Whose execution it is: a machine knows it by its id alone. `open`: it is still the machine's, not
   * over and not handed to the engine. Null: there is none.
   */
  find(executionId: string): Promise<{ readonly tenant: string; readonly open: boolean } | null>;
  /** Signals that wait, in the order in which they came. */
  signals(limit: number): Promise<readonly PendingSignal[]>;
  /** A signal that has been delivered, or that nobody wants any more. */
  consumed(signal: PendingSignal): Promise<void>;
  /**
   * Gives an execution whose machine has stopped to the engine, which ends it: signals stay for it.
   * False when the engine has it already, or it has ended.
   */
  handToEngine(tenant: string, executionId: string, now: number): Promise<boolean>;
  /**
   * Makes an execution that has not begun one of the engine, from its beginning on. False when it has
   * begun, or is the engine's already.
   */
  fallBack(tenant: string, executionId: string, now: number): Promise<boolean>;
}

export interface PendingSignal {
  readonly id: string;
  readonly tenant: string;
  readonly executionId: string;
  readonly signal: Signal;
}
