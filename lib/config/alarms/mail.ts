import type { AwsMetricName } from '../aws-metrics.ts';
import { aws, math, type Series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, DAY, HOUR, metric } from './alarm.ts';

/** Below AWS's own: it reviews who sends from 5 % and 0.1 % on, and stops who comes to 10 % and 0.5 %. */
const BOUNCES_PERCENT = 4;
const COMPLAINTS_PERCENT = 0.08;
/** Fewer are single people, and no rate. */
const FEW_BOUNCES = 5;
const FEW_COMPLAINTS = 2;

/** What SES counts of mail that names the stage's configuration set. */
export function ofMail(
  { stage }: Pick<StageSettings, 'stage'>,
  name: AwsMetricName<'AWS/SES'>,
): Series {
  return aws('AWS/SES', name, 'Sum', { 'ses:configuration-set': `cloudflow-${stage}` });
}

export function mailAlarms(settings: StageSettings): readonly Alarm[] {
  if (settings.mail === null) return [];
  const sent = ofMail(settings, 'Send');
  return [
    metric({
      name: 'mail-bounces',
      priority: 'P2',
      about: `more than ${BOUNCES_PERCENT} % of the mail of an hour cannot be delivered: AWS stops who goes on so`,
      runbook: 'mail',
      signal: math(`IF(bounced >= ${FEW_BOUNCES}, 100 * bounced / sent, 0)`, {
        bounced: ofMail(settings, 'Bounce'),
        sent,
      }),
      threshold: BOUNCES_PERCENT,
      unit: '%',
      periodSeconds: HOUR,
      bad: 1,
      of: 1,
    }),
    metric({
      name: 'mail-complaints',
      priority: 'P2',
      about: `more than ${COMPLAINTS_PERCENT} % of the mail of a day is called spam: AWS stops who goes on so`,
      runbook: 'mail',
      signal: math(`IF(complained >= ${FEW_COMPLAINTS}, 100 * complained / sent, 0)`, {
        complained: ofMail(settings, 'Complaint'),
        sent,
      }),
      threshold: COMPLAINTS_PERCENT,
      unit: '%',
      periodSeconds: DAY,
      bad: 1,
      of: 1,
    }),
  ];
}
