import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { cacheNodes } from '#config/alarms/cache.ts';
import { CACHE_ACCESS, CACHE_PORT, NO_ACCESS } from '#config/cache.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { DataStack } from '#stacks/data-stack.ts';
import { IdentityStack } from '#stacks/identity-stack.ts';
import { NetworkStack } from '#stacks/network-stack.ts';
import { StageStack } from '#stacks/stage-stack.ts';
import { STATEMENTS } from './rules/permissions.ts';
import { type Resource, type Synthesised, synthesise, synthesiseParts } from './synth.ts';

interface Rule {
  readonly FromPort: number;
  readonly ToPort: number;
  readonly SourceSecurityGroupId: unknown;
}

describe.each(STAGES)('the cache of stage %s', (stage) => {
  let made: Synthesised;
  let group: Resource['Properties'];
  beforeAll(() => {
    made = synthesise(stage, inject('dist'));
    const groups = made.ofType('AWS::ElastiCache::ReplicationGroup');
    expect(groups).toHaveLength(1);
    group = groups[0]!.Properties;
  });
  const text = (value: unknown): string => JSON.stringify(value);

  it('is Valkey as a cluster, of the shards and copies of the stage', () => {
    const { cache } = made.settings;
    expect(group).toMatchObject({
      Engine: 'valkey',
      EngineVersion: '8.1',
      ClusterMode: 'enabled',
      CacheNodeType: cache.node,
      NumNodeGroups: cache.shards,
      ReplicasPerNodeGroup: cache.replicas,
      AutomaticFailoverEnabled: true,
      MultiAZEnabled: cache.replicas > 0,
    });
    if (stage === 'prod') expect([cache.shards, cache.replicas]).toEqual([3, 1]);
    const [parameters] = made.ofType('AWS::ElastiCache::ParameterGroup');
    expect(parameters!.Properties).toMatchObject({
      CacheParameterGroupFamily: 'valkey8',
      Properties: { 'cluster-enabled': 'yes', 'maxmemory-policy': 'allkeys-lru' },
    });
  });

  it('is sealed with our key and spoken to over TLS alone', () => {
    expect(group).toMatchObject({
      AtRestEncryptionEnabled: true,
      TransitEncryptionEnabled: true,
      TransitEncryptionMode: 'required',
      Port: CACHE_PORT,
    });
    expect(text(group['KmsKeyId'])).toContain('DataKey');
  });

  it('lets programs in whom IAM signs for, and switches off the user of whoever names none', () => {
    const users = made
      .ofType('AWS::ElastiCache::User')
      .map(({ Properties }) => Properties as Record<string, unknown>);
    expect(users).toHaveLength(2);
    expect(users.find(({ UserName }) => UserName !== 'default')).toMatchObject({
      Engine: 'valkey',
      UserId: `cloudflow-${stage}-programs`,
      UserName: `cloudflow-${stage}-programs`,
      AccessString: CACHE_ACCESS,
      AuthenticationMode: { Type: 'iam' },
    });
    const nobody = users.find(({ UserName }) => UserName === 'default');
    expect(nobody).toMatchObject({
      AccessString: NO_ACCESS,
      AuthenticationMode: { Type: 'password' },
    });
    // Made by Secrets Manager and in no template.
    expect(text(nobody!['AuthenticationMode'])).toContain('{{resolve:secretsmanager:');
    const [group_] = made.ofType('AWS::ElastiCache::UserGroup');
    expect((group_!.Properties['UserIds'] as unknown[]).length).toBe(2);
    expect(text(group['UserGroupIds'])).toContain('CacheUsers');
  });

  it('stands in subnets that no route leaves, and lets in programs on its port and nobody else', () => {
    const [subnets] = made.ofType('AWS::ElastiCache::SubnetGroup');
    expect(text(subnets!.Properties['SubnetIds']).match(/VpcData/g)).toHaveLength(
      made.settings.zones.length,
    );
    const groups = [...made.resources].filter(
      ([id, { Type }]) => id.startsWith('Data/CacheGroup') && Type === 'AWS::EC2::SecurityGroup',
    );
    expect(groups).toHaveLength(1);
    expect(group['SecurityGroupIds']).toHaveLength(1);
    expect(text(group['SecurityGroupIds'])).toContain('CacheGroup');
    const rules = groups[0]![1].Properties['SecurityGroupIngress'] as readonly Rule[];
    expect(
      rules.map(({ FromPort, ToPort, SourceSecurityGroupId }) => [
        FromPort,
        ToPort,
        /(InsideGroup|OutsideGroup)/.exec(text(SourceSecurityGroupId))?.[1],
      ]),
    ).toEqual([
      [CACHE_PORT, CACHE_PORT, 'InsideGroup'],
      [CACHE_PORT, CACHE_PORT, 'OutsideGroup'],
    ]);
  });

  it('is watched node by node', () => {
    const { cache } = made.settings;
    const nodes = cacheNodes(made.settings);
    expect(nodes).toHaveLength(cache.shards * (1 + cache.replicas));
    expect(nodes[0]).toBe(`cloudflow-${stage}-0001-001`);
    const [alarm] = made
      .ofType('AWS::CloudWatch::Alarm')
      .filter(({ Properties }) => Properties['AlarmName'] === `cloudflow-${stage}-cache-memory`);
    for (const node of nodes) expect(text(alarm!.Properties)).toContain(node);
  });
});

it('whoever may use the cache may connect to it as its one user, by name and with no finding', () => {
  const settings = readStageSettings({ stage: 'prod', account: undefined }, {});
  const made = synthesiseParts(settings, (app) => {
    const identity = new IdentityStack(app, settings);
    const network = new NetworkStack(app, settings, identity.logKey);
    const data = new DataStack(app, settings, { identity, network });
    const users = new StageStack(app, 'Users', settings, 'who use it');
    data.grants.cache(
      new Role(users, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') }),
    );
  });
  expect(made.findings.filter((finding) => finding.includes('Users'))).toEqual([]);
  const statements = [...made.resources]
    .filter(([id, { Type }]) => id.startsWith('Users/') && Type === 'AWS::IAM::Policy')
    .flatMap(([, { Properties }]) => {
      const { Statement } = Properties['PolicyDocument'] as {
        Statement: { Sid: string; Action: string | string[]; Resource: unknown }[];
      };
      return Statement;
    });
  const [wanted] = STATEMENTS.cache;
  expect(statements).toHaveLength(1);
  expect(statements[0]).toMatchObject({ Sid: wanted!.sid, Action: wanted!.actions[0] });
  expect(JSON.stringify(statements[0]!.Resource)).toMatch(wanted!.on);
});
