import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Alias,
  Architecture,
  Code,
  Function as LambdaFunction,
  Runtime,
  RuntimeFamily,
} from 'aws-cdk-lib/aws-lambda';
import type { App } from 'aws-cdk-lib/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { BROKER_TYPES, type EventSettings, partitionsOf, replicationOf } from '#config/brokers.ts';
import { readStageSettings, type StageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { TOPICS, topicNames } from '#config/topics.ts';
import { KAFKA_LIMITS, type KafkaTrigger } from '#config/triggers.ts';
import { listenToTopic } from '#constructs/kafka-source.ts';
import { EventsStack } from '#stacks/events-stack.ts';
import { IdentityStack } from '#stacks/identity-stack.ts';
import { NetworkStack } from '#stacks/network-stack.ts';
import { StageStack } from '#stacks/stage-stack.ts';
import { type Resource, type Synthesised, synthesiseParts } from './synth.ts';

/** A function that reads a topic, as the registry would have it. */
const TRIGGER: KafkaTrigger = {
  kind: 'kafka',
  topic: 'notifications.email',
  group: 'notification-service',
  batchSize: 100,
  pollers: { least: 1, most: 8 },
  deadLetters: 'dead-letter-queue',
};

const SMALL: EventSettings = {
  broker: 'kafka.t3.small',
  brokers: 2,
  storage: { gigabytes: 10, maxGigabytes: 50 },
  maxPartitions: 32,
  maxPollers: 1,
};

interface Statement {
  readonly Sid: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
}

/** Every ARN of the cluster, of a topic or of a group as text, tokens and all. */
const text = (value: unknown): string => JSON.stringify(value);

describe.each(STAGES)('Kafka of stage %s', (stage) => {
  const read = readStageSettings({ stage, account: undefined }, {});
  // The smallest there can be, where a stage has none.
  const kafka = read.events ?? SMALL;
  const settings: StageSettings = { ...read, events: kafka };
  let made: Synthesised;
  let reader: readonly Statement[];
  let user: readonly Statement[];

  beforeAll(() => {
    made = synthesiseParts(settings, addEvents);
    const policies = made.ofType('AWS::IAM::Policy');
    const statementsOf = (role: string): readonly Statement[] =>
      policies
        .filter(({ Properties }) => text(Properties['Roles']).includes(role))
        .flatMap(
          ({ Properties }) =>
            (Properties['PolicyDocument'] as { Statement: readonly Statement[] }).Statement,
        );
    reader = statementsOf('Reader');
    user = statementsOf('Engine');
  });

  function addEvents(app: App): void {
    const identity = new IdentityStack(app, settings);
    const network = new NetworkStack(app, settings, identity.logKey);
    const events = new EventsStack(app, settings, { identity, network, kafka });
    const stack = new StageStack(app, 'Consumers', settings, 'programs of this test');
    const role = new Role(stack, 'Reader', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    });
    const handler = new LambdaFunction(stack, 'Function', {
      code: Code.fromInline('export const handler = async () => ({ batchItemFailures: [] });'),
      handler: 'index.handler',
      runtime: new Runtime('nodejs24.x', RuntimeFamily.NODEJS, { supportsInlineCode: true }),
      architecture: Architecture.ARM_64,
      role: role.withoutPolicyUpdates(),
    });
    const live = new Alias(stack, 'Live', { aliasName: 'live', version: handler.currentVersion });
    listenToTopic({ role, live }, events, TRIGGER);
    const engine = new Role(stack, 'Engine', {
      assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com'),
    });
    events.grants['kafka:workflow.commands:consume'](engine);
    events.grants['kafka:cache.invalidation:consume'](engine);
    events.grants['kafka:workflow.events:publish'](engine);
  }

  const only = (type: string): Resource => {
    const found = made.ofType(type);
    expect([type, found.length]).toEqual([type, 1]);
    return found[0]!;
  };

  it('passes CloudFormation’s own checks and those of cdk-nag', () => {
    expect(made.findings).toEqual([]);
    expect(made.idle).toEqual([]);
  });

  it('has every topic of the registry and no other, as many partitions and as long', () => {
    const topics = made.ofType('AWS::MSK::Topic').map(({ Properties, DeletionPolicy }) => {
      const configs = Buffer.from(String(Properties['Configs']), 'base64').toString();
      return {
        name: Properties['TopicName'],
        partitions: Properties['PartitionCount'],
        factor: Properties['ReplicationFactor'],
        configs: JSON.parse(configs) as unknown,
        deletion: DeletionPolicy,
      };
    });
    expect(topics).toEqual(
      topicNames.map((name) => ({
        name,
        partitions: Math.min(TOPICS[name].partitions, kafka.maxPartitions),
        factor: kafka.brokers === 2 ? 2 : 3,
        configs: { 'retention.ms': String(TOPICS[name].retentionDays * 24 * 3_600_000) },
        deletion: settings.retain ? 'Retain' : 'Delete',
      })),
    );
    if (stage === 'dev') return;
    for (const name of topicNames) {
      expect(partitionsOf(name, kafka)).toBe(TOPICS[name].partitions);
    }
  });

  it('makes its topics one after the other', () => {
    const topics = [...made.resources].filter(([, { Type }]) => Type === 'AWS::MSK::Topic');
    const after = topics.map(([, resource]) => (resource as { DependsOn?: string[] }).DependsOn);
    expect(after).toEqual([
      undefined,
      ...topics.slice(0, -1).map(([id]) => [id.slice(id.indexOf('/') + 1)]),
    ]);
  });

  it('lets nobody in but with a token of IAM and over TLS, and seals what it keeps', () => {
    const { Properties } = only('AWS::MSK::Cluster');
    expect(Properties).toMatchObject({
      KafkaVersion: '3.9.x.kraft',
      ClientAuthentication: {
        Sasl: { Iam: { Enabled: true }, Scram: { Enabled: false } },
        Tls: { Enabled: false },
        Unauthenticated: { Enabled: false },
      },
      EncryptionInfo: {
        EncryptionInTransit: { ClientBroker: 'TLS', InCluster: true },
        EncryptionAtRest: { DataVolumeKMSKeyId: expect.anything() },
      },
      LoggingInfo: { BrokerLogs: { CloudWatchLogs: { Enabled: true } } },
      BrokerNodeGroupInfo: { ConnectivityInfo: { PublicAccess: { Type: 'DISABLED' } } },
    });
    const { DeletionPolicy } = only('AWS::MSK::Cluster');
    expect(DeletionPolicy).toBe(settings.retain ? 'Retain' : 'Delete');
  });

  it('has as many brokers in every zone, in subnets with no way out', () => {
    const { broker, brokers } = kafka;
    const { NumberOfBrokerNodes, BrokerNodeGroupInfo } = only('AWS::MSK::Cluster').Properties as {
      NumberOfBrokerNodes: number;
      BrokerNodeGroupInfo: { InstanceType: string; ClientSubnets: readonly unknown[] };
    };
    expect(NumberOfBrokerNodes).toBe(brokers);
    expect(brokers % settings.zones.length).toBe(0);
    expect(BrokerNodeGroupInfo.InstanceType).toBe(broker);
    expect(BrokerNodeGroupInfo.ClientSubnets.length).toBe(settings.zones.length);
    for (const subnet of BrokerNodeGroupInfo.ClientSubnets)
      expect(text(subnet)).toContain('VpcData');
  });

  it('writes two copies before it accepts a message, or one of two where there are but two', () => {
    const { factor, minInSync } = replicationOf(kafka);
    expect([factor, minInSync]).toEqual(stage === 'dev' ? [2, 1] : [3, 2]);
    const configurations = made.ofType('AWS::MSK::Configuration');
    const standard = BROKER_TYPES[kafka.broker].kind === 'standard';
    expect(configurations.length).toBe(standard ? 1 : 0);
    for (const { Properties } of configurations) {
      const lines = String(Properties['ServerProperties']).split('\n');
      expect(lines).toEqual(
        expect.arrayContaining([
          'auto.create.topics.enable=false',
          'unclean.leader.election.enable=false',
          `default.replication.factor=${factor}`,
          `min.insync.replicas=${minInSync}`,
        ]),
      );
    }
    // Express brokers refuse a configuration that names what MSK fixes.
    expect('ConfigurationInfo' in only('AWS::MSK::Cluster').Properties).toBe(standard);
  });

  it('grows its storage where it has any of its own', () => {
    const { storage } = kafka;
    const info = only('AWS::MSK::Cluster').Properties['BrokerNodeGroupInfo'];
    expect(text(info).includes('StorageInfo')).toBe(storage !== null);
    if (storage === null) {
      expect(made.ofType('AWS::ApplicationAutoScaling::ScalableTarget')).toEqual([]);
      return;
    }
    expect(only('AWS::ApplicationAutoScaling::ScalableTarget').Properties).toMatchObject({
      ScalableDimension: 'kafka:broker-storage:VolumeSize',
      MaxCapacity: storage.maxGigabytes,
    });
    expect(
      only('AWS::ApplicationAutoScaling::ScalingPolicy').Properties[
        'TargetTrackingScalingPolicyConfiguration'
      ],
    ).toMatchObject({
      DisableScaleIn: true,
      PredefinedMetricSpecification: { PredefinedMetricType: 'KafkaBrokerStorageUtilization' },
    });
  });

  it('opens brokers to programs and to pollers, on the port of IAM alone', () => {
    interface Ports {
      readonly FromPort: number;
      readonly ToPort: number;
    }
    const group = made
      .ofType('AWS::EC2::SecurityGroup')
      .find(({ Properties }) => String(Properties['GroupDescription']).startsWith('brokers'))!;
    const apart = (type: string): readonly Ports[] =>
      made
        .ofType(type)
        .map(({ Properties }) => Properties as unknown as Ports & { readonly GroupId: unknown })
        .filter(({ GroupId }) => text(GroupId).includes('BrokerGroup'));
    const ingress = [
      ...(group.Properties['SecurityGroupIngress'] as readonly Ports[]),
      ...apart('AWS::EC2::SecurityGroupIngress'),
    ];
    expect(ingress.map(({ FromPort, ToPort }) => [FromPort, ToPort])).toEqual([
      [9098, 9098],
      [9098, 9098],
      [9098, 9098],
    ]);
    // Of the poller, which stands in the same group: to brokers, and to endpoints inside the network.
    expect(group.Properties['SecurityGroupEgress']).toEqual([
      expect.objectContaining({ CidrIp: settings.network.cidr, FromPort: 443, ToPort: 443 }),
    ]);
    expect(apart('AWS::EC2::SecurityGroupEgress').map(({ FromPort }) => FromPort)).toEqual([9098]);
  });

  it('starts a function for every batch, tells it again what failed, and then the dead letters', () => {
    const { Properties } = only('AWS::Lambda::EventSourceMapping');
    expect(Properties).toMatchObject({
      Topics: [TRIGGER.topic],
      AmazonManagedKafkaEventSourceConfig: { ConsumerGroupId: TRIGGER.group },
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: TRIGGER.batchSize,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: KAFKA_LIMITS.retries,
      DestinationConfig: { OnFailure: { Destination: 'kafka://dead-letter-queue' } },
      ProvisionedPollerConfig: {
        MinimumPollers: 1,
        MaximumPollers: Math.min(8, kafka.maxPollers),
        PollerGroupName: `cloudflow-${stage}`,
      },
    });
    expect(text(Properties['EventSourceArn'])).toContain('Cluster');
    expect(text(Properties['FunctionName'])).toContain('Live');
  });

  it('gives the role of that function what Lambda asks of it, each on its own resource', () => {
    const allowed = new Map(reader.map(({ Sid, Action, Resource }) => [Sid, { Action, Resource }]));
    expect([...allowed.keys()].sort()).toEqual(
      ['EnterCluster', 'JoinGroup', 'PollFromNetwork', 'ReadTopic', 'WriteDeadLetters'].sort(),
    );
    expect(allowed.get('EnterCluster')!.Action).toEqual([
      'kafka-cluster:Connect',
      'kafka-cluster:DescribeClusterDynamicConfiguration',
      'kafka:DescribeClusterV2',
    ]);
    expect(text(allowed.get('EnterCluster')!.Resource)).toMatch(/Cluster/);
    expect(allowed.get('ReadTopic')!.Action).toEqual([
      'kafka-cluster:DescribeTopic',
      'kafka-cluster:ReadData',
    ]);
    expect(text(allowed.get('ReadTopic')!.Resource)).toMatch(/Topicnotificationsemail/);
    expect(allowed.get('JoinGroup')!.Action).toEqual([
      'kafka-cluster:AlterGroup',
      'kafka-cluster:DescribeGroup',
    ]);
    expect(text(allowed.get('JoinGroup')!.Resource)).toMatch(/:group\/.*\/notification-service"/);
    expect(allowed.get('WriteDeadLetters')!.Action).toEqual([
      'kafka-cluster:DescribeTopic',
      'kafka-cluster:WriteData',
    ]);
    expect(text(allowed.get('WriteDeadLetters')!.Resource)).toMatch(/Topicdeadletterqueue/);
    for (const [sid, { Resource }] of allowed) {
      expect([sid, text(Resource).includes('*')]).toEqual([sid, sid === 'PollFromNetwork']);
    }
  });

  it('gives a program what its capabilities say: its topics, its groups, and no cluster but this', () => {
    const of = (sid: string): Statement => user.find(({ Sid }) => Sid === sid)!;
    expect(of('KafkaWorkflowEventsPublish').Action).toEqual([
      'kafka-cluster:DescribeTopic',
      'kafka-cluster:WriteData',
    ]);
    expect(text(of('KafkaWorkflowEventsPublish').Resource)).toMatch(/Topicworkflowevents/);
    expect(of('KafkaWorkflowEventsPublishEnter').Action).toEqual([
      'kafka-cluster:Connect',
      'kafka-cluster:WriteDataIdempotently',
    ]);
    expect(text(of('KafkaWorkflowCommandsConsumeGroup').Resource)).toMatch(/\/workflow-engine"/);
    expect(text(of('KafkaCacheInvalidationConsumeGroup').Resource)).toContain(
      '/cache-invalidation',
    );
    const actions = user.flatMap(({ Action }) => Action);
    expect(actions).not.toContain('kafka-cluster:CreateTopic');
    expect(actions.filter((action) => action.includes('*'))).toEqual([]);
  });
});
