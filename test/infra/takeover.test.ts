import { beforeAll, describe, expect, inject, it } from 'vitest';
import { copiedBuckets, copyNameOf } from '#config/buckets.ts';
import type { FunctionName } from '#config/functions.ts';
import { readStageSettings, type StageSettings, takeOver } from '#config/stage-settings.ts';
import { buildPlatform } from '#stacks/platform.ts';
import { RULES } from './rules/rules.ts';
import {
  entriesOf,
  functionOf,
  type Rule,
  referred,
  roleAt,
  stackOf,
  statementsOf,
} from './rules/view.ts';
import {
  type Resource,
  type Synthesised,
  synthesise,
  synthesiseParts,
  withResources,
} from './synth.ts';

/**
 * The deployment that takes over in the region that waited: on its own, and against what the stage had
 * deployed there and everywhere before.
 */
let home: Synthesised;
let made: Synthesised;
/** With what waits and is taken: what a rule looks for beside what is made now. */
let whole: Synthesised;
const TAKEN = [
  'AWS::SNS::Topic',
  'AWS::SNS::TopicPolicy',
  'AWS::SNS::Subscription',
  'AWS::RDS::DBCluster',
  'AWS::RDS::DBClusterParameterGroup',
  'AWS::Logs::LogGroup',
];
const waits = (id: string): boolean => /^(?:Standby|Probe)/.test(stackOf(id));

beforeAll(() => {
  home = synthesise('prod', inject('dist'));
  made = synthesise('prod', inject('dist'), 'standby');
  const taken = [...home.resources].filter(([id, { Type }]) => waits(id) && TAKEN.includes(Type));
  whole = withResources(made, new Map([...taken, ...made.resources]));
  // Two templates of prod, each through every check.
}, 400_000);

const text = (value: unknown): string => JSON.stringify(value);
const environmentOf = (name: FunctionName, of = made): Readonly<Record<string, unknown>> => {
  const environment = functionOf(of, name)?.Properties['Environment'] as
    | { readonly Variables: Readonly<Record<string, unknown>> }
    | undefined;
  return environment?.Variables ?? {};
};
const stackOfFunction = (of: Synthesised, name: FunctionName): string => {
  const found = entriesOf(of, 'AWS::Lambda::Function').find(
    ([, { Properties }]) => Properties['FunctionName'] === `cloudflow-prod-${name}`,
  );
  return found === undefined ? '' : stackOf(found[0]);
};
const toldBy = (area: string, output: string) => ({
  'Fn::GetStackOutput': { StackName: `cloudflow-prod-${area}`, OutputName: output },
});

it('passes CloudFormation’s own checks and those of cdk-nag, and asks no account', () => {
  expect(made.findings).toEqual([]);
  expect(made.missing).toEqual([]);
  expect(made.idle).toEqual([]);
});

it.each(RULES)('$name', (rule: Rule) => {
  expect(rule.problems(whole)).toEqual([]);
});

it('makes no second database, table, key or secret, and none of the buckets that are full', () => {
  for (const type of [
    'AWS::RDS::DBCluster',
    'AWS::RDS::GlobalCluster',
    'AWS::DynamoDB::Table',
    'AWS::DynamoDB::GlobalTable',
    'AWS::KMS::Key',
    'AWS::KMS::ReplicaKey',
    'AWS::KMS::Alias',
    'AWS::EC2::VPC',
    'AWS::SNS::Topic',
    'AWS::Backup::BackupVault',
    'AWS::IAM::OIDCProvider',
  ]) {
    expect([type, made.ofType(type)]).toEqual([type, []]);
  }
  // The password of a user of the cache that is switched off: the cache is made anew.
  const secrets = made.ofType('AWS::SecretsManager::Secret');
  expect(secrets.map(({ Properties }) => Properties['Name'])).toEqual([
    'cloudflow/prod/platform/cache-nobody',
  ]);
  const buckets = made.ofType('AWS::S3::Bucket').map(({ Properties }) => Properties['BucketName']);
  for (const name of copiedBuckets) {
    expect(buckets).not.toContain(copyNameOf(made.settings, name, made.settings.region));
  }
});

