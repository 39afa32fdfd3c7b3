import type { AwsMetricName } from '../aws-metrics.ts';
import type { EventSettings } from '../brokers.ts';
import { type FunctionSpec, functionNames, functionSpec } from '../functions.ts';
import { findingsLog } from '../log-protection.ts';
import { resourceNames } from '../resources.ts';
import { aws, math, ours, type Statistic, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, MINUTE, metric, presence } from './alarm.ts';

/** Every function that reads a topic of Kafka, and how far it is behind, in seconds. */
export function consumersOf(
  stage: string,
  specs: readonly (readonly [string, Pick<FunctionSpec, 'triggers'>])[] = functionNames.map(
    (name) => [name, functionSpec(name)],
  ),
) {
  return specs.flatMap(([name, { triggers }]) =>
    triggers.flatMap((trigger) => {
      if (trigger.kind !== 'kafka') return [];
      const { topic, group } = trigger;
      const behind = aws('AWS/Kafka group', 'EstimatedMaxTimeLag', 'Maximum', {
        'Cluster Name': resourceNames(stage).kafka,
        'Consumer Group': group,
        Topic: topic,
      });
      return [{ name, topic, behind }];
    }),
  );
}

export function eventAlarms(settings: StageSettings): readonly Alarm[] {
  const { stage, events } = settings;
  return [...(events === null ? [] : kafkaAlarms(stage, events)), ...logAlarms(stage)];
}

function logAlarms(stage: string): readonly Alarm[] {
  return [
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
    metric({
      name: 'personal-data-in-logs',
      priority: 'P3',
      about: 'a line of a log holds an address, a number or a credential, which was hidden',
      runbook: 'personal-data-in-logs',
      signal: series(
        aws('AWS/Logs', 'IncomingLogEvents', 'Sum', { LogGroupName: findingsLog(stage) }),
      ),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    }),
  ];
}

function kafkaAlarms(stage: string, events: EventSettings): readonly Alarm[] {
  const { kafka } = resourceNames(stage);
  const at = { 'Cluster Name': kafka };
  // MSK counts its brokers from 1.
  const brokers = Array.from({ length: events.brokers }, (_, i) => i + 1);
  const ofBroker = (
    id: number,
    name: AwsMetricName<'AWS/Kafka broker'>,
    statistic: Statistic = 'Average',
  ) => aws('AWS/Kafka broker', name, statistic, { ...at, 'Broker ID': String(id) });
  const ofBrokers = (name: AwsMetricName<'AWS/Kafka broker'>) =>
    Object.fromEntries(brokers.map((id) => [`broker${id}`, ofBroker(id, name)]));
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
      // One series a broker: what is not idle. In user space and in the system it would be two.
      signal: math('100 - MIN(METRICS())', ofBrokers('CpuIdle')),
      threshold: 85,
      unit: '%',
      periodSeconds: 5 * MINUTE,
      bad: 3,
      of: 3,
    }),
    metric({
      name: 'engines-not-heard',
      priority: 'P3',
      about: 'engines do not answer over Kafka: who waits for one waits in vain for five seconds',
      runbook: 'engines-not-heard',
      signal: series(ours(stage, 'EnginesNotHeard', 'Sum', {})),
      threshold: 3,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 2,
      of: 3,
    }),
    ...presence(
      {
        name: 'kafka-brokers',
        priority: 'P3',
        about: `fewer brokers of Kafka run than its ${events.brokers}`,
        runbook: 'kafka',
      },
      brokers.map((id) => ofBroker(id, 'CpuIdle', 'SampleCount')),
    ),
  ];
  for (const { name, topic, behind } of consumersOf(stage)) {
    alarms.push(
      metric({
        name: `${name}-lag`,
        priority: 'P2',
        about: `${name} is more than a minute behind on ${topic}`,
        runbook: 'kafka-lag',
        signal: series(behind),
        threshold: 60,
        unit: 's',
        periodSeconds: MINUTE,
        bad: 5,
        of: 5,
      }),
    );
  }
  // Express brokers have no disk of their own to fill.
  if (events.storage !== null) {
    alarms.push(
      metric({
        name: 'kafka-disk',
        priority: 'P3',
        about: 'brokers of Kafka have filled more than 85 % of their disks',
        runbook: 'kafka',
        signal: math('MAX(METRICS())', ofBrokers('KafkaDataLogsDiskUsed')),
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
