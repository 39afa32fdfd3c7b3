import type { JsonObject } from '#core/json.ts';

/**
 * What the platform asks of the world in order to operate itself. What is not there is an answer; what
 * cannot be done is an `OperationFailure`. Every change may be repeated: done already is done.
 */

// ── databases ────────────────────────────────────────────────────────────────────────────────

export interface RecoveryPoint {
  /** What a cluster can be restored from. */
  readonly id: string;
  readonly at: number;
}

export interface Backups {
  /** The newest one of the database that is complete; null: there is none. */
  latest(vault: string): Promise<RecoveryPoint | null>;
}

export interface Cluster {
  readonly id: string;
  /** As AWS says it: `creating`, `available`, `deleting`, ... */
  readonly status: string;
  readonly host: string;
  readonly createdAt: number;
  readonly instances: readonly { readonly id: string; readonly status: string }[];
}

/** Where a copy comes from: a recovery point, or the database itself as it was at an instant. */
export type CopyOf = { readonly point: string } | { readonly cluster: string; readonly at: number };

export interface NewCluster {
  readonly id: string;
  readonly of: CopyOf;
  readonly subnetGroup: string;
  readonly securityGroups: readonly string[];
  readonly parameterGroup: string;
  /** Capacity units of Aurora that one instance may grow to. */
  readonly maxUnits: number;
  /** Who made it, for the bill and for whoever finds it. */
  readonly tags: { readonly [name: string]: string };
}

export interface Clusters {
  find(id: string): Promise<Cluster | null>;
  /** Those whose id begins with this. */
  list(prefix: string): Promise<readonly Cluster[]>;
  restore(request: NewCluster): Promise<void>;
  addInstance(cluster: string, instance: string, instanceClass: string): Promise<void>;
  removeInstance(instance: string): Promise<void>;
  /** False: not yet, it is being changed. No snapshot is kept. */
  remove(cluster: string): Promise<boolean>;
}

export interface GlobalDatabase {
  readonly status: string;
  /** Of a take-over that is under way. */
  readonly moving: string | null;
  readonly members: readonly {
    readonly arn: string;
    readonly region: string;
    readonly writer: boolean;
  }[];
}

export interface GlobalDatabases {
  find(id: string): Promise<GlobalDatabase | null>;
  /**
   * Makes the cluster the writer. `planned`: the others are brought level first, nothing is lost;
   * `unplanned`: the old writer is given up with what it had not sent.
   */
  promote(id: string, clusterArn: string, how: 'planned' | 'unplanned'): Promise<void>;
}

/** A backup that is written out as files, which need no database to be read. */
export interface ArchiveTask {
  /** As AWS says it: `STARTING`, `IN_PROGRESS`, `COMPLETE`, `FAILED`, `CANCELED`, ... */
  readonly status: string;
  readonly percent: number;
  /** Null: not known yet. */
  readonly gigabytes: number | null;
  /** Why it failed. */
  readonly cause: string | null;
}

export interface Archives {
  begin(request: {
    readonly id: string;
    /** A recovery point. */
    readonly of: string;
    readonly bucket: string;
    /** Where in the bucket: files lie under it and the id. */
    readonly prefix: string;
    /** Who writes them, and the key that they are sealed with. */
    readonly role: string;
    readonly key: string;
  }): Promise<void>;
  find(id: string): Promise<ArchiveTask | null>;
}

// ── what people reach, and what works ───────────────────────────────────────────────────────

export interface DnsRecord {
  /** Where answers lead. */
  readonly host: string;
  /** Null: an alias of AWS, which lives as long as its target says. */
  readonly ttlSeconds: number | null;
}

export interface Dns {
  find(zone: string, name: string): Promise<DnsRecord | null>;
  /** Makes the name a CNAME; answers the change, which is not everywhere yet. */
  point(zone: string, name: string, host: string, ttlSeconds: number): Promise<string>;
  isEverywhere(change: string): Promise<boolean>;
}

export interface Fleet {
  readonly desired: number;
  readonly running: number;
}

/** Tasks of one service, between bounds. */
export interface Fleets {
  find(cluster: string, service: string): Promise<Fleet | null>;
  scale(cluster: string, service: string, bounds: { least: number; most: number }): Promise<void>;
}

// ── what is written down ────────────────────────────────────────────────────────────────────

/** Of a secret everything but its value. */
export interface SecretFacts {
  readonly name: string;
  readonly createdAt: number | null;
  readonly changedAt: number | null;
  readonly rotatedAt: number | null;
  readonly nextRotationAt: number | null;
  readonly rotates: boolean;
  readonly rotateAfterDays: number | null;
  readonly deletedAt: number | null;
  /** Of a copy: where its original is. */
  readonly primaryRegion: string | null;
}

export interface SecretInventory {
  list(prefix: string): Promise<readonly SecretFacts[]>;
}

export interface TopicFacts {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly settings: { readonly [name: string]: string };
}

export interface TopicInventory {
  list(cluster: string): Promise<readonly TopicFacts[]>;
}

/** One time series that is kept of what happened. */
export interface MeasuredSeries {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: string;
}

export interface Measures {
  /** Of every day in UTC, from the first instant to before the last, of which anything is known: `2026-11-30`. */
  daily(series: MeasuredSeries, from: number, to: number): Promise<ReadonlyMap<string, number>>;
}

/** Documents by key, each written over the version that was read or not at all. */
export interface Documents {
  read(key: string): Promise<{ readonly text: string; readonly version: string } | null>;
  /** `over` null: only where nothing is. Answers the new version; null: something else was there. */
  write(key: string, text: string, over: string | null): Promise<string | null>;
}

export interface Announcements {
  say(subject: string, text: string): Promise<void>;
}

/** Asks whoever stands next to a database; the answer is an `IntegrityReport`. */
export interface IntegrityChecks {
  check(request: {
    /** Null: the database of this region. */
    readonly host: string | null;
    readonly executions: number;
    readonly seed: number;
  }): Promise<JsonObject>;
}
