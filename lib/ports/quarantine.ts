import type { ExecutionRef } from './integrity-reader.ts';

/** What was found broken and is moved by nobody, until somebody who has looked at it lets it go. */
export interface QuarantinedExecution {
  readonly executionId: string;
  readonly workflowId: string;
  /** What does not hold: a word of `ViolationKind`. */
  readonly code: string;
  /** The same in a sentence that quotes nothing of the tenant's. */
  readonly reason: string;
  /** Business time, milliseconds. */
  readonly at: number;
}

/** Owner of what is set aside: nobody who could have a lease. */
export const QUARANTINE_OWNER = 'quarantine';

export interface Quarantine {
  /**
   * Sets one aside and tells the audit trail, together. False: it is set aside already, or it has no row.
   * Rejects when the store is away or may not be written.
   */
  setAside(
    ref: ExecutionRef,
    why: { readonly code: string; readonly reason: string; readonly at: number },
  ): Promise<boolean>;
}
