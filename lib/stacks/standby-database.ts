import { Peer, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnDBCluster, CfnDBClusterParameterGroup, CfnDBSubnetGroup } from 'aws-cdk-lib/aws-rds';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { databaseNames } from '#config/recovery.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import type { Surroundings } from '#constructs/service-function.ts';
import { DATABASE_PARAMETERS, DATABASE_VERSION } from './database.ts';
import { POSTGRES_PORT } from './network-stack.ts';
import { standbyKeyArn } from './standby-keys-stack.ts';

const ENGINE = 'aurora-postgresql';

/**
 * The member of the global database that follows: storage alone, without an instance, which the
 * take-over makes. Logins come with the storage, so it has no password of its own.
 */
export class StandbyDatabase extends Construct {
  readonly groupId: string;
  readonly resourceId: string;

  constructor(scope: Construct, id: string, { settings, vpc, insideGroup, logKey }: Surroundings) {
    super(scope, id);
    const { stage, region, retain, database, logDays } = settings;
    const { capacity } = database;
    const names = databaseNames(stage);
    const group = new SecurityGroup(this, 'Group', {
      vpc,
      description: 'the copy of the database',
      allowAllOutbound: false,
    });
    group.addIngressRule(
      Peer.securityGroupId(insideGroup.securityGroupId),
      Port.tcp(POSTGRES_PORT),
      'programs inside',
    );
    const log = new LogGroup(this, 'Log', {
      logGroupName: `/aws/rds/cluster/${names.cluster}/postgresql`,
      retention: logDays,
      encryptionKey: logKey,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const copy = new CfnDBCluster(this, 'Cluster', {
      dbClusterIdentifier: names.cluster,
      globalClusterIdentifier: names.global,
      engine: ENGINE,
      engineVersion: DATABASE_VERSION.auroraPostgresFullVersion,
      dbSubnetGroupName: new CfnDBSubnetGroup(this, 'Subnets', {
        dbSubnetGroupName: names.cluster,
        dbSubnetGroupDescription: 'where the copy of the database stands',
        subnetIds: vpc.isolatedSubnets.map(({ subnetId }) => subnetId),
      }).ref,
      dbClusterParameterGroupName: new CfnDBClusterParameterGroup(this, 'Parameters', {
        description: `CloudFlow ${stage}: the copy of the database`,
        family: `${ENGINE}${DATABASE_VERSION.auroraPostgresMajorVersion}`,
        parameters: DATABASE_PARAMETERS,
      }).ref,
      vpcSecurityGroupIds: [group.securityGroupId],
      storageEncrypted: true,
      kmsKeyId: standbyKeyArn(settings, region),
      ...(capacity.kind === 'provisioned'
        ? { storageType: 'aurora-iopt1' }
        : {
            serverlessV2ScalingConfiguration: {
              minCapacity: capacity.minUnits,
              maxCapacity: capacity.maxUnits,
            },
          }),
      backupRetentionPeriod: database.backupDays,
      copyTagsToSnapshot: true,
      enableIamDatabaseAuthentication: true,
      enableCloudwatchLogsExports: ['postgresql'],
      deletionProtection: retain,
    });
    acknowledge(
      this,
      'AwsSolutions-RDS11',
      'members of a global database have one port; groups decide who reaches it, and IAM who may log in',
    );
    copy.applyRemovalPolicy(retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY);
    copy.node.addDependency(log);
    this.groupId = group.securityGroupId;
    this.resourceId = copy.attrDbClusterResourceId;
  }
}
