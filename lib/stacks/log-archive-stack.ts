import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnDeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose';
import { CfnLogGroup, CfnSubscriptionFilter } from 'aws-cdk-lib/aws-logs';
import { Stack } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { bucketNameOf } from '#config/buckets.ts';
import { resourceNames } from '#config/resources.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { allow } from '#constructs/grants.ts';
import type { Identity } from './identity.ts';
import { StageStack } from './stage-stack.ts';
import type { StoresStack } from './stores-stack.ts';

/** A file is written when this much has come, or this long after its first line. */
const BUFFER = { megabytes: 64, seconds: 300 } as const;

/**
 * Hands every line of every log of the stage on to a bucket, as it comes: logs end after days or weeks, and
 * questions about them come later. It is made last, for it listens to the logs of all stacks before it.
 */
export class LogArchiveStack extends StageStack {
  constructor(
    scope: Construct,
    settings: StageSettings,
    { identity, stores }: { identity: Identity; stores: StoresStack },
  ) {
    super(scope, 'LogArchive', settings, 'logs that outlive their groups');
    const { stage, region, account } = settings;
    const { logArchive } = resourceNames(stage);
    const bucket = `arn:aws:s3:::${bucketNameOf(settings, 'logs')}`;

    const writer = new Role(this, 'Writer', {
      assumedBy: new ServicePrincipal('firehose.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
      description: 'writes lines of logs to their bucket',
    });
    allow(writer, {
      sid: 'WriteLogs',
      actions: ['s3:PutObject', 's3:AbortMultipartUpload'],
      resources: [`${bucket}/*`],
      star: 'objects are named by when their lines were written',
    });
    allow(writer, {
      sid: 'FindLogs',
      actions: ['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketMultipartUploads'],
      resources: [bucket],
    });
    identity.allowKey(writer, 'SealLogs', ['kms:Decrypt', 'kms:GenerateDataKey'], 's3');
    const stream = new CfnDeliveryStream(this, 'Stream', {
      deliveryStreamName: logArchive,
      deliveryStreamType: 'DirectPut',
      deliveryStreamEncryptionConfigurationInput: { keyType: 'AWS_OWNED_CMK' },
      extendedS3DestinationConfiguration: {
        bucketArn: bucket,
        roleArn: writer.roleArn,
        prefix: '!{timestamp:yyyy/MM/dd/HH}/',
        errorOutputPrefix: 'failed/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/',
        bufferingHints: { sizeInMBs: BUFFER.megabytes, intervalInSeconds: BUFFER.seconds },
        compressionFormat: 'GZIP',
        // CloudWatch sends each batch packed: unpacked it is one JSON object, of which one is a line.
        processingConfiguration: {
          enabled: true,
          processors: [
            {
              type: 'Decompression',
              parameters: [{ parameterName: 'CompressionFormat', parameterValue: 'GZIP' }],
            },
            { type: 'AppendDelimiterToRecord' },
          ],
        },
      },
    });
    // What it may not write yet it would take, and lose after a day.
    stream.node.addDependency(writer);

    const reader = new Role(this, 'Reader', {
      assumedBy: new ServicePrincipal(`logs.${region}.amazonaws.com`, {
        conditions: {
          StringLike: { 'aws:SourceArn': `arn:aws:logs:${region}:${account}:*` },
        },
      }),
      description: 'hands lines of logs on to who writes them to their bucket',
    });
    allow(reader, {
      sid: 'HandOn',
      actions: ['firehose:PutRecord', 'firehose:PutRecordBatch'],
      resources: [stream.attrArn],
    });
    this.listen(scope, stream, reader);
    this.addStackDependency(stores);
  }

  /** To every log of this region, by its name: no other stack needs to know. */
  private listen(scope: Construct, stream: CfnDeliveryStream, reader: Role): void {
    for (const each of scope.node.findAll()) {
      if (!(each instanceof CfnLogGroup)) continue;
      const stack = Stack.of(each);
      if (stack.region !== this.region || each.logGroupName === undefined) continue;
      this.addStackDependency(stack);
      const name = each.logGroupName;
      const filter = new CfnSubscriptionFilter(this, `Lines-${name.replaceAll('/', '-')}`, {
        logGroupName: name,
        filterName: 'archive',
        filterPattern: '',
        destinationArn: stream.attrArn,
        roleArn: reader.roleArn,
      });
      // CloudWatch tries the way before it takes it.
      filter.node.addDependency(reader);
    }
  }
}
