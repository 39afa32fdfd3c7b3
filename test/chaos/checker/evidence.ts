/** What a run left behind, as the checker reads it: rows of the store, its own ledger, the target's calls. */
import type { Call, LedgerLine, Probe } from '../records.ts';
import type { Definition } from '../workload.ts';

export interface LoggedEvent {
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  /** With `type` and what else it says. */
  readonly event: {
    readonly type: string;
    readonly step?: string;
    readonly [name: string]: unknown;
  };
}

export interface StepRow {
  readonly step: string;
  readonly status: string;
  readonly attempts: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly output: unknown;
}

export interface StoredExecution {
  readonly tenant: string;
  readonly id: string;
  readonly workflow: string;
  readonly version: string;
  readonly programHash: string;
  readonly runtime: string;
  readonly status: string;
  readonly output: unknown;
  readonly errorCode: string | null;
  readonly compensation: string | null;
  readonly owner: string | null;
  readonly epoch: number;
  readonly parent: string | null;
  /** The step of the parent that started it. */
  readonly parentStep: string | null;
  /** The label that its start gave it. */
  readonly key: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly events: readonly LoggedEvent[];
  readonly steps: readonly StepRow[];
}

/** A message of the outbox, in its order. */
export interface OutboxRow {
  readonly eventId: string;
  readonly type: string;
  readonly tenant: string;
  readonly execution: string;
  readonly topic: string;
}

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly eventId: string | null;
  readonly key: string;
  /** What its header says whose it is. */
  readonly tenant: string | null;
  readonly text: string;
}

export interface AuditRow {
  readonly tenant: string;
  readonly seq: number;
  readonly hash: string;
  readonly content: string;
}

export interface DeadLetterRow {
  readonly group: string;
  readonly key: string;
  readonly errorName: string;
  readonly status: string;
}

export interface PlatformEvidence {
  readonly tenants: readonly { readonly id: string; readonly canary: string }[];
  readonly definitions: readonly Definition[];
  readonly ledger: readonly LedgerLine[];
  readonly calls: readonly Call[];
  /** Idempotency records: tenant, key as the caller gave it, execution. */
  readonly keys: readonly {
    readonly tenant: string;
    readonly key: string;
    readonly execution: string;
  }[];
  /** Rows of the effects of database steps, by execution. */
  readonly effects: ReadonlyMap<string, number>;
  readonly outbox: readonly OutboxRow[];
  /** Null: the run had no Kafka. */
  readonly records: readonly TopicRecord[] | null;
  readonly usage: ReadonlyMap<string, number>;
  /** Sums of what readers counted of executions, over tenants, days and workflows. */
  readonly counted: { readonly [what: string]: number };
  readonly audit: readonly AuditRow[];
  readonly deadLetters: readonly DeadLetterRow[];
  /** Keys of records that nobody could use, which the harness put on the topic. */
  readonly poisoned: readonly string[];
  /** Groups that read the topic. */
  readonly readers: readonly string[];
  /** Texts of rows in which another tenant's canary stands. */
  readonly strayCanaries: readonly string[];
  /** Rows in which canaries were looked for. */
  readonly canariesLookedAt: number;
  /** Lines of the platform's own log that hold a canary. */
  readonly loggedCanaries: readonly string[];
  /** What the API said of executions: id, status, output. */
  readonly answers: ReadonlyMap<
    string,
    { readonly status: string; readonly output: unknown } | null
  >;
  /** Rows that must be gone when all has ended: checkpoints, signals, starts that wait. */
  readonly leftovers: { readonly [table: string]: number };
}

export interface LivenessEvidence {
  /** Real milliseconds from each kill until nothing was the dead process's any more; null: not in time. */
  readonly takeOvers: readonly {
    readonly fault: string;
    readonly ms: number | null;
    readonly had: number;
  }[];
  readonly takeOverBoundMs: number;
  /** Executions that had not ended when the time to heal was over. */
  readonly unfinished: readonly string[];
  readonly executions: number;
  readonly healed: {
    readonly outboxLag: number;
    readonly consumerLag: number | null;
    readonly openDeadLetters: number;
    readonly auditInbox: number;
  };
  /** Executions that ended in each second of real time. */
  readonly rate: { readonly calm: number; readonly faults: number; readonly after: number };
  /** The least share of the calm rate that must be there again after the faults. */
  readonly rateFloor: number;
  readonly before: Footprint;
  readonly end: Footprint;
  readonly probes: readonly Probe[];
  /** When the database was away: from, to. */
  readonly outages: readonly { readonly from: number; readonly to: number }[];
  /** When the platform itself was to be away. */
  readonly absences: readonly { readonly from: number; readonly to: number }[];
  readonly readyBoundMs: number;
}

/** What the platform takes up, besides work. */
export interface Footprint {
  readonly handles: number;
  readonly sessions: number;
  readonly memoryMb: number;
  /** Null: the run had no cache. */
  readonly keysWithoutEnd: number | null;
}
