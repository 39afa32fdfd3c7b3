import type { Mode } from './execution-store.ts';

/** Which workflows are started most, of all tenants. */
export interface HotWorkflows {
  /** Since the day of `since` (milliseconds), most first. */
  list(since: number, limit: number): Promise<readonly HotWorkflow[]>;
}

export interface HotWorkflow {
  readonly tenant: string;
  readonly mode: Mode;
  readonly workflowId: string;
}
