import type { StartLimits } from '#core/plan/program.ts';
import type { Mode } from './execution-store.ts';

/** What holds starts, of one workflow or of all of a tenant together, and how much of it is used. */
export interface StartGate {
  /** What the definition says; null: nothing, or it is about all workflows together. */
  readonly declared: StartLimits | null;
  /** What operators say. The stricter of the two holds. */
  readonly set: (StartLimits & { readonly at: number; readonly by: string }) | null;
  /** Grows with what operators set; 0: they never did. */
  readonly revision: number;
  /** Executions that have begun and not ended, without children that a step waits for. */
  readonly running: number;
  readonly waiting: number;
  /** Since when the one waits that was accepted first; null: none does. */
  readonly oldestWaiting: number | null;
}

export interface StartLimitStore {
  /** `workflowId` null: of all workflows together. The workflow need not be there. */
  startGate(tenant: string, mode: Mode, workflowId: string | null): Promise<StartGate>;
  /** `limits` null: none are set any more. `revision` null: whatever it is. */
  setStartLimits(
    tenant: string,
    mode: Mode,
    workflowId: string | null,
    change: {
      readonly limits: StartLimits | null;
      readonly revision: number | null;
      readonly by: string;
      readonly now: number;
    },
  ): Promise<'done' | 'not_found' | 'changed'>;
  /** Executions of a workflow that have begun and not ended, the newest first: at most `limit`. */
  runningOf(
    tenant: string,
    mode: Mode,
    workflowId: string,
    limit: number,
  ): Promise<readonly string[]>;
}
