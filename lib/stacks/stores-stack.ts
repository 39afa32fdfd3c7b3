import { AttributeType, Billing, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { StageSettings } from '#config/stage-settings.ts';
import { RECORDS_TABLE } from '#config/tables.ts';
import { actionsOf, allow, type Grant, sidOf } from '#constructs/grants.ts';
import type { IdentityStack } from './identity-stack.ts';
import { StageStack } from './stage-stack.ts';
import { standbyKeyArn } from './standby-keys-stack.ts';

/** What is kept outside of the database: small records that expire. */
export class StoresStack extends StageStack {
  readonly recordsTable: string;
  readonly grants: { readonly records: Grant };

  constructor(
    scope: Construct,
    settings: StageSettings,
    { identity }: { identity: IdentityStack },
  ) {
    super(scope, 'Stores', settings, 'small records');
    const { stage, retain, standby } = settings;

    const records = new TableV2(this, 'Records', {
      tableName: `cloudflow-${stage}-records`,
      partitionKey: { name: RECORDS_TABLE.partitionKey, type: AttributeType.STRING },
      sortKey: { name: RECORDS_TABLE.sortKey, type: AttributeType.STRING },
      timeToLiveAttribute: RECORDS_TABLE.timeToLive,
      billing: Billing.onDemand(),
      encryption: TableEncryptionV2.customerManagedKey(
        identity.dataKey,
        standby === null ? {} : { [standby.region]: standbyKeyArn(settings, standby.region) },
      ),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: retain,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      ...(standby === null
        ? {}
        : {
            replicas: [
              {
                region: standby.region,
                deletionProtection: retain,
                pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
              },
            ],
          }),
    });
    this.recordsTable = records.tableName;

    this.grants = {
      records: (role) => {
        allow(role, {
          sid: sidOf('records'),
          actions: actionsOf('records'),
          resources: [records.tableArn],
        });
        identity.allowKey(role, 'OpenRecords', ['kms:Decrypt', 'kms:GenerateDataKey'], 'dynamodb');
      },
    };
  }
}
