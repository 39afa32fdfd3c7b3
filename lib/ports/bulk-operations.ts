import type { ExecutionFilter, Mode, Page, PageRequest } from './execution-store.ts';

export const BULK_ACTIONS = ['cancel', 'pause', 'resume', 'retry'] as const;
export type BulkAction = (typeof BULK_ACTIONS)[number];

export interface BulkRequest {
  /** Of the executions it is about; its mode is the operation's. */
  readonly filter: ExecutionFilter;
  /** Of a cancel. */
  readonly compensate: boolean | null;
  readonly reason: string | null;
  /** Those that whoever asked may touch; null: all. */
  readonly workflows: readonly string[] | null;
}

export interface BulkRefusal {
  readonly executionId: string;
  /** Of the error catalogue. */
  readonly code: string;
}

export interface BulkCounts {
  /** `changed`, `refused` and `failed` together. */
  readonly seen: number;
  readonly changed: number;
  /** Not possible any more, such as to cancel what has ended. */
  readonly refused: number;
  /** Our fault; the log says why. */
  readonly failed: number;
  readonly refusals: readonly BulkRefusal[];
}

export interface BulkOperation extends BulkCounts {
  readonly tenant: string;
  readonly mode: Mode;
  readonly id: string;
  readonly action: BulkAction;
  readonly request: BulkRequest;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly status: 'RUNNING' | 'COMPLETED' | 'CANCELLED';
  /** Most executions that are looked at. */
  readonly most: number;
  readonly position: string | null;
  readonly endedAt: number | null;
}

export type NewBulkOperation = Pick<
  BulkOperation,
  'tenant' | 'mode' | 'id' | 'action' | 'request' | 'createdBy' | 'createdAt' | 'most'
>;

/** What the API may do: one tenant at a time. */
export interface BulkOperations {
  /** False: as many as `mostOpen` are under way already. */
  create(operation: NewBulkOperation, mostOpen: number): Promise<boolean>;
  find(tenant: string, mode: Mode, id: string): Promise<BulkOperation | null>;
  /** Newest first. */
  list(tenant: string, mode: Mode, page: PageRequest): Promise<Page<BulkOperation>>;
  /** Answers it as it is then; one that has ended stays as it is. */
  cancel(tenant: string, mode: Mode, id: string, now: number): Promise<BulkOperation | null>;
}

/** What does them, across tenants. */
export interface BulkWork {
  /** The one whose turn it is, for so long; null: none is. */
  claim(leaseMs: number): Promise<(BulkOperation & { readonly epoch: number }) | null>;
  /** Records how far it has got and gives it back. False: somebody else has it since. */
  save(
    operation: BulkOperation & { readonly epoch: number },
    progress: BulkCounts & { readonly position: string | null; readonly endedAt: number | null },
  ): Promise<boolean>;
}
