import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Stack } from 'aws-cdk-lib/core';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { type BucketName, bucketNameOf, bucketNames } from '#config/buckets.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { RECORDS_TABLE } from '#config/tables.ts';
import { IdentityStack } from '#stacks/identity-stack.ts';
import { StoresStack } from '#stacks/stores-stack.ts';
import { STATEMENTS } from './rules/permissions.ts';
import { entriesOf, stackOf } from './rules/view.ts';
import { findingsOf, type Resource, type Synthesised, synthesise } from './synth.ts';

describe.each(STAGES)('what stage %s keeps outside of its database', (stage) => {
  let made: Synthesised;
  beforeAll(() => {
    made = synthesise(stage, inject('dist'));
  });

  const ofType = (type: string): readonly Resource[] =>
    entriesOf(made, type).flatMap(([id, resource]) => (stackOf(id) === 'Stores' ? [resource] : []));

  it('has one table for small records, as its adapter reads and writes it', () => {
    const [table, ...others] = made.ofType('AWS::DynamoDB::GlobalTable');
    expect(others).toEqual([]);
    expect(table!.Properties).toMatchObject({
      TableName: `cloudflow-${stage}-records`,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        { AttributeName: RECORDS_TABLE.partitionKey, KeyType: 'HASH' },
        { AttributeName: RECORDS_TABLE.sortKey, KeyType: 'RANGE' },
      ],
      TimeToLiveSpecification: { AttributeName: RECORDS_TABLE.timeToLive, Enabled: true },
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
    });
  });

  it('can take that table back to any second, in every region that has it, sealed with our keys', () => {
    const { settings } = made;
    const [table] = made.ofType('AWS::DynamoDB::GlobalTable');
    const replicas = table!.Properties['Replicas'] as {
      Region: string;
      DeletionProtectionEnabled?: boolean;
      SSESpecification: { KMSMasterKeyId: unknown };
    }[];
    expect(replicas.map(({ Region }) => Region).sort()).toEqual(
      [settings.region, ...(settings.standby === null ? [] : [settings.standby.region])].sort(),
    );
    for (const replica of replicas) {
      expect(replica).toMatchObject({
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      });
      expect(replica.DeletionProtectionEnabled ?? false).toBe(settings.retain);
      const key = JSON.stringify(replica.SSESpecification.KMSMasterKeyId);
      if (replica.Region === settings.region) expect(key).toContain('DataKey');
      else {
        // By its alias, which the stack of that region makes.
        const alias = `alias/cloudflow/${stage}/data`;
        expect(key).toBe(`"arn:aws:kms:${replica.Region}:${settings.account}:${alias}"`);
        const aliases = [...made.resources].filter(
          ([id, { Type }]) => id.startsWith('StandbyKeys/') && Type === 'AWS::KMS::Alias',
        );
        expect(aliases.map(([, { Properties }]) => Properties['AliasName'])).toEqual([alias]);
      }
    }
  });

  const bucketOf = (name: BucketName | 'access-log') =>
    ofType('AWS::S3::Bucket').find(
      ({ Properties }) => Properties['BucketName'] === bucketNameOf(made.settings, name),
    )!;

  it('has every bucket of the registry and the log of who used them', () => {
    const names = ofType('AWS::S3::Bucket').map(({ Properties }) => Properties['BucketName']);
    const wanted = [...bucketNames, 'access-log' as const];
    expect(names.sort()).toEqual(wanted.map((each) => bucketNameOf(made.settings, each)).sort());
  });

  it('opens no bucket to the public, seals each with our key alone, keeps versions and a log', () => {
    for (const { Properties } of ofType('AWS::S3::Bucket')) {
      expect(Properties['PublicAccessBlockConfiguration']).toEqual({
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      });
      expect(Properties['OwnershipControls']).toEqual({
        Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }],
      });
    }
    for (const name of bucketNames) {
      const { Properties } = bucketOf(name);
      expect(Properties).toMatchObject({
        VersioningConfiguration: { Status: 'Enabled' },
        LoggingConfiguration: { LogFilePrefix: `${name}/` },
      });
      const encryption = JSON.stringify(Properties['BucketEncryption']);
      expect(encryption).toContain('aws:kms');
      expect(encryption).toContain('DataKey');
    }
  });

  it('refuses what comes without TLS, or sealed otherwise', () => {
    const policies = ofType('AWS::S3::BucketPolicy').map(({ Properties }) => Properties);
    expect(policies).toHaveLength(bucketNames.length + 1);
    const sealing = policies.filter((policy) => {
      const text = JSON.stringify(policy);
      expect(text).toContain('"aws:SecureTransport":"false"');
      expect(text).toContain('"s3:TlsVersion":1.2');
      return text.includes('RefuseOtherSeals') && text.includes('RefuseOtherKeys');
    });
    expect(sealing).toHaveLength(bucketNames.length);
  });

  it('locks the audit trail for seven years where the stage says so, and nothing else', () => {
    const { lockAudit, retain } = made.settings;
    expect(bucketNames.filter((name) => bucketOf(name).Properties['ObjectLockEnabled'])).toEqual(
      lockAudit ? ['audit'] : [],
    );
    if (lockAudit) {
      expect(bucketOf('audit').Properties['ObjectLockConfiguration']).toEqual({
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 2_557 } },
      });
    }
    for (const bucket of ofType('AWS::S3::Bucket')) {
      expect(bucket.DeletionPolicy).toBe(retain ? 'Retain' : 'Delete');
    }
    expect([lockAudit, retain]).toEqual([stage === 'prod', stage === 'prod']);
  });

  it('lets what nobody reads grow cold, and everything end', () => {
    const lives = bucketNames.map((name) => {
      const { Rules } = bucketOf(name).Properties['LifecycleConfiguration'] as {
        Rules: {
          ExpirationInDays: number;
          AbortIncompleteMultipartUpload: unknown;
          Transitions?: { StorageClass: string; TransitionInDays: number }[];
        }[];
      };
      expect(Rules).toHaveLength(1);
      expect(Rules[0]!.AbortIncompleteMultipartUpload).toEqual({ DaysAfterInitiation: 7 });
      const cold = (Rules[0]!.Transitions ?? []).map(
        (each) => `${each.StorageClass} ${each.TransitionInDays}`,
      );
      return [name, Rules[0]!.ExpirationInDays, ...cold];
    });
    expect(lives).toEqual([
      ['audit', 2_557, 'GLACIER 90', 'DEEP_ARCHIVE 365'],
      ['archive', 2_557, 'GLACIER 30', 'DEEP_ARCHIVE 365'],
      ['exports', 30],
      ['logs', 400, 'GLACIER 90'],
    ]);
  });
});

