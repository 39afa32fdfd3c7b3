import type { ExecutionStatus } from '#core/execution/events.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { Program, RuntimeChoice } from '#core/plan/program.ts';
import type { Mode, Page, PageRequest } from './execution-store.ts';
import type { StartLimitStore } from './start-limits.ts';

/**
 * Definitions and their versions. A version never changes once stored, also not by deleting the
 * workflow and storing it anew. The highest version is the current one.
 */
export interface WorkflowStore extends StartLimitStore {
  /** One transaction: the version, and the workflow's row that lists and searches show. */
  storeVersion(version: NewVersion): Promise<StoreVersionAnswer>;
  find(tenant: string, mode: Mode, workflowId: string): Promise<WorkflowRecord | null>;
  /** The newest execution of a workflow; null: there is none. */
  latestExecution(tenant: string, mode: Mode, workflowId: string): Promise<LatestExecution | null>;
  list(
    tenant: string,
    mode: Mode,
    filter: {
      readonly text?: string;
      readonly stepType?: string;
      /** Only these. */
      readonly workflowIds?: readonly string[];
    },
    page: PageRequest,
  ): Promise<Page<WorkflowRecord>>;
  /** `revision` null: whatever it is. */
  remove(
    tenant: string,
    mode: Mode,
    workflowId: string,
    revision: number | null,
    now: number,
  ): Promise<'removed' | 'not_found' | 'changed' | 'paused'>;
  /** `same`: it was so already. `revision` as for `remove`. */
  setPause(
    tenant: string,
    mode: Mode,
    workflowId: string,
    change: {
      readonly pause: WorkflowPause | null;
      readonly revision: number | null;
      readonly now: number;
    },
  ): Promise<'done' | 'same' | 'not_found' | 'changed'>;
  /** `version` null: the current one. Versions of a deleted workflow are not found. */
  findVersion(
    tenant: string,
    mode: Mode,
    workflowId: string,
    version: string | null,
  ): Promise<VersionRecord | null>;
  /** Highest first. */
  listVersions(
    tenant: string,
    mode: Mode,
    workflowId: string,
    page: PageRequest,
  ): Promise<Page<VersionSummary>>;
}

export interface NewVersion {
  readonly tenant: string;
  readonly mode: Mode;
  readonly workflowId: string;
  readonly version: string;
  readonly definition: JsonObject;
  /** SHA-256 of the canonical definition. */
  readonly definitionHash: string;
  readonly program: Program;
  readonly warnings: Json;
  readonly report: Json;
  /** What `auto` means for this version, and why. */
  readonly runtime: ResolvedRuntime;
  readonly createdBy: string;
  readonly now: number;
  /** The revision that the author saw; null: not asked. 0: there must be none yet. */
  readonly expectedRevision: number | null;
}

export interface ResolvedRuntime {
  readonly choice: RuntimeChoice;
  readonly auto: 'engine' | 'step_functions';
  readonly reason: string;
  /** Codes of what keeps it off Step Functions; empty: it runs on both. */
  readonly stepFunctionsProblems: readonly string[];
}

export type StoreVersionAnswer =
  | {
      readonly kind: 'stored' | 'existing';
      readonly record: VersionRecord;
      readonly revision: number;
      /** Of the workflow. */
      readonly updatedAt: number;
    }
  /** The version exists with another definition. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'changed' }
  | { readonly kind: 'not_found' };

export interface WorkflowRecord {
  readonly tenant: string;
  readonly mode: Mode;
  readonly workflowId: string;
  /** The current version. */
  readonly version: string;
  readonly description: string | null;
  readonly runtime: RuntimeChoice;
  readonly stepCount: number;
  readonly versionCount: number;
  /** Grows with every change; what ETags are made of. */
  readonly revision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Its starts are accepted and wait; null: they begin. */
  readonly pause: WorkflowPause | null;
}

export interface WorkflowPause {
  readonly at: number;
  readonly by: string;
  readonly reason: string | null;
}

export interface LatestExecution {
  readonly id: string;
  readonly status: ExecutionStatus;
  readonly version: string;
  readonly createdAt: number;
  readonly endedAt: number | null;
}

export interface VersionSummary {
  readonly workflowId: string;
  readonly version: string;
  readonly description: string | null;
  readonly definitionHash: string;
  readonly programHash: string;
  readonly createdAt: number;
  readonly createdBy: string;
}

export interface VersionRecord extends VersionSummary {
  readonly tenant: string;
  readonly mode: Mode;
  readonly definition: JsonObject;
  readonly program: Program;
  readonly warnings: Json;
  readonly report: Json;
  readonly runtime: ResolvedRuntime;
}
