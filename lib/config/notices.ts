import type { Priority } from './alarms/alarm.ts';
import { vaultArn } from './recovery.ts';
import type { StageSettings } from './stage-settings.ts';

/**
 * What people are told besides alarms, which measure: what AWS says of itself, and what is due by the
 * calendar. Each names the page that says what to do.
 */
export interface Notice {
  /** Unique; part of the name of its rule. */
  readonly name: string;
  readonly priority: Priority;
  readonly about: string;
  readonly page: string;
  readonly when: /** An event of the account's bus that looks so. */
    | {
        readonly kind: 'event';
        readonly source: string;
        readonly detailType: string;
        readonly detail: { readonly [member: string]: unknown };
      }
    /** Counted from when the notice was deployed. */
    | { readonly kind: 'days'; readonly every: number };
}

const SECRETS = 'docs/secrets.md';

const BACKUPS = 'docs/runbooks/backups.md';
const UNDONE = ['FAILED', 'ABORTED', 'EXPIRED'];

/** What AWS Backup could not do: its metrics say nothing of a job that never began. */
function ofBackups(settings: StageSettings): readonly Notice[] {
  const { region, standby } = settings;
  const notice = (
    name: string,
    about: string,
    detailType: string,
    detail: { readonly [member: string]: readonly string[] },
  ): Notice => ({
    name,
    priority: 'P2',
    about,
    page: BACKUPS,
    when: { kind: 'event', source: 'aws.backup', detailType, detail: { ...detail, state: UNDONE } },
  });
  const backups = notice(
    'backup-failed',
    'a backup of the database could not be made',
    'Backup Job State Change',
    { backupVaultArn: [vaultArn(settings, region)] },
  );
  if (standby === null) return [backups];
  return [
    backups,
    notice(
      'backup-copy-failed',
      'a backup could not be copied to the region that waits',
      'Copy Job State Change',
      { destinationBackupVaultArn: [vaultArn(settings, standby.region)] },
    ),
  ];
}

/** Of the region where the platform serves. */
export function noticesOf(settings: StageSettings): readonly Notice[] {
  return [
    ...ofBackups(settings),
    ...(settings.alerts.pagerDutySecret === null ? [] : [PAGER_DUTY_KEY]),
    // Where it waited, they are told by what waited there.
    ...(settings.takesOver === null ? everywhere(settings) : []),
  ];
}

/** Made elsewhere, so that no program can change it. */
const PAGER_DUTY_KEY: Notice = {
  name: 'pagerduty-key-due',
  priority: 'P3',
  about: 'the secret with the addresses of PagerDuty is to be changed within 10 days',
  page: SECRETS,
  when: { kind: 'days', every: 80 },
};

/** Of the region that waits: AWS tells what happens there nowhere else. */
export function standbyNoticesOf(settings: StageSettings): readonly Notice[] {
  return settings.standby === null ? [] : everywhere(settings);
}

/** What can happen wherever stacks and secrets are. */
function everywhere({ stage }: StageSettings): readonly Notice[] {
  return [
    {
      name: 'rotation-failed',
      priority: 'P2',
      about: 'a secret of the platform could not be changed by itself and keeps its old value',
      page: SECRETS,
      when: {
        kind: 'event',
        source: 'aws.secretsmanager',
        detailType: 'AWS Service Event via CloudTrail',
        detail: { eventName: ['RotationFailed', 'RotationAbandoned', 'TestRotationFailed'] },
      },
    },
    {
      name: 'stack-drifted',
      priority: 'P3',
      about: 'what runs is no longer what was deployed: somebody changed it by hand',
      page: 'docs/runbooks/drift.md',
      when: {
        kind: 'event',
        source: 'aws.cloudformation',
        detailType: 'CloudFormation Drift Detection Status Change',
        detail: {
          'stack-id': [{ wildcard: `*:stack/cloudflow-${stage}-*` }],
          'status-details': { 'stack-drift-status': ['DRIFTED'] },
        },
      },
    },
  ];
}
