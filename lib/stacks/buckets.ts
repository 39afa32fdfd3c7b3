import { Effect, PolicyStatement, StarPrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  ObjectLockRetention,
  ObjectOwnership,
  StorageClass,
} from 'aws-cdk-lib/aws-s3';
import { Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { BUCKETS, type BucketName, type BucketSpec } from '#config/buckets.ts';
import type { StageSettings } from '#config/stage-settings.ts';

const PARTS_KEPT = Duration.days(7);
const REPLACED_KEPT = Duration.days(30);

interface BucketsProps {
  readonly settings: StageSettings;
  /** Seals them all. */
  readonly key: IKey;
  readonly names: readonly BucketName[];
  readonly nameOf: (name: BucketName | 'access-log') => string;
}

/**
 * Buckets of the registry, as all of ours are: closed to the public, over TLS alone, sealed with our key
 * and no other, versioned, with a log of who read and wrote.
 */
export class Buckets extends Construct {
  readonly buckets: ReadonlyMap<BucketName, Bucket>;

  constructor(scope: Construct, id: string, { settings, key, names, nameOf }: BucketsProps) {
    super(scope, id);
    const { retain } = settings;
    const shared = {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    };
    // S3 delivers its log to no bucket that is sealed with a key of ours.
    const log = new Bucket(this, 'AccessLog', {
      ...shared,
      bucketName: nameOf('access-log'),
      encryption: BucketEncryption.S3_MANAGED,
      lifecycleRules: [{ expiration: Duration.days(settings.logDays) }],
    });

    const make = (name: BucketName): Bucket => {
      const spec: BucketSpec = BUCKETS[name];
      const bucket = new Bucket(this, name.charAt(0).toUpperCase() + name.slice(1), {
        ...shared,
        bucketName: nameOf(name),
        encryption: BucketEncryption.KMS,
        encryptionKey: key,
        bucketKeyEnabled: true,
        versioned: true,
        serverAccessLogsBucket: log,
        serverAccessLogsPrefix: `${name}/`,
        ...(spec.locked && settings.lockAudit
          ? {
              objectLockEnabled: true,
              objectLockDefaultRetention: ObjectLockRetention.compliance(
                Duration.days(spec.keptDays),
              ),
            }
          : {}),
        lifecycleRules: [
          {
            abortIncompleteMultipartUploadAfter: PARTS_KEPT,
            expiration: Duration.days(spec.keptDays),
            noncurrentVersionExpiration: REPLACED_KEPT,
            transitions: transitions(spec),
          },
        ],
      });
      refuseOtherKeys(bucket, key);
      return bucket;
    };
    this.buckets = new Map(names.map((name) => [name, make(name)]));
  }
}

function transitions({ coldAfterDays, deepAfterDays }: BucketSpec) {
  return [
    ...(coldAfterDays === null
      ? []
      : [{ storageClass: StorageClass.GLACIER, transitionAfter: Duration.days(coldAfterDays) }]),
    ...(deepAfterDays === null
      ? []
      : [
          {
            storageClass: StorageClass.DEEP_ARCHIVE,
            transitionAfter: Duration.days(deepAfterDays),
          },
        ]),
  ];
}

/** Whoever asks for another way to seal is refused; whoever asks for none gets the bucket's own. */
function refuseOtherKeys(bucket: Bucket, key: IKey): void {
  for (const [sid, header, value] of [
    ['RefuseOtherSeals', 's3:x-amz-server-side-encryption', 'aws:kms'],
    ['RefuseOtherKeys', 's3:x-amz-server-side-encryption-aws-kms-key-id', key.keyArn],
  ] as const) {
    bucket.addToResourcePolicy(
      new PolicyStatement({
        sid,
        effect: Effect.DENY,
        principals: [new StarPrincipal()],
        actions: ['s3:PutObject'],
        resources: [bucket.arnForObjects('*')],
        conditions: { StringNotEqualsIfExists: { [header]: value } },
      }),
    );
  }
}
