import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { BUCKETS, bucketNameOf } from '#config/buckets.ts';
import { HIDDEN_OF_OURS } from '#config/log-protection.ts';
import { STAGES } from '#config/stages.ts';
import { makeApiKey } from '#services/identity/api-key.ts';
import { referred, stackOf } from './rules/view.ts';
import { type Synthesised, synthesise } from './synth.ts';

describe.each(STAGES)('the archive of logs of stage %s', (stage) => {
  let made: Synthesised;
  beforeAll(() => {
    made = synthesise(stage, inject('dist'));
  });

  it('takes every line of every log of the region that serves, and of no other', () => {
    const groups = [...made.resources]
      .filter(([id, { Type }]) => Type === 'AWS::Logs::LogGroup' && !/^(?:Standby|Probe)/.test(id))
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

  it('hides personal data and credentials in every log, tells where it was, and leaves out two by name', () => {
    const groups = [...made.resources].filter(([, { Type }]) => Type === 'AWS::Logs::LogGroup');
    const bare: string[] = [];
    for (const [id, { Properties }] of groups) {
      const policy = Properties['DataProtectionPolicy'] as
        | {
            readonly Configuration: { readonly CustomDataIdentifier: readonly object[] };
            readonly Statement: readonly { DataIdentifier: string[]; Operation: object }[];
          }
        | undefined;
      if (policy === undefined) {
        bare.push(String(Properties['LogGroupName']));
        continue;
      }
      const [tell, hide, ...others] = policy.Statement;
      expect([id, others]).toEqual([id, []]);
      const group = `/aws/vendedlogs/cloudflow-${stage}-findings`;
      expect(tell?.Operation).toEqual({
        Audit: { FindingsDestination: { CloudWatchLogs: { LogGroup: group } } },
      });
      expect(hide?.Operation).toEqual({ Deidentify: { MaskConfig: {} } });
      for (const { DataIdentifier } of policy.Statement) {
        expect(DataIdentifier).toEqual(
          expect.arrayContaining([
            ...['EmailAddress', 'CreditCardNumber', 'PhoneNumber-US', 'AwsSecretKey'].map(
              (name) => `arn:aws:dataprotection::aws:data-identifier/${name}`,
            ),
            'ApiKey',
            'Token',
          ]),
        );
      }
      expect(policy.Configuration.CustomDataIdentifier).toHaveLength(2);
    }
    const regions = made.settings.standby === null ? 1 : 2;
    expect(bare.sort()).toEqual(
      [
        ...Array.from({ length: regions }, () => `/aws/vendedlogs/cloudflow-${stage}-findings`),
        `/cloudflow/${stage}/flow`,
      ].sort(),
    );
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

it('credentials of ours look as what is hidden says, in expressions that CloudWatch takes', () => {
  const [key, token] = HIDDEN_OF_OURS.map(({ Regex }) => new RegExp(Regex));
  expect(makeApiKey('live', randomBytes).text).toMatch(key!);
  const part = Buffer.from('{"alg":"RS256","kid":"x"}').toString('base64url');
  expect(`${part}.${part}.${part}`).toMatch(token!);
  for (const { Regex } of HIDDEN_OF_OURS) {
    expect(Regex).toMatch(/^[\w#=@/;, ^$?[\]{}|\\*+.-]{1,200}$/);
  }
});
