import { beforeAll, describe, expect, inject, it } from 'vitest';
import { STAGES } from '#config/stages.ts';
import { type Resource, type Synthesised, synthesise } from './synth.ts';

interface Rule {
  readonly IpProtocol: string;
  readonly CidrIp?: string;
  readonly CidrIpv6?: string;
  readonly FromPort?: number;
  readonly Description?: string;
}

/** Interface endpoints of prod: what programs, pollers and tasks call inside AWS. */
const ENDPOINTS = [
  'ecr.api',
  'ecr.dkr',
  'kafka',
  'kms',
  'lambda',
  'logs',
  'secretsmanager',
  'sqs',
  'states',
  'sts',
  'xray',
];

const EVERYWHERE = ['0.0.0.0/0', '::/0'];

describe.each(STAGES)('the network of stage %s', (stage) => {
  let made: Synthesised;
  beforeAll(() => {
    made = synthesise(stage, inject('dist'));
  });

  const rules = (direction: 'Ingress' | 'Egress'): readonly Rule[] => [
    ...made
      .ofType('AWS::EC2::SecurityGroup')
      .flatMap(
        ({ Properties }) => (Properties[`SecurityGroup${direction}`] ?? []) as readonly Rule[],
      ),
    ...made
      .ofType(`AWS::EC2::SecurityGroup${direction}`)
      .map(({ Properties }) => Properties as unknown as Rule),
  ];
  const ofId = (part: string, type: string): readonly (readonly [string, Resource])[] =>
    [...made.resources].filter(([id, { Type }]) => Type === type && id.includes(part));

  it('lets nothing out that is not named, and nothing in from outside', () => {
    // EC2 lets everything out of a group that has no rule for what leaves it.
    const apart = made.ofType('AWS::EC2::SecurityGroupEgress').map(({ Properties }) => Properties);
    const groups = [...made.resources].filter(([, { Type }]) => Type === 'AWS::EC2::SecurityGroup');
    const wide = groups.filter(([id, { Properties }]) => {
      const inside = (Properties['SecurityGroupEgress'] ?? []) as readonly Rule[];
      const logicalId = id.slice(id.indexOf('/') + 1);
      return (
        inside.length === 0 &&
        !apart.some((rule) => JSON.stringify(rule['GroupId']).includes(logicalId))
      );
    });
    expect(wide.map(([id]) => id)).toEqual([]);
    expect(
      [...rules('Egress'), ...rules('Ingress')].map(({ IpProtocol }) => IpProtocol),
    ).not.toContain('-1');
    const open = rules('Ingress').filter(({ CidrIp = '', CidrIpv6 = '' }) =>
      [CidrIp, CidrIpv6].some((cidr) => EVERYWHERE.includes(cidr)),
    );
    expect(open).toEqual([]);
    // Only what workflows call, and AWS itself over TLS, is outside the network.
    const outside = rules('Egress')
      .filter(({ CidrIp = '' }) => EVERYWHERE.includes(CidrIp))
      .map(({ Description, FromPort }) => [Description, FromPort]);
    expect(outside.sort()).toEqual([
      ['AWS', 443],
      ['what workflows call', 0],
    ]);
  });

  it('keeps databases and brokers in subnets that no route leaves', () => {
    const { zones, standby } = made.settings;
    const subnets = ofId('VpcData', 'AWS::EC2::Subnet');
    expect(subnets.length).toBe(zones.length + (standby?.zones.length ?? 0));
    expect(ofId('VpcData', 'AWS::EC2::Route')).toEqual([]);
    for (const [, { Properties }] of subnets) expect(Properties['MapPublicIpOnLaunch']).toBe(false);
    const databases = made.ofType('AWS::RDS::DBSubnetGroup');
    const clusters = made.ofType('AWS::MSK::Cluster');
    expect(clusters.length).toBe(made.settings.events === null ? 0 : 1);
    const stand = [
      ...databases.map(({ Properties }) => Properties['SubnetIds']),
      ...clusters.map(
        ({ Properties }) =>
          (Properties['BrokerNodeGroupInfo'] as { ClientSubnets: unknown }).ClientSubnets,
      ),
    ];
    for (const stands of stand) {
      expect(JSON.stringify(stands).match(/VpcData/g)?.length).toBe(zones.length);
      expect(JSON.stringify(stands)).not.toMatch(/VpcP/);
    }
  });

  it('speaks TLS on every hop', () => {
    const urls = [...made.resources.values()]
      .map((resource) => JSON.stringify(resource.Properties))
      .join('\n')
      .match(/\?sslmode=[a-z-]+/g);
    expect(new Set(urls)).toEqual(new Set(['?sslmode=verify-full']));
    for (const { Properties } of made.ofType('AWS::RDS::DBClusterParameterGroup')) {
      expect(Properties['Parameters']).toMatchObject({ 'rds.force_ssl': '1' });
    }
    for (const { Properties } of made.ofType('AWS::MSK::Cluster')) {
      expect(Properties['EncryptionInfo']).toMatchObject({
        EncryptionInTransit: { ClientBroker: 'TLS', InCluster: true },
      });
    }
    const queues = made.ofType('AWS::SQS::Queue');
    const denying = made
      .ofType('AWS::SQS::QueuePolicy')
      .filter(({ Properties }) =>
        JSON.stringify(Properties['PolicyDocument']).includes('"aws:SecureTransport":"false"'),
      );
    expect(denying.length).toBe(queues.length);
  });

  it('has no task that another service could call: nothing listens, and nothing is let in', () => {
    for (const { Properties } of made.ofType('AWS::ECS::TaskDefinition')) {
      for (const container of Properties['ContainerDefinitions'] as readonly object[]) {
        expect(container).not.toHaveProperty('PortMappings');
      }
    }
    for (const { Properties } of made.ofType('AWS::ECS::Service')) {
      expect(Properties).not.toHaveProperty('ServiceConnectConfiguration');
      expect(Properties).not.toHaveProperty('ServiceRegistries');
      expect(Properties['LoadBalancers'] ?? []).toEqual([]);
      const { AwsvpcConfiguration } = Properties['NetworkConfiguration'] as {
        AwsvpcConfiguration: { SecurityGroups: readonly unknown[] };
      };
      const [group] = AwsvpcConfiguration.SecurityGroups.map((each) => JSON.stringify(each));
      expect([AwsvpcConfiguration.SecurityGroups.length, group]).toEqual([
        1,
        expect.stringContaining('OutsideGroup'),
      ]);
    }
    const [[, outside] = []] = ofId('OutsideGroup', 'AWS::EC2::SecurityGroup');
    expect(outside!.Properties).not.toHaveProperty('SecurityGroupIngress');
    expect(
      made
        .ofType('AWS::EC2::SecurityGroupIngress')
        .filter(({ Properties }) => JSON.stringify(Properties['GroupId']).includes('OutsideGroup')),
    ).toEqual([]);
  });

  it('calls AWS inside the network where the stage says so, and there alone', () => {
    const services = made
      .ofType('AWS::EC2::VPCEndpoint')
      .filter(({ Properties }) => Properties['VpcEndpointType'] === 'Interface')
      .map(({ Properties }) => {
        expect(Properties['PrivateDnsEnabled']).toBe(true);
        const { region } = made.settings;
        return String(Properties['ServiceName']).replace(`com.amazonaws.${region}.`, '');
      });
    expect(services.sort()).toEqual(made.settings.network.interfaceEndpoints ? ENDPOINTS : []);
  });
});