it('asks nothing of the region that is lost, and of its own only what the stacks there tell', () => {
  for (const [id, resource] of made.resources) {
    expect([id, text(resource)]).toEqual([id, expect.not.stringContaining(home.settings.region)]);
  }
  const asked = new Set(
    [...made.resources.values()].flatMap((each) =>
      [
        ...text(each).matchAll(/"StackName":"cloudflow-prod-(standby\w*)","OutputName":"(\w+)"/g),
      ].map(([, area = '', output = '']) => `${area}/${output}`),
    ),
  );
  const answers = [...home.outputs.keys()]
    .filter(waits)
    .map((key) => key.replace(/^\w+/, (area) => area.toLowerCase()));
  expect(answers).toEqual(expect.arrayContaining([...asked]));
  // Every answer that is for whoever takes over is asked for.
  expect([...asked].sort()).toEqual([
    'standby/DataRoutes',
    'standby/DataSubnets',
    'standby/DatabaseGroupId',
    'standby/DatabaseResourceId',
    'standby/LogKeyArn',
    'standby/StoreKeyArn',
    'standby/VpcId',
    'standbykeys/DataKeyArn',
    'standbystores/SigningKeyArn',
  ]);
});

it('calls nothing by a name that is taken, in its region or in all of the account', () => {
  /** Names that are of the account, wherever they were made. */
  const global = ['AWS::IAM::Role', 'AWS::S3::Bucket', 'AWS::CloudWatch::Dashboard'];
  /** What is named there is something else, which both speak of. */
  const speaks = new Set([
    'AWS::Lambda::Alias/Name',
    // Each is of its role.
    'AWS::IAM::Policy/PolicyName',
    'AWS::Lambda::Permission/FunctionName',
    'AWS::Scheduler::Schedule/GroupName',
    'AWS::SNS::Subscription/TopicName',
    'AWS::RDS::DBInstance/DBClusterIdentifier',
  ]);
  const namesOf = ({ Type, Properties }: Resource): readonly string[] =>
    Object.entries(Properties ?? {}).flatMap(([key, value]) =>
      typeof value === 'string' &&
      /(?:^Name|Name|Identifier|GroupId|UserId)$/.test(key) &&
      !speaks.has(`${Type}/${key}`)
        ? [`${Type} ${key} ${value}`]
        : [],
    );
  const taken = new Set(
    [...home.resources]
      .filter(([id, { Type }]) => waits(id) || global.includes(Type))
      .flatMap(([, resource]) => namesOf(resource)),
  );
  expect(taken.size).toBeGreaterThan(40);
  const ours = [...made.resources].flatMap(([, resource]) => namesOf(resource));
  expect(ours.length).toBeGreaterThan(200);
  expect(ours.filter((name) => taken.has(name))).toEqual([]);
});

it('leads every program to what waits', () => {
  const { account } = made.settings;
  const data = toldBy('standbykeys', 'DataKeyArn');
  const signing = toldBy('standbystores', 'SigningKeyArn');
  expect(environmentOf('connections-api')).toMatchObject({
    CURSOR_KEY_SECRET: 'cloudflow/prod/platform/cursor-key',
    TENANT_SECRETS_PREFIX: 'cloudflow/prod/tenants',
    TENANT_SECRETS_KEY: data,
    TENANT_SECRETS_COPY: '',
  });
  expect(environmentOf('identity-api')).toMatchObject({
    IDENTITY_KEY_SECRET: 'cloudflow/prod/platform/identity-key',
    SIGNING_SEAL_KEY: signing,
    RECORDS_TABLE: 'cloudflow-prod-records',
  });
  expect(environmentOf('migrate')).toMatchObject({
    DATABASE_OWNER_SECRET: 'cloudflow/prod/platform/database-owner',
  });
  expect(environmentOf('audit-sealer')).toMatchObject({
    AUDIT_BUCKET: `cloudflow-prod-audit-${account}-us-west-2`,
    SIGNING_SEAL_KEY: signing,
  });
  expect(environmentOf('operations')).toMatchObject({
    RECOVERY_BUCKET: `cloudflow-prod-recovery-${account}-us-west-2`,
    RECOVERY_TOPIC_ARN: `arn:aws:sns:us-west-2:${account}:cloudflow-prod-recovery`,
  });
  // All of them wait under these names.
  const copied = home
    .ofType('AWS::SecretsManager::Secret')
    .filter(({ Properties }) => text(Properties['ReplicaRegions'] ?? '').includes('us-west-2'))
    .map(({ Properties }) => Properties['Name']);
  expect(copied.sort()).toEqual(
    ['cursor-key', 'database-owner', 'identity-key'].map(
      (each) => `cloudflow/prod/platform/${each}`,
    ),
  );
  const [table] = home.ofType('AWS::DynamoDB::GlobalTable');
  expect(table?.Properties['TableName']).toBe('cloudflow-prod-records');
  expect(text(table?.Properties['Replicas'])).toContain('us-west-2');
  const there = [...home.resources]
    .filter(([id]) => waits(id))
    .map(([, { Properties }]) => Properties?.['BucketName'] ?? Properties?.['TopicName']);
  expect(there).toEqual(
    expect.arrayContaining([
      `cloudflow-prod-audit-${account}-us-west-2`,
      `cloudflow-prod-recovery-${account}-us-west-2`,
      'cloudflow-prod-recovery',
    ]),
  );
});

