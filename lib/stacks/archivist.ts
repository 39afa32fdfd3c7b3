import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { bucketNameOf } from '#config/buckets.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { allow } from '#constructs/grants.ts';
import type { Identity } from './identity.ts';

/** Whom RDS writes files of backups as: into the one bucket that is for them. */
export function makeArchivist(scope: Construct, settings: StageSettings, identity: Identity): Role {
  const bucket = `arn:aws:s3:::${bucketNameOf(settings, 'snapshots')}`;
  const role = new Role(scope, 'Archivist', {
    description: 'writes backups of the database out as files',
    assumedBy: new ServicePrincipal('export.rds.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': settings.account } },
    }),
  });
  allow(role, {
    sid: 'WriteFiles',
    // RDS tries that it may before it begins, and removes what it tried with.
    actions: ['s3:PutObject', 's3:GetObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
    resources: [`${bucket}/*`],
    star: 'files are named after what they hold',
  });
  allow(role, {
    sid: 'FindFiles',
    actions: ['s3:ListBucket', 's3:GetBucketLocation'],
    resources: [bucket],
  });
  identity.allowKey(role, 'SealFiles', ['kms:Decrypt', 'kms:GenerateDataKey'], 's3');
  return role;
}
