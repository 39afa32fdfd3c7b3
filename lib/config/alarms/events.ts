import { functionNames, functionSpec } from '../functions.ts';
import { resourceNames } from '../resources.ts';
import { aws, math, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, MINUTE, metric } from './alarm.ts';

export function eventAlarms({ stage, events }: StageSettings): readonly Alarm[] {
  const { kafka } = resourceNames(stage);
  const at = { 'Cluster Name': kafka };
  // MSK counts its brokers from 1.
  const brokers = Array.from({ length: events.brokers }, (_, i) => i + 1);
  const ofBrokers = (name: 'CpuUser' | 'CpuSystem' | 'KafkaDataLogsDiskUsed', prefix: string) =>
    Object.fromEntries(
      brokers.map((id) => [
        `${prefix}${id}`,
        aws('AWS/Kafka broker', name, 'Average', { ...at, 'Broker ID': String(id) }),
      ]),
    );
  const alarms: Alarm[] = [
    metric({
      name: 'kafka-offline',
      priority: 'P2',
      about: 'partitions of Kafka have no leader: events wait in the outbox',
      runbook: 'kafka',
      signal: series(aws('AWS/Kafka', 'OfflinePartitionsCount', 'Maximum', at)),
      threshold: 0,
      unit: '',
      periodSeconds: MINUTE,
      bad: 3,
      of: 3,
    }),
    metric({
      name: 'kafka-cpu',
      priority: 'P3',
      about: 'brokers of Kafka use more than 85 % of their processors',
      runbook: 'kafka',
      signal: math(`MAX([${brokers.map((id) => `user${id} + system${id}`).join(', ')}])`, {
        ...ofBrokers('CpuUser', 'user'),
        ...ofBrokers('CpuSystem', 'system'),
      }),
      threshold: 85,
      unit: '%',
      periodSeconds: 5 * MINUTE,
      bad: 3,
      of: 3,
    }),
  ];
  alarms.push(
    metric({
      name: 'log-archive-late',
      priority: 'P3',
      about: 'lines of logs wait for more than an hour to be written to their archive',
      runbook: 'log-archive',
      signal: series(
        aws('AWS/Firehose', 'DeliveryToS3.DataFreshness', 'Maximum', {
          DeliveryStreamName: resourceNames(stage).logArchive,
        }),
      ),
      threshold: 3_600,
      unit: 's',
      periodSeconds: 5 * MINUTE,
      bad: 3,
      of: 3,
    }),
  );
  for (const name of functionNames) {
    for (const trigger of functionSpec(name).triggers) {
      if (trigger.kind !== 'kafka') continue;
      alarms.push(
        metric({
          name: `${name}-lag`,
          priority: 'P2',
          about: `${name} is more than a minute behind on ${trigger.topic}`,
          runbook: 'kafka-lag',
          signal: series(
            aws('AWS/Kafka group', 'EstimatedMaxTimeLag', 'Maximum', {
              ...at,
              'Consumer Group': trigger.group,
              Topic: trigger.topic,
            }),
          ),
          threshold: 60,
          unit: 's',
          periodSeconds: MINUTE,
          bad: 5,
          of: 5,
        }),
      );
    }
  }
  // Express brokers have no disk of their own to fill.
  if (events.storage !== null) {
    alarms.push(
      metric({
        name: 'kafka-disk',
        priority: 'P3',
        about: 'brokers of Kafka have filled more than 85 % of their disks',
        runbook: 'kafka',
        signal: math('MAX(METRICS())', ofBrokers('KafkaDataLogsDiskUsed', 'disk')),
        threshold: 85,
        unit: '%',
        periodSeconds: 5 * MINUTE,
        bad: 3,
        of: 3,
      }),
    );
  }
  return alarms;
}
