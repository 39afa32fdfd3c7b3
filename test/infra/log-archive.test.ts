import { beforeAll, describe, expect, inject, it } from 'vitest';
import { BUCKETS, bucketNameOf } from '#config/buckets.ts';
import { STAGES } from '#config/stages.ts';
import { referred, stackOf } from './rules/view.ts';
import { type Synthesised, synthesise } from './synth.ts';

describe.each(STAGES)('the archive of logs of stage %s', (stage) => {
  let made: Synthesised;
  beforeAll(() => {
    made = synthesise(stage, inject('dist'));
  });

  it('takes every line of every log of the region that serves, and of no other', () => {
    const groups = [...made.resources]
      .filter(([id, { Type }]) => Type === 'AWS::Logs::LogGroup' && !/^Standby/.test(id))
      .map(([, { Properties }]) => Properties['LogGroupName']);
    const filters = [...made.resources].filter(
      ([, { Type }]) => Type === 'AWS::Logs::SubscriptionFilter',
    );
    expect(filters.map(([, { Properties }]) => Properties['LogGroupName']).sort()).toEqual(
      groups.sort(),
    );
    expect(groups.length).toBeGreaterThan(15);
    for (const [id, { Properties }] of filters) {
      expect(Properties['FilterPattern']).toBe('');
      expect(referred(made, stackOf(id), Properties['DestinationArn'])).toEqual([
        'LogArchive/Stream',
      ]);
      expect(referred(made, stackOf(id), Properties['RoleArn']).join()).toContain('Reader');
    }
  });

  it('writes lines to their bucket, which outlives every group by far', () => {
    const [stream, ...others] = made.ofType('AWS::KinesisFirehose::DeliveryStream');
    expect(others).toEqual([]);
    expect(stream!.Properties).toMatchObject({
      DeliveryStreamName: `cloudflow-${stage}-logs`,
      DeliveryStreamEncryptionConfigurationInput: { KeyType: 'AWS_OWNED_CMK' },
      ExtendedS3DestinationConfiguration: {
        BucketARN: `arn:aws:s3:::${bucketNameOf(made.settings, 'logs')}`,
        CompressionFormat: 'GZIP',
        ProcessingConfiguration: {
          Enabled: true,
          Processors: [{ Type: 'Decompression' }, { Type: 'AppendDelimiterToRecord' }],
        },
      },
    });
    expect(BUCKETS.logs.keptDays).toBeGreaterThan(4 * made.settings.logDays);
  });
});