it('reaches the database where it is told that it writes, and makes readers and ways in', () => {
  const url = text(environmentOf('migrate')['DATABASE_URL']);
  expect(url).toContain('DatabaseHost');
  const readers = made.ofType('AWS::RDS::DBInstance').map(({ Properties }) => Properties);
  expect(readers).toHaveLength(made.settings.database.readers);
  for (const reader of readers) {
    expect(reader).toMatchObject({
      DBClusterIdentifier: 'cloudflow-prod',
      DBInstanceClass: 'db.r7g.2xlarge',
      PubliclyAccessible: false,
    });
  }
  const [target] = made.ofType('AWS::RDS::DBProxyTargetGroup');
  expect(target?.Properties['DBClusterIdentifiers']).toEqual(['cloudflow-prod']);
  const ways = entriesOf(made, 'AWS::EC2::SecurityGroupIngress').filter(([, { Properties }]) =>
    text(Properties['GroupId']).includes('DatabaseGroupId'),
  );
  expect(ways).toHaveLength(3);
  for (const [, { Properties }] of ways) {
    expect(Properties).toMatchObject({ FromPort: 5432, ToPort: 5432, IpProtocol: 'tcp' });
  }
});

it('puts programs into the network where the data waits, in subnets that are free', () => {
  const subnets = (of: Synthesised, stack: string) =>
    entriesOf(of, 'AWS::EC2::Subnet')
      .filter(([id]) => stackOf(id) === stack)
      .map(([, { Properties }]) => String(Properties['CidrBlock']));
  const all = [...subnets(home, 'Standby'), ...subnets(made, 'Network')].map(rangeOf);
  expect(all).toHaveLength(9);
  const [from, to] = rangeOf(made.settings.network.cidr);
  for (const [i, [first, last]] of all.entries()) {
    expect(first >= from && last <= to).toBe(true);
    for (const [others, next] of all.slice(i + 1)) expect(next < first || others > last).toBe(true);
  }
  expect(entriesOf(made, 'AWS::EC2::NatGateway')).toHaveLength(3);
});

/** First and last address. */
function rangeOf(cidr: string): readonly [number, number] {
  const [address = '', bits = '32'] = cidr.split('/');
  const first = address.split('.').reduce((sum, part) => 256 * sum + Number(part), 0);
  return [first, first + 2 ** (32 - Number(bits)) - 1];
}