it('whoever may use a bucket may use its objects and its key, by name and with no finding', () => {
  const settings = readStageSettings({ stage: 'prod', account: undefined }, {});
  const { findings, templates } = findingsOf((app) => {
    const identity = new IdentityStack(app, settings);
    const stores = new StoresStack(app, settings, { identity });
    const users = new Stack(app, 'Users', { env: identity });
    for (const [capability, grant] of Object.entries(stores.grants)) {
      const assumedBy = new ServicePrincipal('lambda.amazonaws.com');
      grant(new Role(users, capability.replaceAll(':', '-'), { assumedBy }));
    }
  });
  expect(findings.filter((finding) => finding.includes('Users'))).toEqual([]);
  const statements = Object.values(templates.get('Users')!.Resources)
    .filter(({ Type }) => Type === 'AWS::IAM::Policy')
    .flatMap(({ Properties }) => {
      const { Statement } = Properties['PolicyDocument'] as {
        Statement: { Sid: string; Action: string | string[]; Resource: unknown }[];
      };
      return Statement;
    });
  const wanted = Object.entries(STATEMENTS)
    .filter(([capability]) => capability.startsWith('bucket:'))
    .flatMap(([, each]) => each);
  expect(wanted.length).toBeGreaterThan(10);
  for (const { sid, actions, on } of wanted) {
    const found = statements.find(({ Sid }) => Sid === sid);
    expect([sid, [found?.Action].flat().sort()]).toEqual([sid, [...actions].sort()]);
    expect(JSON.stringify(found?.Resource)).toMatch(on);
  }
});
