/** What the local Step Functions ask of their surroundings, and what they can be asked. */
import type { Problem } from '#core/errors.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { Clock } from '#ports/clock.ts';
import type { Evaluator } from '#ports/evaluator.ts';
import type { HistoryStore } from '#ports/history-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { ExecutionStatus } from './execution.ts';
import type { HistoryEvent } from './history.ts';
import type { TaskCaller, TaskOutcome } from './outside.ts';

/** The outside of Task states. */
export interface Tasks {
  /**
   * Calls a function and answers with what it returned or threw; the error's name is the name that
   * Retry and Catch see. It is called again with the same `attemptKey` when a crash hid its answer.
   */
  invokeLambda(
    request: TaskCaller & { readonly functionName: string; readonly payload: Json },
  ): Promise<TaskOutcome>;
  /**
   * Runs a child whose machine is not in `definitions` to its end; `payload` is its output. Without
   * it, such a child is an error.
   */
  runExecution?(
    request: TaskCaller & {
      readonly stateMachineArn: string;
      readonly name: string;
      readonly input: Json;
    },
  ): Promise<TaskOutcome>;
}

/**
 * Where definitions come from; null for an ARN that names nothing. What was answered is not changed
 * afterwards, and the same object for the same definition saves parsing it again.
 */
export interface Definitions {
  load(stateMachineArn: string): Promise<JsonObject | null>;
}

export interface RuntimeOptions {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly evaluator: Evaluator;
  readonly store: HistoryStore;
  readonly tasks: Tasks;
  readonly definitions: Definitions;
  readonly maxConcurrentWork?: number;
  readonly maxOpenExecutions?: number;
  readonly roleArn?: string;
  /** Hears of faults that are nobody's answer: a store that is away, a history that is corrupt. */
  readonly onFault: (error: unknown, executionArn: string) => void;
}

export interface StartRequest {
  readonly tenant: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly input: Json;
}

export type StartResult =
  | { readonly ok: true; readonly executionArn: string; readonly startDate: number }
  | {
      readonly ok: false;
      readonly error:
        | 'ExecutionAlreadyExists'
        | 'ExecutionLimitExceeded'
        | 'InvalidDefinition'
        | 'InvalidExecutionInput'
        | 'InvalidName'
        | 'StateMachineDoesNotExist';
      readonly message: string;
      readonly problems?: readonly Problem[];
    };

export type TokenResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly error: 'InvalidToken' | 'TaskTimedOut' | 'InvalidOutput' };

export interface ExecutionDescription {
  readonly executionArn: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly status: ExecutionStatus;
  readonly startDate: number;
  readonly stopDate: number | null;
  readonly input: Json;
  readonly output: Json | null;
  readonly error: string | null;
  readonly cause: string | null;
}

export interface StateMachineRuntime {
  /** Idempotent by name while running: the same input gives the same execution. */
  startExecution(request: StartRequest): Promise<StartResult>;
  /** False for an unknown execution. Stopping one that has ended changes nothing. */
  stopExecution(executionArn: string, error: string | null, cause: string | null): Promise<boolean>;
  describeExecution(executionArn: string): Promise<ExecutionDescription | null>;
  getExecutionHistory(executionArn: string): Promise<readonly HistoryEvent[] | null>;
  sendTaskSuccess(token: string, output: Json): Promise<TokenResult>;
  sendTaskFailure(token: string, error: string, cause: string): Promise<TokenResult>;
  sendTaskHeartbeat(token: string): Promise<TokenResult>;
  /** Resolves with the description at the end; rejects when the runtime closes before. */
  waitForExecution(executionArn: string): Promise<ExecutionDescription>;
  /** Goes on with every unfinished execution; resolves when those that fit are open. */
  resume(): Promise<void>;
  /** Resolves when nothing is evaluated or stored: only timers, tokens and tasks can wake it. */
  idle(): Promise<void>;
  close(): Promise<void>;
}