describe('a stage whose API has a name', () => {
  const plain = readStageSettings({ stage: 'prod', account: undefined }, {});
  const certificate = (region: string) => `arn:aws:acm:${region}:${plain.account}:certificate/one`;
  const named: StageSettings = {
    ...plain,
    api: {
      ...plain.api,
      domain: { name: 'api.example.com', certificateArn: certificate('us-east-1') },
    },
    standby: {
      ...plain.standby!,
      api: { hostedZoneId: 'Z123', certificateArn: certificate('us-west-2') },
    },
  };

  it('has the name where it waits before it has an API, and the take-over leads it there', () => {
    const before = synthesiseParts(named, (app) => buildPlatform(app, named, inject('dist')));
    expect(before.findings).toEqual([]);
    const [, domain] = entriesOf(before, 'AWS::ApiGateway::DomainName').find(
      ([id]) => stackOf(id) === 'Standby',
    )!;
    expect(domain.Properties).toMatchObject({
      DomainName: 'api.example.com',
      RegionalCertificateArn: certificate('us-west-2'),
    });
    const facts = text(environmentOf('takeover', before));
    expect(facts).toContain('RegionalDomainName');
    expect(facts).toContain('Z123');

    const there = takeOver(named);
    const after = synthesiseParts(there, (app) => buildPlatform(app, there, inject('dist')));
    expect(after.findings).toEqual([]);
    expect(entriesOf(after, 'AWS::ApiGateway::DomainName')).toEqual([]);
    const [mapping] = after.ofType('AWS::ApiGateway::BasePathMapping');
    expect(mapping?.Properties['DomainName']).toBe('api.example.com');
  }, 400_000);
});

describe('what is copied while nothing is lost', () => {
  it('the key that seals what signs is the same in both regions: by its policy, its name and its end', () => {
    const [[, copy]] = entriesOf(home, 'AWS::KMS::ReplicaKey') as [readonly [string, Resource]];
    const [[original, key]] = entriesOf(home, 'AWS::KMS::Key').filter(([id]) =>
      id.startsWith('Identity/SigningKey'),
    ) as [readonly [string, Resource]];
    const logical = original.slice(original.indexOf('/') + 1);
    expect(text(copy.Properties['PrimaryKeyArn'])).toContain(logical);
    // Who may use it is said by roles alone, here as there: nobody else's account, no service.
    const policyOf = (of: unknown) =>
      (of as { readonly Statement: readonly Record<string, unknown>[] }).Statement.map(
        ({ Effect, Action, Principal, Resource: on, ...more }) => ({
          Effect,
          Action,
          on,
          root: /^\{"AWS":.*:iam::111111111111:root"?/.test(text(Principal)),
          more,
        }),
      );
    expect(policyOf(copy.Properties['KeyPolicy'])).toEqual(policyOf(key.Properties['KeyPolicy']));
    expect(policyOf(copy.Properties['KeyPolicy'])).toEqual([
      { Effect: 'Allow', Action: 'kms:*', on: '*', root: true, more: {} },
    ]);
    expect([copy.DeletionPolicy, key.DeletionPolicy]).toEqual(['Retain', 'Retain']);
    const names = entriesOf(home, 'AWS::KMS::Alias')
      .filter(([id]) => /SigningKey/.test(id))
      .map(([id, { Properties }]) => [stackOf(id), Properties['AliasName']]);
    expect(names).toEqual([
      ['Identity', 'alias/cloudflow/prod/signing'],
      ['StandbyStores', 'alias/cloudflow/prod/signing'],
    ]);
  });

  it('a ring that is turned is turned in its copy too: there is one secret, whose every value is copied', () => {
    // No stack makes or changes a secret where the copies are, so nothing stands against a new value.
    const there = [...home.resources].filter(
      ([id, { Type }]) => waits(id) && Type.startsWith('AWS::SecretsManager::'),
    );
    expect(there).toEqual([]);
    const turned = environmentOf('platform-keys', home);
    for (const variable of ['CURSOR_KEY_SECRET', 'IDENTITY_KEY_SECRET'] as const) {
      const [id] = referred(home, stackOfFunction(home, 'platform-keys'), turned[variable]);
      const secret = home.resources.get(id ?? '');
      expect(secret?.Type).toBe('AWS::SecretsManager::Secret');
      expect(secret?.Properties['ReplicaRegions']).toEqual([
        expect.objectContaining({ Region: 'us-west-2' }),
      ]);
    }
    // What turns them here may write there what it finds, and read it: in this region, by these names.
    const does = statementsOf(
      made,
      roleAt(
        stackOfFunction(made, 'platform-keys'),
        functionOf(made, 'platform-keys')?.Properties['Role'],
      ),
    );
    const turns = does.find(({ Sid }) => Sid === 'SecretsPlatformKeysTurn');
    expect(turns?.Resource).toEqual(
      ['cursor-key', 'identity-key'].map(
        (name) =>
          `arn:aws:secretsmanager:us-west-2:111111111111:secret:cloudflow/prod/platform/${name}-??????`,
      ),
    );
  });
});
