import {
  AttributeType,
  Billing,
  type ITableV2,
  TableEncryptionV2,
  TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { BUCKETS, bucketNameOf, bucketNames, ownBuckets } from '#config/buckets.ts';
import { BUCKET_ACTIONS, type BucketCapability } from '#config/capabilities.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { RECORDS_TABLE } from '#config/tables.ts';
import { actionsOf, allow, type Grant, sidOf } from '#constructs/grants.ts';
import { BucketCopies } from './bucket-copies.ts';
import { Buckets } from './buckets.ts';
import type { Identity } from './identity.ts';
import { StageStack } from './stage-stack.ts';
import { standbyKeyArn } from './standby-keys-stack.ts';

/** What is kept outside of the database: small records that expire, and whole objects. */
export class StoresStack extends StageStack {
  readonly recordsTable: string;
  readonly grants: { readonly records: Grant } & { readonly [C in BucketCapability]: Grant };

  constructor(scope: Construct, settings: StageSettings, { identity }: { identity: Identity }) {
    super(scope, 'Stores', settings, 'small records and buckets');
    const { standby } = settings;
    const records = settings.takesOver === null ? this.makeTable(identity) : this.waitingTable();
    this.recordsTable = records.tableName;

    // Those that are copied wait, full; of the others only the names are known.
    const names = settings.takesOver === null ? bucketNames : ownBuckets;
    const { buckets } = new Buckets(this, 'Buckets', {
      settings,
      key: identity.dataKey,
      names,
      nameOf: (name) =>
        bucketNameOf(
          settings,
          name === 'access-log' && settings.takesOver !== null ? 'own-access-log' : name,
        ),
    });
    if (standby !== null) {
      const { region } = standby;
      new BucketCopies(this, 'Copies', { settings, key: identity.dataKey, buckets, region });
    }
    const bucketGrants = bucketNames.flatMap((name) =>
      BUCKETS[name].uses.map((use): [string, Grant] => {
        const { bucket: onBucket, objects } = BUCKET_ACTIONS[use];
        const bucket = `arn:aws:s3:::${bucketNameOf(settings, name)}`;
        const sid = sidOf(`bucket:${name}:${use}`);
        return [
          `bucket:${name}:${use}`,
          (role) => {
            allow(role, {
              sid,
              actions: objects,
              resources: [`${bucket}/*`],
              star: 'objects are named at run time',
            });
            if (onBucket.length > 0) {
              allow(role, { sid: `${sid}List`, actions: onBucket, resources: [bucket] });
            }
            if (use === 'delete') return;
            const actions =
              use === 'read' ? ['kms:Decrypt'] : ['kms:Decrypt', 'kms:GenerateDataKey'];
            identity.allowKey(role, `${sid}Key`, actions, 's3');
          },
        ];
      }),
    );

    this.grants = {
      ...(Object.fromEntries(bucketGrants) as { readonly [C in BucketCapability]: Grant }),
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

  private makeTable(identity: Identity): ITableV2 {
    const { settings } = this;
    const { stage, retain, standby } = settings;
    return new TableV2(this, 'Records', {
      tableName: recordsTable(stage),
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
  }

  /** A copy of a table is a table like any other: it is read and written where it stands. */
  private waitingTable(): ITableV2 {
    const { stage, region, account } = this.settings;
    return TableV2.fromTableArn(
      this,
      'Records',
      `arn:aws:dynamodb:${region}:${account}:table/${recordsTable(stage)}`,
    );
  }
}

function recordsTable(stage: string): string {
  return `cloudflow-${stage}-records`;
}
