import { entriesOf, type Rule } from './view.ts';

/** What keeps data, and the property that names the key it is sealed with. */
const KEPT: Readonly<Record<string, RegExp>> = {
  'AWS::Backup::BackupVault': /"EncryptionKeyArn":/,
  'AWS::DynamoDB::GlobalTable': /"KMSMasterKeyId":/,
  'AWS::DynamoDB::Table': /"KMSMasterKeyId":/,
  'AWS::ElastiCache::ReplicationGroup': /"KmsKeyId":/,
  'AWS::KinesisFirehose::DeliveryStream': /"KeyARN":/,
  'AWS::Logs::LogGroup': /"KmsKeyId":/,
  'AWS::MSK::Cluster': /"DataVolumeKMSKeyId":/,
  'AWS::RDS::DBCluster': /"KmsKeyId":/,
  'AWS::S3::Bucket': /"KMSMasterKeyID":/,
  'AWS::SecretsManager::Secret': /"KmsKeyId":/,
  'AWS::SNS::Topic': /"KmsMasterKeyId":/,
  'AWS::SQS::Queue': /"KmsMasterKeyId":/,
};

/** Sealed by AWS with keys of its own: which, how a template says so, and why. */
const EXEMPT: readonly { readonly at: RegExp; readonly by: RegExp; readonly why: string }[] = [
  {
    at: /^(?:Data\/Nudges|Schedule\/DeadTicks)/,
    by: /"SqsManagedSseEnabled":true/,
    why: 'messages are ids and names of clocks, and are gone within days',
  },
  {
    at: /\/(?:Buckets|Store)AccessLog/,
    by: /"SSEAlgorithm":"AES256"/,
    why: 'S3 delivers access logs into no bucket whose default is a key of KMS',
  },
  {
    at: /^LogArchive\/Stream/,
    by: /"KeyType":"AWS_OWNED_CMK"/,
    why: 'lines pass through for minutes; the bucket they come to is sealed with our key',
  },
];

export const SEALED: Rule = {
  name: 'seals what it keeps with keys of ours, but for what is named here with its reason',
  problems: (made) =>
    Object.entries(KEPT).flatMap(([type, named]) =>
      entriesOf(made, type).flatMap(([id, { Properties }]) => {
        const said = JSON.stringify(Properties);
        const exempt = EXEMPT.find(({ at }) => at.test(id));
        if ((exempt?.by ?? named).test(said)) return [];
        return [`${id} is sealed with no key ${exempt === undefined ? 'of ours' : 'at all'}`];
      }),
    ),
};
