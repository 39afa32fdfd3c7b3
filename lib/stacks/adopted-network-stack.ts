import {
  CfnInternetGateway,
  CfnVPCGatewayAttachment,
  GatewayVpcEndpointAwsService,
  type IVpc,
  PrivateSubnet,
  PublicSubnet,
  type SecurityGroup,
  type Subnet,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Fn } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { StageSettings } from '#config/stage-settings.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { AdoptedIdentity } from './adopted-identity.ts';
import { logFlows, makeClientGroups, makeEndpoints, type Network } from './network-stack.ts';
import { StageStack } from './stage-stack.ts';
import { told } from './waiting.ts';

/** Behind the subnets where data waits, each of a sixteenth of the network. */
const PROGRAMS_FROM = 4;
const PUBLIC_FROM = 8;

/**
 * Ways out of the network where the database waits, and subnets for programs: those of data stay as they
 * are, and nothing of theirs leaves.
 */
export class AdoptedNetworkStack extends StageStack implements Network {
  readonly identity: AdoptedIdentity;
  readonly vpc: IVpc;
  readonly insideGroup: SecurityGroup;
  readonly outsideGroup: SecurityGroup;

  constructor(scope: Construct, settings: StageSettings) {
    super(scope, 'Network', settings, 'subnets of programs beside the data that waited');
    const { network, zones } = settings;
    this.identity = new AdoptedIdentity(this, 'Waiting', settings);

    const vpcId = told(settings, 'Standby', 'VpcId');
    const gateway = new CfnInternetGateway(this, 'Gateway');
    const attached = new CfnVPCGatewayAttachment(this, 'Attached', {
      vpcId,
      internetGatewayId: gateway.ref,
    });
    const outside = zones.map((availabilityZone, i) => {
      const subnet = new PublicSubnet(this, `Public${i + 1}`, {
        vpcId,
        availabilityZone,
        cidrBlock: `${prefixOf(network.cidr)}.${16 * PUBLIC_FROM + i}.0/24`,
        mapPublicIpOnLaunch: false,
      });
      subnet.addDefaultInternetRoute(gateway.ref, attached);
      return subnet;
    });
    const ways = outside.slice(0, network.natGateways).map((subnet) => subnet.addNatGateway());
    const inside = zones.map((availabilityZone, i) => {
      const subnet = new PrivateSubnet(this, `Programs${i + 1}`, {
        vpcId,
        availabilityZone,
        cidrBlock: `${prefixOf(network.cidr)}.${16 * (PROGRAMS_FROM + i)}.0/20`,
        mapPublicIpOnLaunch: false,
      });
      subnet.addDefaultNatRoute(ways[i % ways.length]?.ref ?? '');
      return subnet;
    });
    acknowledge(
      this,
      'CloudFormation-Validate::W3010',
      'zones are written in the settings of the stage, so that templates are made without an account',
    );
    const eachOf = (output: 'DataSubnets' | 'DataRoutes'): string[] =>
      zones.map((_, i) => Fn.select(i, Fn.split(',', told(settings, 'Standby', output))));
    this.vpc = Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId,
      vpcCidrBlock: network.cidr,
      availabilityZones: [...zones],
      publicSubnetIds: outside.map(({ subnetId }) => subnetId),
      publicSubnetRouteTableIds: outside.map(tableOf),
      privateSubnetIds: inside.map(({ subnetId }) => subnetId),
      privateSubnetRouteTableIds: inside.map(tableOf),
      isolatedSubnetIds: eachOf('DataSubnets'),
      isolatedSubnetRouteTableIds: eachOf('DataRoutes'),
    });
    for (const [id, service] of [
      ['ObjectStore', GatewayVpcEndpointAwsService.S3],
      ['KeyValue', GatewayVpcEndpointAwsService.DYNAMODB],
    ] as const) {
      this.vpc.addGatewayEndpoint(id, {
        service,
        subnets: [{ subnets: [...inside, ...this.vpc.isolatedSubnets] }],
      });
    }
    logFlows(this, settings, this.vpc, this.identity.logKey);
    const groups = makeClientGroups(this, settings, this.vpc);
    this.insideGroup = groups.insideGroup;
    this.outsideGroup = groups.outsideGroup;
    if (network.interfaceEndpoints) makeEndpoints(this, settings, this.vpc);
  }
}

const tableOf = ({ routeTable }: Subnet): string => routeTable.routeTableId;

/** Of a /16: its first two numbers. */
function prefixOf(cidr: string): string {
  return cidr.split('.').slice(0, 2).join('.');
}
