import { beforeAll, describe, expect, inject, it } from 'vitest';
import { STAGES } from '#config/stages.ts';
import { RECORDS_TABLE } from '#config/tables.ts';
import { type Synthesised, synthesise } from './synth.ts';

describe.each(STAGES)('what stage %s keeps outside of its database', (stage) => {
  let made: Synthesised;
  beforeAll(() => {
    made = synthesise(stage, inject('dist'));
  });

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
});
