import type { Priority } from './alarms/alarm.ts';

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

/** Secrets that people change are due so often; they are told this many days before. */
export const SECRET_DAYS = { due: 90, before: 10 } as const;

const SECRETS = 'docs/secrets.md';

/** A secret that no program may change by itself, because what it sealed would be lost with it. */
const byHand = (secret: 'cursor-key' | 'identity-key'): Notice => ({
  name: `${secret}-due`,
  priority: 'P3',
  about: `the secret ${secret} is to be changed within ${SECRET_DAYS.before} days`,
  page: SECRETS,
  when: { kind: 'days', every: SECRET_DAYS.due - SECRET_DAYS.before },
});

export function noticesOf(stage: string): readonly Notice[] {
  return [
    byHand('cursor-key'),
    byHand('identity-key'),
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
