/**
 * Where the local Step Functions keep the histories of their executions. A row is a text that only
 * they read; it is never changed, and never deleted while its execution runs.
 */
export interface HistoryStore {
  /**
   * Stores all rows or none; they are durable when the promise resolves. False when the execution
   * already has a row with one of these numbers: somebody else wrote, and the caller must reload.
   */
  append(executionArn: string, rows: readonly StoredRow[]): Promise<boolean>;
  /** The texts of all rows in order of `seq`; none for an unknown execution. */
  load(executionArn: string): Promise<readonly string[]>;
  /** Executions without a row that `ends`, in order of their ARNs, after `after`, at most `limit`. */
  unfinished(after: string | null, limit: number): Promise<readonly string[]>;
}

export interface StoredRow {
  /** 1, 2, 3 … within the execution, without gaps. */
  readonly seq: number;
  /** True for the last row that the execution will ever have. */
  readonly ends: boolean;
  readonly text: string;
}
