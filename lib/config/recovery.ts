import { resourceNames } from './resources.ts';
import type { Stage } from './stages.ts';

/** What the platform promises when something is lost; drills are held to it. */
export const OBJECTIVES = {
  /** Transactions that may be lost, in seconds of time. */
  recoveryPointSeconds: 3_600,
  /** Until everything works again, verified. */
  recoveryTimeSeconds: 4 * 3_600,
} as const;

/** How long backups are kept, and when the clock makes them, in UTC. */
export const BACKUPS = {
  daily: { schedule: 'cron(0 2 * * ? *)', keptDays: 30 },
  monthly: { schedule: 'cron(0 3 1 * ? *)', keptDays: 90 },
} as const;

/**
 * Rehearsals that the clock calls for. `zone` is injected by itself and stopped by an alarm; the others
 * are people's, and the clock reminds them.
 */
export const DRILLS = {
  zone: {
    about: 'one availability zone is cut off for ten minutes',
    schedule: 'cron(0 10 ? * TUE#1 *)',
    runbook: 'docs/runbooks/zone-failure.md',
  },
  region: {
    about: 'the standby region takes over, outside business hours, and gives back',
    schedule: 'cron(0 8 1 1,4,7,10 ? *)',
    runbook: 'docs/runbooks/region-failure.md',
  },
  complete: {
    about: 'a complete disaster is played through with everybody concerned',
    schedule: 'cron(0 8 1 2 ? *)',
    runbook: 'docs/runbooks/drills.md',
  },
} as const;

/** Names that the stack of the database and those of recovery share, in either region. */
export function databaseNames(stage: Stage) {
  const { database, globalDatabase } = resourceNames(stage);
  return {
    cluster: database,
    global: globalDatabase,
    vault: `cloudflow-${stage}`,
    copies: `cloudflow-${stage}-restored`,
    standbyInstance: `cloudflow-${stage}-standby-1`,
  } as const;
}

/** The vault of backups in a region. */
export function vaultArn(
  { stage, account }: { readonly stage: Stage; readonly account: string },
  region: string,
): string {
  return `arn:aws:backup:${region}:${account}:backup-vault:${databaseNames(stage).vault}`;
}

/** How far copies in the other region, of the database and of buckets, may be behind before somebody is told. */
export const COPY_BEHIND_SECONDS = 15 * 60;

/** How long clients may go on to where a name led before. */
export const DNS_TTL_SECONDS = 60;

/** What clusters are called that a restore makes and removes again: nothing else may be removed. */
export function restoredPrefix(stage: Stage): string {
  return `cloudflow-${stage}-restored-`;
}

/** What the deployment tells operations of the region that serves. */
export interface HomeFacts {
  readonly stage: Stage;
  readonly region: string;
  readonly cluster: string;
  readonly vault: string;
  /** Names of secrets that are listed begin with it. */
  readonly secretsPrefix: string;
  /** Null: the stage has no Kafka. */
  readonly topicsCluster: string | null;
  /** What copies of the database are made with. */
  readonly copies: {
    readonly subnetGroup: string;
    readonly securityGroup: string;
    readonly parameterGroup: string;
    readonly maxUnits: number;
  };
  /** Where backups are written out to, as whom, and sealed with which key. */
  readonly archive: { readonly bucket: string; readonly role: string; readonly key: string };
}

/** What it tells those of the region that waits. */
export interface StandbyFacts {
  readonly stage: Stage;
  readonly region: string;
  readonly cluster: string;
  readonly clusterArn: string;
  readonly globalDatabase: string;
  /** Made before the database can be promoted: none runs while it waits. */
  readonly instance: string;
  readonly instanceClass: string;
  /** Null: the API has no name of its own. */
  readonly dns: { readonly zone: string; readonly name: string; readonly host: string } | null;
  /** Null: no engine waits here. */
  readonly engine: {
    readonly cluster: string;
    readonly service: string;
    readonly least: number;
    readonly most: number;
  } | null;
}
