import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import { Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnCluster, CfnConfiguration, CfnTopic } from 'aws-cdk-lib/aws-msk';
import { Fn, RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { BROKER_TYPES, type EventSettings, partitionsOf, replicationOf } from '#config/brokers.ts';
import {
  KAFKA_ACTIONS,
  type KafkaCapability,
  type KafkaUse,
  kafkaUses,
} from '#config/capabilities.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { TOPICS, type TopicName, topicNames } from '#config/topics.ts';
import { allow, type Grant, sidOf } from '#constructs/grants.ts';
import type { TopicSource } from '#constructs/kafka-source.ts';
import type { Identity } from './identity.ts';
import { KAFKA_PORT, type Network } from './network-stack.ts';
import { StageStack } from './stage-stack.ts';

/** What the tests run against, with its own consensus and no ZooKeeper. */
const KAFKA_VERSION = '3.9.x.kraft';
const DAY_MS = 86_400_000;
/** Full enough to grow: what a broker has written while it grows must still fit. */
const STORAGE_TARGET_PERCENT = 60;

/**
 * Kafka: a cluster that nobody enters but with a token of IAM and over TLS, and every topic of the
 * registry. Nobody may create another topic, and brokers make none by themselves.
 */
export class EventsStack extends StageStack implements TopicSource {
  readonly clusterName: string;
  readonly clusterArn: string;
  readonly topicArns: { readonly [T in TopicName]: string };
  readonly grants: { readonly [C in KafkaCapability]: Grant };
  readonly maxPollers: number;
  private readonly kafka: EventSettings;

  constructor(
    scope: Construct,
    settings: StageSettings,
    {
      identity,
      network,
      kafka,
    }: {
      readonly identity: Identity;
      readonly network: Network;
      readonly kafka: EventSettings;
    },
  ) {
    super(scope, 'Events', settings, 'Kafka and its topics');
    const { stage } = settings;
    this.kafka = kafka;
    this.maxPollers = kafka.maxPollers;
    const removalPolicy = settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;

    const log = new LogGroup(this, 'BrokerLog', {
      // Under this name MSK may write without growing a policy of ours.
      logGroupName: `/aws/vendedlogs/msk/cloudflow-${stage}`,
      retention: settings.logDays,
      encryptionKey: identity.logKey,
      removalPolicy,
    });
    const configuration = this.configure();
    this.clusterName = `cloudflow-${stage}`;
    const cluster = new CfnCluster(this, 'Cluster', {
      clusterName: this.clusterName,
      kafkaVersion: KAFKA_VERSION,
      numberOfBrokerNodes: kafka.brokers,
      brokerNodeGroupInfo: {
        instanceType: kafka.broker,
        clientSubnets: network.vpc.selectSubnets({ subnetType: SubnetType.PRIVATE_ISOLATED })
          .subnetIds,
        securityGroups: [this.brokerGroup(network).securityGroupId],
        connectivityInfo: { publicAccess: { type: 'DISABLED' } },
        ...(kafka.storage === null
          ? {}
          : { storageInfo: { ebsStorageInfo: { volumeSize: kafka.storage.gigabytes } } }),
      },
      ...(configuration === null
        ? {}
        : {
            configurationInfo: {
              arn: configuration.attrArn,
              revision: configuration.attrLatestRevisionRevision,
            },
          }),
      clientAuthentication: {
        sasl: { iam: { enabled: true }, scram: { enabled: false } },
        tls: { enabled: false },
        unauthenticated: { enabled: false },
      },
      encryptionInfo: {
        encryptionAtRest: { dataVolumeKmsKeyId: identity.dataKey.keyArn },
        encryptionInTransit: { clientBroker: 'TLS', inCluster: true },
      },
      loggingInfo: {
        brokerLogs: { cloudWatchLogs: { enabled: true, logGroup: log.logGroupName } },
      },
      // Lag of consumers is told at every level.
      enhancedMonitoring: 'DEFAULT',
    });
    cluster.applyRemovalPolicy(removalPolicy);
    this.clusterArn = cluster.attrArn;
    this.growStorage(cluster);
    this.topicArns = this.makeTopics(cluster, removalPolicy);
    this.grants = this.makeGrants();
  }

  /** ARN of a consumer group. The id in it is that of this cluster, so it holds for no successor. */
  groupArn(group: string): string {
    const { region, account } = this.settings;
    const id = Fn.select(2, Fn.split('/', this.clusterArn));
    return `arn:aws:kafka:${region}:${account}:group/${this.clusterName}/${id}/${group}`;
  }

  /** What MSK fixes for express brokers, with the same meaning for standard ones. */
  private configure(): CfnConfiguration | null {
    const { stage } = this.settings;
    if (BROKER_TYPES[this.kafka.broker].kind === 'express') return null;
    const { factor, minInSync } = replicationOf(this.kafka);
    const properties = {
      'auto.create.topics.enable': false,
      'default.replication.factor': factor,
      'min.insync.replicas': minInSync,
      'offsets.topic.replication.factor': factor,
      'transaction.state.log.replication.factor': factor,
      'transaction.state.log.min.isr': minInSync,
      'unclean.leader.election.enable': false,
    };
    return new CfnConfiguration(this, 'Configuration', {
      name: `cloudflow-${stage}`,
      description: `CloudFlow ${stage}`,
      serverProperties: Object.entries(properties)
        .map(([key, value]) => `${key}=${value}`)
        .join('\n'),
    });
  }

  /**
   * Clients come in from their own groups. Pollers of Lambda stand in this group beside the brokers,
   * so it lets itself in and out; of AWS they reach only what has an endpoint inside the network.
   */
  private brokerGroup(network: Network): SecurityGroup {
    const group = new SecurityGroup(this, 'BrokerGroup', {
      vpc: network.vpc,
      description: 'brokers, and what Lambda polls them with',
      allowAllOutbound: false,
    });
    for (const [name, client] of [
      ['programs inside', network.insideGroup],
      ['programs that call outside', network.outsideGroup],
    ] as const) {
      group.addIngressRule(
        Peer.securityGroupId(client.securityGroupId),
        Port.tcp(KAFKA_PORT),
        name,
      );
    }
    group.addIngressRule(group, Port.tcp(KAFKA_PORT), 'pollers to brokers');
    group.addEgressRule(group, Port.tcp(KAFKA_PORT), 'pollers to brokers');
    group.addEgressRule(
      Peer.ipv4(this.settings.network.cidr),
      Port.tcp(443),
      'pollers to endpoints of AWS',
    );
    return group;
  }

  private growStorage(cluster: CfnCluster): void {
    const { storage } = this.kafka;
    if (storage === null) return;
    const target = new CfnScalableTarget(this, 'Storage', {
      serviceNamespace: 'kafka',
      scalableDimension: 'kafka:broker-storage:VolumeSize',
      resourceId: cluster.attrArn,
      minCapacity: 1,
      maxCapacity: storage.maxGigabytes,
    });
    new CfnScalingPolicy(this, 'StorageGrows', {
      policyName: `${this.clusterName}-broker-storage`,
      policyType: 'TargetTrackingScaling',
      scalingTargetId: target.ref,
      targetTrackingScalingPolicyConfiguration: {
        targetValue: STORAGE_TARGET_PERCENT,
        // A volume never shrinks.
        disableScaleIn: true,
        predefinedMetricSpecification: {
          predefinedMetricType: 'KafkaBrokerStorageUtilization',
        },
      },
    });
  }

  private makeTopics(
    cluster: CfnCluster,
    removalPolicy: RemovalPolicy,
  ): { readonly [T in TopicName]: string } {
    const { kafka } = this;
    let before: CfnTopic | null = null;
    const topics = topicNames.map((name) => {
      const topic = new CfnTopic(this, `Topic-${name}`, {
        clusterArn: cluster.attrArn,
        topicName: name,
        partitionCount: partitionsOf(name, kafka),
        replicationFactor: replicationOf(kafka).factor,
        configs: Buffer.from(
          JSON.stringify({ 'retention.ms': String(TOPICS[name].retentionDays * DAY_MS) }),
        ).toString('base64'),
      });
      topic.applyRemovalPolicy(removalPolicy);
      // The cluster refuses a second change while one is under way.
      if (before !== null) topic.addResourceDependency(before);
      before = topic;
      return [name, topic.attrTopicArn] as const;
    });
    return Object.fromEntries(topics) as { [T in TopicName]: string };
  }

  private makeGrants(): { readonly [C in KafkaCapability]: Grant } {
    const grant =
      (topic: TopicName, use: KafkaUse): Grant =>
      (role) => {
        const actions = KAFKA_ACTIONS[use];
        const sid = sidOf(`kafka:${topic}:${use}`);
        allow(role, {
          sid: `${sid}Find`,
          actions: actions.account,
          resources: ['*'],
          star: 'where a cluster is to be reached knows no resource that it could be narrowed to',
        });
        allow(role, {
          sid: `${sid}Enter`,
          actions: actions.cluster,
          resources: [this.clusterArn],
        });
        allow(role, { sid, actions: actions.topic, resources: [this.topicArns[topic]] });
        if (actions.group.length === 0) return;
        allow(role, {
          sid: `${sid}Group`,
          actions: actions.group,
          resources: TOPICS[topic].groups.map((group) => this.groupArn(group)),
          star: 'processes that each read everything are groups of their own, made at run time',
        });
      };
    return ofEachUse(grant);
  }
}

function ofEachUse(grant: (topic: TopicName, use: KafkaUse) => Grant): {
  readonly [C in KafkaCapability]: Grant;
} {
  return Object.fromEntries(
    topicNames.flatMap((topic) =>
      kafkaUses.map((use) => [`kafka:${topic}:${use}`, grant(topic, use)]),
    ),
  ) as { [C in KafkaCapability]: Grant };
}

/** Of a stage without Kafka: there is nothing to reach, and who would use it does without. */
export const NO_KAFKA = ofEachUse(() => () => undefined);
