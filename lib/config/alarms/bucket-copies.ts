import type { AwsMetricName } from '../aws-metrics.ts';
import { bucketNameOf, COPY_RULE, copiedBuckets, copyNameOf } from '../buckets.ts';
import { COPY_BEHIND_SECONDS } from '../recovery.ts';
import { aws, math, type Series, type Statistic } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, MINUTE, metric } from './alarm.ts';

/** What S3 measures of each bucket that is copied, by the bucket's name; none without a region that waits. */
export function ofCopies(
  settings: StageSettings,
  name: AwsMetricName<'AWS/S3 copies'>,
  statistic: Statistic,
): Readonly<Record<string, Series>> {
  const { standby } = settings;
  if (standby === null) return {};
  return Object.fromEntries(
    copiedBuckets.map((bucket) => [
      bucket,
      aws('AWS/S3 copies', name, statistic, {
        SourceBucket: bucketNameOf(settings, bucket),
        DestinationBucket: copyNameOf(settings, bucket, standby.region),
        RuleId: COPY_RULE,
      }),
    ]),
  );
}

/** S3 tells of what failed where the originals are. */
export function copyFailures(settings: StageSettings): readonly Alarm[] {
  if (settings.standby === null) return [];
  return [
    metric({
      name: 'bucket-copies-failed',
      priority: 'P2',
      about: 'objects could not be copied to the region that waits, and nobody tries again',
      runbook: 'bucket-copies',
      signal: math('SUM(METRICS())', ofCopies(settings, 'OperationsFailedReplication', 'Sum')),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    }),
  ];
}

/** And of how far the copies are behind where they are. */
export function copiesBehind(settings: StageSettings): Alarm {
  return metric({
    name: 'bucket-copies-behind',
    priority: 'P2',
    about: `copies of buckets are more than ${COPY_BEHIND_SECONDS / MINUTE} minutes behind`,
    runbook: 'bucket-copies',
    signal: math('MAX(METRICS())', ofCopies(settings, 'ReplicationLatency', 'Maximum')),
    threshold: COPY_BEHIND_SECONDS,
    unit: 's',
    periodSeconds: 5 * MINUTE,
    bad: 3,
    of: 3,
  });
}
