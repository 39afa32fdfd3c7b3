import {
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  IpAddresses,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { CACHE_PORT } from '#config/cache.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { StageStack } from './stage-stack.ts';

/** What programs and endpoints of ours call inside AWS, where the stage keeps those calls inside. */
const ENDPOINTS = {
  Secrets: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  Queues: InterfaceVpcEndpointAwsService.SQS,
  Machines: InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
  Keys: InterfaceVpcEndpointAwsService.KMS,
  Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  Traces: InterfaceVpcEndpointAwsService.XRAY,
  Images: InterfaceVpcEndpointAwsService.ECR,
  ImageLayers: InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Brokers: InterfaceVpcEndpointAwsService.KAFKA,
  Functions: InterfaceVpcEndpointAwsService.LAMBDA,
  Tokens: InterfaceVpcEndpointAwsService.STS,
} as const;

export const POSTGRES_PORT = 5432;
/** Where brokers of MSK listen to clients with a token of IAM, over TLS. */
export const KAFKA_PORT = 9098;

/** Where programs stand, whoever made it. */
export interface Network {
  readonly vpc: IVpc;
  /** Talks to the database, to the cache, to Kafka and to AWS, and to nobody else. */
  readonly insideGroup: SecurityGroup;
  /** Connects to where workflows say: the guard against private addresses is in the program. */
  readonly outsideGroup: SecurityGroup;
}

/**
 * The network, and the groups that clients stand in. Groups of stores live with their stores, which
 * let these in: the other way round the two stacks would need each other.
 */
export class NetworkStack extends StageStack implements Network {
  readonly vpc: Vpc;
  readonly insideGroup: SecurityGroup;
  readonly outsideGroup: SecurityGroup;

  constructor(scope: Construct, settings: StageSettings, logKey: IKey) {
    super(scope, 'Network', settings, 'network and groups of clients');
    const { network } = settings;

    this.vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr(network.cidr),
      maxAzs: settings.zones.length,
      natGateways: network.natGateways,
      // It is emptied by a function with wide permissions; nothing of ours stands in that group.
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [
        { name: 'Public', subnetType: SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        { name: 'Programs', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
        { name: 'Data', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
      gatewayEndpoints: {
        ObjectStore: { service: GatewayVpcEndpointAwsService.S3 },
        KeyValue: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
    });
    acknowledge(
      this.vpc,
      'CloudFormation-Validate::W3010',
      'zones are written in the settings of the stage, so that templates are made without an account',
    );
    logFlows(this, settings, this.vpc, logKey);
    const groups = makeClientGroups(this, settings, this.vpc);
    this.insideGroup = groups.insideGroup;
    this.outsideGroup = groups.outsideGroup;
    if (network.interfaceEndpoints) makeEndpoints(this, settings, this.vpc);
  }
}

/** Every connection that is made or refused, in a log. */
export function logFlows(
  stack: StageStack,
  settings: StageSettings,
  vpc: IVpc,
  logKey: IKey,
): void {
  vpc.addFlowLog('FlowLog', {
    trafficType: FlowLogTrafficType.ALL,
    destination: FlowLogDestination.toCloudWatchLogs(
      new LogGroup(stack, 'FlowLogGroup', {
        logGroupName: `/cloudflow/${settings.stage}/flow`,
        retention: settings.logDays,
        encryptionKey: logKey,
        removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      }),
    ),
  });
}

/** Groups that programs stand in. */
export function makeClientGroups(
  stack: StageStack,
  { network }: StageSettings,
  vpc: IVpc,
): Pick<Network, 'insideGroup' | 'outsideGroup'> {
  const insideGroup = new SecurityGroup(stack, 'InsideGroup', {
    vpc,
    description: 'programs that talk to the database, to Kafka and to AWS',
    allowAllOutbound: false,
  });
  insideGroup.addEgressRule(Peer.ipv4(network.cidr), Port.tcp(POSTGRES_PORT), 'PostgreSQL');
  insideGroup.addEgressRule(Peer.ipv4(network.cidr), Port.tcp(KAFKA_PORT), 'Kafka');
  insideGroup.addEgressRule(Peer.ipv4(network.cidr), Port.tcp(CACHE_PORT), 'the cache');
  insideGroup.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'AWS');
  const outsideGroup = new SecurityGroup(stack, 'OutsideGroup', {
    vpc,
    description: 'programs that connect to where workflows say',
    allowAllOutbound: false,
  });
  outsideGroup.addEgressRule(Peer.anyIpv4(), Port.allTcp(), 'what workflows call');
  return { insideGroup, outsideGroup };
}

/** Calls to AWS that stay inside the network. */
export function makeEndpoints(stack: StageStack, { network }: StageSettings, vpc: IVpc): void {
  const endpointGroup = new SecurityGroup(stack, 'EndpointGroup', {
    vpc,
    description: 'endpoints of AWS inside the network',
    allowAllOutbound: false,
  });
  endpointGroup.addIngressRule(Peer.ipv4(network.cidr), Port.tcp(443), 'programs');
  for (const [id, service] of Object.entries(ENDPOINTS)) {
    vpc.addInterfaceEndpoint(id, {
      service,
      securityGroups: [endpointGroup],
      open: false,
      subnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
    });
  }
}
