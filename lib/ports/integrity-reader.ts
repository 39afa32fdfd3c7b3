import type { RecordedEvent } from '#core/execution/events.ts';
import type { ExecutionProjection, StepProjection } from '#core/execution/project.ts';
import type { Program } from '#core/plan/program.ts';

/** Reads what a store holds of executions, across tenants and past every index, to judge it. */
export interface IntegrityReader {
  /** Counted one by one where `exact`, else as the server estimates. */
  totals(exact: boolean): Promise<StoreTotals>;
  /**
   * About `count` executions, by chance: what has a row and what has events are drawn apart, so that
   * either without the other can come up. The same seed draws the same from the same store.
   */
  sample(count: number, seed: number): Promise<readonly ExecutionRef[]>;
  /** All that have a row, in order; `after` is the last one of the page before. */
  page(after: ExecutionRef | null, limit: number): Promise<readonly ExecutionRef[]>;
  /** Events whose execution has no row. */
  orphans(limit: number): Promise<readonly ExecutionRef[]>;
  /** Each as it stands at one instant, events in order. */
  read(refs: readonly ExecutionRef[]): Promise<readonly StoredExecution[]>;
  program(tenant: string, hash: string): Promise<Program | null>;
  close(): Promise<void>;
}

export interface ExecutionRef {
  readonly tenant: string;
  readonly executionId: string;
}

export interface StoreTotals {
  readonly executions: number;
  readonly events: number;
  readonly steps: number;
  readonly tenants: number;
  readonly exact: boolean;
  /** When the last execution of all was accepted; null: there is none. */
  readonly lastAcceptedAt: number | null;
}

export interface StoredExecution {
  readonly ref: ExecutionRef;
  /** Null: there are only events. */
  readonly row: StoredRow | null;
  readonly events: readonly StoredEvent[];
  readonly steps: readonly StepProjection[];
}

export interface StoredRow extends ExecutionProjection {
  readonly programHash: string;
}

/** `event` null: its text cannot be read. */
export interface StoredEvent {
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  readonly event: RecordedEvent['event'] | null;
}
