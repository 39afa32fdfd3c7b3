import type { Role } from 'aws-cdk-lib/aws-iam';
import { type Alias, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { KafkaDlq, ManagedKafkaEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { StageSettings } from '#config/stage-settings.ts';
import type { TopicName } from '#config/topics.ts';
import { KAFKA_LIMITS, type KafkaTrigger } from '#config/triggers.ts';
import { allow } from './grants.ts';

/** A cluster and its topics, as a function's trigger needs to know them. */
export interface TopicSource {
  readonly settings: StageSettings;
  /** What one function has at most. */
  readonly maxPollers: number;
  readonly clusterArn: string;
  readonly topicArns: { readonly [T in TopicName]: string };
  groupArn(group: string): string;
}

/**
 * What Lambda asks of the role of a function for which it polls a topic, by what it is asked of. The
 * construct of CDK gives a part of these, and none of those that the cluster itself asks for.
 */
export const POLLING = {
  account: [
    'kafka:GetBootstrapBrokers',
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSecurityGroups',
    'ec2:DescribeSubnets',
    'ec2:DescribeVpcs',
  ],
  cluster: [
    'kafka:DescribeClusterV2',
    'kafka-cluster:Connect',
    'kafka-cluster:DescribeClusterDynamicConfiguration',
  ],
  topic: ['kafka-cluster:DescribeTopic', 'kafka-cluster:ReadData'],
  group: ['kafka-cluster:DescribeGroup', 'kafka-cluster:AlterGroup'],
  deadLetters: ['kafka-cluster:DescribeTopic', 'kafka-cluster:WriteData'],
} as const;

/**
 * Starts a function for every batch of a topic. The mapping has pollers of its own (Lambda's
 * *provisioned mode*) in every stage that has Kafka: only with them does it count tries, halve a batch that fails and
 * hear which messages of a batch failed, and they need no endpoints beside the brokers. Functions of a
 * stage share them, so that what is paid for is one poller and not one for each function.
 */
export function listenToTopic(
  { role, live }: { readonly role: Role; readonly live: Alias },
  source: TopicSource,
  { topic, group, batchSize, pollers, deadLetters }: KafkaTrigger,
): void {
  const { maxPollers } = source;
  const { stage } = source.settings;
  allow(role, {
    sid: 'PollFromNetwork',
    actions: POLLING.account,
    resources: ['*'],
    star: 'Lambda finds the brokers and makes the network interfaces of its pollers as this role; most of that knows no resource',
  });
  allow(role, { sid: 'EnterCluster', actions: POLLING.cluster, resources: [source.clusterArn] });
  allow(role, { sid: 'ReadTopic', actions: POLLING.topic, resources: [source.topicArns[topic]] });
  allow(role, { sid: 'JoinGroup', actions: POLLING.group, resources: [source.groupArn(group)] });
  if (deadLetters !== null) {
    allow(role, {
      sid: 'WriteDeadLetters',
      actions: POLLING.deadLetters,
      resources: [source.topicArns[deadLetters]],
    });
  }
  live.addEventSource(
    new ManagedKafkaEventSource({
      clusterArn: source.clusterArn,
      topic,
      consumerGroupId: group,
      batchSize,
      startingPosition: StartingPosition.TRIM_HORIZON,
      provisionedPollerConfig: {
        minimumPollers: Math.min(pollers.least, maxPollers),
        maximumPollers: Math.min(pollers.most, maxPollers),
        pollerGroupName: `cloudflow-${stage}`,
      },
      reportBatchItemFailures: true,
      bisectBatchOnError: true,
      ...(deadLetters === null
        ? {}
        : { retryAttempts: KAFKA_LIMITS.retries, onFailure: new KafkaDlq(deadLetters) }),
    }),
  );
}
