import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Stack } from 'aws-cdk-lib/core';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type BucketName,
  bucketNameOf,
  bucketNames,
  COPY_RULE,
  copiedBuckets,
  copyNameOf,
} from '#config/buckets.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { RECORDS_TABLE } from '#config/tables.ts';
import { IdentityStack } from '#stacks/identity-stack.ts';
import { StoresStack } from '#stacks/stores-stack.ts';
import { STATEMENTS } from './rules/permissions.ts';
import { entriesOf, stackOf, statementsOf } from './rules/view.ts';
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

  it('copies what cannot be made again to the region that waits, deletions too, sealed with its key', () => {
    expect(copiedBuckets).toEqual(['audit', 'archive']);
    const { settings } = made;
    const { standby, account } = settings;
    for (const name of bucketNames) {
      const copying = bucketOf(name).Properties['ReplicationConfiguration'];
      if (standby === null || !(copiedBuckets as readonly BucketName[]).includes(name)) {
        expect(copying).toBeUndefined();
        continue;
      }
      const { region } = standby;
      const { Rules } = copying as { Rules: object[] };
      expect(Rules).toEqual([
        {
          Id: COPY_RULE,
          Status: 'Enabled',
          Priority: 1,
          Filter: { Prefix: '' },
          DeleteMarkerReplication: { Status: 'Enabled' },
          SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: 'Enabled' } },
          Destination: {
            Bucket: `arn:aws:s3:::${copyNameOf(settings, name, region)}`,
            EncryptionConfiguration: {
              ReplicaKmsKeyID: `arn:aws:kms:${region}:${account}:alias/cloudflow/${stage}/data`,
            },
            Metrics: { Status: 'Enabled' },
          },
        },
      ]);
    }
    const [role] = [...made.resources].filter(([id]) => id.startsWith('Stores/CopiesRole'));
    expect(role === undefined).toBe(standby === null);
    if (standby === null) return;
    const seals = statementsOf(made, role![0]).find(({ Sid }) => Sid === 'SealCopies');
    expect(seals).toMatchObject({
      Condition: {
        StringEquals: { 'kms:ViaService': `s3.${standby.region}.amazonaws.com` },
        'ForAnyValue:StringEquals': { 'kms:ResourceAliases': `alias/cloudflow/${stage}/data` },
      },
    });
  });

  it('keeps copies as it keeps originals: closed, sealed, in versions, and locked as long', () => {
    const { settings } = made;
    const { standby } = settings;
    const copies = entriesOf(made, 'AWS::S3::Bucket')
      .filter(([id]) => stackOf(id) === 'StandbyStores')
      .map(([, { Properties }]) => Properties);
    const wanted = standby === null ? [] : [...copiedBuckets, 'access-log' as const];
    expect(copies.map(({ BucketName }) => BucketName).sort()).toEqual(
      wanted.map((name) => copyNameOf(settings, name, standby?.region ?? '')).sort(),
    );
    for (const name of standby === null ? [] : copiedBuckets) {
      const { BucketName, BucketEncryption, LoggingConfiguration, ...copy } = copies.find(
        (each) => each['BucketName'] === copyNameOf(settings, name, standby?.region ?? ''),
      )!;
      // An original is sealed with another key and copied on; in all else they are alike.
      const original = bucketOf(name).Properties;
      for (const [property, value] of Object.entries(copy)) {
        expect([property, value]).toEqual([property, original[property]]);
      }
      expect(Object.keys(copy)).toEqual(
        expect.arrayContaining(['VersioningConfiguration', 'LifecycleConfiguration']),
      );
      expect('ObjectLockConfiguration' in copy).toBe(name === 'audit' && settings.lockAudit);
      expect(JSON.stringify(BucketEncryption)).toContain('standbykeys');
      expect(LoggingConfiguration).toMatchObject({ LogFilePrefix: `${name}/` });
      expect(BucketName).toMatch(/^[a-z0-9-]{3,63}$/);
    }
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
      ['snapshots', 2_557, 'DEEP_ARCHIVE 1'],
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
