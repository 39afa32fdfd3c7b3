import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import {
  type BucketName,
  bucketNameOf,
  COPY_RULE,
  copiedBuckets,
  copyNameOf,
} from '#config/buckets.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { allow } from '#constructs/grants.ts';
import { dataKeyAlias, standbyKeyArn } from './standby-keys-stack.ts';

interface BucketCopiesProps {
  readonly settings: StageSettings;
  /** What the originals are sealed with. */
  readonly key: IKey;
  readonly buckets: ReadonlyMap<BucketName, Bucket>;
  /** Where the copies are. */
  readonly region: string;
}

/**
 * Lets S3 copy every object of the buckets that must outlive their region, within minutes, sealed anew
 * with the key of the other region; that an object was deleted is copied too. Names of the other region
 * are known, so nothing is asked of it.
 */
export class BucketCopies extends Construct {
  constructor(scope: Construct, id: string, { settings, key, buckets, region }: BucketCopiesProps) {
    super(scope, id);
    const { account } = settings;
    const originals = copiedBuckets.map((name) => {
      const bucket = buckets.get(name);
      if (bucket === undefined) throw new TypeError(`there is no bucket ${name} to copy`);
      return { name, bucket };
    });
    // By their names: what the buckets wait for must not wait for them.
    const arns = copiedBuckets.map((name) => `arn:aws:s3:::${bucketNameOf(settings, name)}`);
    const copies = copiedBuckets.map(
      (name) => `arn:aws:s3:::${copyNameOf(settings, name, region)}`,
    );
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('s3.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
      description: 'copies objects to the region that waits',
    });
    allow(role, {
      sid: 'FindOriginals',
      actions: ['s3:GetReplicationConfiguration', 's3:ListBucket'],
      resources: arns,
    });
    allow(role, {
      sid: 'ReadOriginals',
      actions: [
        's3:GetObjectVersionForReplication',
        's3:GetObjectVersionAcl',
        's3:GetObjectVersionTagging',
        's3:GetObjectRetention',
        's3:GetObjectLegalHold',
      ],
      resources: arns.map((arn) => `${arn}/*`),
      star: 'objects are named at run time',
    });
    allow(role, {
      sid: 'WriteCopies',
      actions: ['s3:ReplicateObject', 's3:ReplicateDelete', 's3:ReplicateTags'],
      resources: copies.map((arn) => `${arn}/*`),
      star: 'objects are named at run time',
    });
    allow(role, {
      sid: 'OpenOriginals',
      actions: ['kms:Decrypt'],
      resources: [key.keyArn],
      conditions: { StringEquals: { 'kms:ViaService': `s3.${settings.region}.amazonaws.com` } },
    });
    allow(role, {
      sid: 'SealCopies',
      actions: ['kms:Encrypt', 'kms:GenerateDataKey'],
      resources: [`arn:aws:kms:${region}:${account}:key/*`],
      conditions: {
        StringEquals: { 'kms:ViaService': `s3.${region}.amazonaws.com` },
        'ForAnyValue:StringEquals': { 'kms:ResourceAliases': `alias/${dataKeyAlias(settings)}` },
      },
      star: 'the one key of that region that has this alias: its id is known there alone',
    });
    originals.forEach(({ bucket }, i) => {
      const made = bucket.node.defaultChild;
      if (!(made instanceof CfnBucket)) throw new TypeError('a bucket is made of another resource');
      made.replicationConfiguration = {
        role: role.roleArn,
        rules: [
          {
            id: COPY_RULE,
            status: 'Enabled',
            priority: 1,
            filter: { prefix: '' },
            deleteMarkerReplication: { status: 'Enabled' },
            sourceSelectionCriteria: { sseKmsEncryptedObjects: { status: 'Enabled' } },
            destination: {
              bucket: copies[i] as string,
              encryptionConfiguration: { replicaKmsKeyId: standbyKeyArn(settings, region) },
              metrics: { status: 'Enabled' },
            },
          },
        ],
      };
      // S3 tries the role before it takes the rule.
      made.node.addDependency(role);
    });
  }
}
