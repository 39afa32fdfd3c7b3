import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type IBucket,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { CfnOutput, Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import type { StageSettings } from '#config/stage-settings.ts';
import { actionsOf, allow, type Grant, sidOf } from './grants.ts';

/** Reports and inventories of two years; logs of executions for as long as anybody asks of them. */
const KEPT = Duration.days(730);
const LOGS_KEPT = Duration.days(180);

/**
 * What operations need of a region and nothing else does: a bucket for their logs, reports and
 * inventories, a topic that tells people, and a key of its own. It stands apart from what it must outlive.
 */
export class RecoveryStore extends Construct {
  readonly key: IKey;
  readonly bucket: IBucket;
  readonly topic: ITopic;
  readonly grants: { readonly 'recovery:documents': Grant; readonly 'recovery:announce': Grant };

  /** `waiting`: ARN of its key, where all of it is there already; else it is made. */
  constructor(scope: Construct, id: string, settings: StageSettings, waiting?: string) {
    super(scope, id);
    const { stage, account, region } = settings;
    const name = `cloudflow-${stage}-recovery-${account}-${region}`;
    const topicName = `cloudflow-${stage}-recovery`;
    if (waiting === undefined) {
      const key = this.makeKey(settings);
      this.key = key;
      this.bucket = this.makeBucket(settings, key, name);
      this.topic = new Topic(this, 'Told', {
        topicName,
        displayName: `CloudFlow ${stage}: recovery`,
        masterKey: key,
        enforceSSL: true,
      });
      new CfnOutput(this, 'TopicArn', {
        value: this.topic.topicArn,
        description: 'whoever operates the platform subscribes here: approvals are asked here',
      });
    } else {
      this.key = Key.fromKeyArn(this, 'Key', waiting);
      this.bucket = Bucket.fromBucketName(this, 'Documents', name);
      this.topic = Topic.fromTopicArn(
        this,
        'Told',
        `arn:aws:sns:${region}:${account}:${topicName}`,
      );
    }
    const { key } = this;
    const useKey = (service: 's3' | 'sns', sid: string): Grant => {
      return (role) =>
        allow(role, {
          sid,
          actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
          resources: [key.keyArn],
          conditions: { StringEquals: { 'kms:ViaService': `${service}.${region}.amazonaws.com` } },
        });
    };
    this.grants = {
      'recovery:documents': (role) => {
        const actions = actionsOf('recovery:documents');
        allow(role, {
          sid: sidOf('recovery:documents'),
          actions: actions.filter((action) => action !== LIST),
          resources: [`arn:aws:s3:::${name}/*`],
          star: 'documents of operations are made at run time',
        });
        // Without it S3 says of what is not there that it may not be read.
        allow(role, { sid: 'RecoveryList', actions: [LIST], resources: [`arn:aws:s3:::${name}`] });
        useKey('s3', 'OpenDocuments')(role);
      },
      'recovery:announce': (role) => {
        allow(role, {
          sid: sidOf('recovery:announce'),
          actions: actionsOf('recovery:announce'),
          resources: [this.topic.topicArn],
        });
        useKey('sns', 'SealAnnouncements')(role);
      },
    };
  }

  private makeKey({ stage, retain }: StageSettings): Key {
    return new Key(this, 'Key', {
      alias: `cloudflow/${stage}/recovery`,
      description: `CloudFlow ${stage}: backups, reports and announcements of recovery`,
      enableKeyRotation: true,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }

  private makeBucket({ retain, logDays }: StageSettings, key: Key, name: string): Bucket {
    const shared = {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    };
    const log = new Bucket(this, 'AccessLog', {
      ...shared,
      bucketName: `${name}-log`,
      // S3 delivers its log to no bucket that is sealed with a key of ours.
      encryption: BucketEncryption.S3_MANAGED,
      lifecycleRules: [{ expiration: Duration.days(logDays) }],
    });
    return new Bucket(this, 'Documents', {
      ...shared,
      bucketName: name,
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      bucketKeyEnabled: true,
      versioned: true,
      serverAccessLogsBucket: log,
      lifecycleRules: [
        { expiration: KEPT, noncurrentVersionExpiration: Duration.days(30) },
        { prefix: 'executions/', expiration: LOGS_KEPT },
        { prefix: 'tokens/', expiration: Duration.days(7) },
      ],
    });
  }
}

const LIST = 's3:ListBucket';
