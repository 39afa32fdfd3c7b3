import { InstanceType, type SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import {
  AuroraPostgresEngineVersion,
  CfnGlobalCluster,
  ClusterInstance,
  DatabaseCluster,
  DatabaseClusterEngine,
  DBClusterStorageType,
  type IClusterInstance,
  type IDatabaseCluster,
  ParameterGroup,
} from 'aws-cdk-lib/aws-rds';
import { Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { resourceNames } from '#config/resources.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { DATABASE_LEAST_TLS } from '#config/transport.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import type { Identity } from './identity.ts';
import type { Network } from './network-stack.ts';
import { ownerLogin, rotateOwnerLogin } from './owner-login.ts';
import type { StageStack } from './stage-stack.ts';

/** What is in the cluster of our name. */
export const DATABASE = 'cloudflow';
/** Of every member of the global database. */
export const DATABASE_VERSION = AuroraPostgresEngineVersion.VER_17_7;
export const DATABASE_ENGINE = DatabaseClusterEngine.auroraPostgres({ version: DATABASE_VERSION });
export const DATABASE_PARAMETERS = {
  'rds.force_ssl': '1',
  ssl_min_protocol_version: DATABASE_LEAST_TLS,
  timezone: 'UTC',
};

/** The cluster that writes, whoever made it. */
export interface Database {
  readonly cluster: IDatabaseCluster;
  /** What IAM knows it by. */
  readonly resourceId: string;
  readonly writerHost: string;
  readonly readerHost: string;
  /** Login of the owner of the schema: its id, and as IAM is told it. */
  readonly ownerSecret: string;
  readonly ownerSecretArn: string;
}

export function makeDatabase(
  stack: StageStack,
  settings: StageSettings,
  {
    identity,
    network,
    group,
  }: { readonly identity: Identity; readonly network: Network; readonly group: SecurityGroup },
): Database {
  const { stage, database, retain } = settings;
  const clusterIdentifier = resourceNames(stage).database;
  const log = new LogGroup(stack, 'DatabaseLog', {
    logGroupName: `/aws/rds/cluster/${clusterIdentifier}/postgresql`,
    retention: settings.logDays,
    encryptionKey: identity.logKey,
    removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
  const { capacity } = database;
  const cluster = new DatabaseCluster(stack, 'Database', {
    clusterIdentifier,
    engine: DATABASE_ENGINE,
    defaultDatabaseName: DATABASE,
    ...ownerLogin(stack, settings, identity),
    iamAuthentication: true,
    writer: instance('Writer', settings),
    readers: Array.from({ length: database.readers }, (_, index) =>
      instance(`Reader${index + 1}`, settings),
    ),
    ...(capacity.kind === 'serverless'
      ? {
          serverlessV2MinCapacity: capacity.minUnits,
          serverlessV2MaxCapacity: capacity.maxUnits,
        }
      : { storageType: DBClusterStorageType.AURORA_IOPT1 }),
    vpc: network.vpc,
    vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
    securityGroups: [group],
    parameterGroup: new ParameterGroup(stack, 'DatabaseParameters', {
      engine: DATABASE_ENGINE,
      description: `CloudFlow ${stage}`,
      parameters: DATABASE_PARAMETERS,
    }),
    storageEncrypted: true,
    storageEncryptionKey: identity.dataKey,
    backup: { retention: Duration.days(database.backupDays), preferredWindow: '02:00-02:30' },
    preferredMaintenanceWindow: 'sun:03:00-sun:04:00',
    copyTagsToSnapshot: true,
    cloudwatchLogsExports: ['postgresql'],
    deletionProtection: retain,
    removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.SNAPSHOT,
  });
  // Else the database would make a group of its own, without an end and without our key.
  cluster.node.addDependency(log);
  if (!retain) {
    acknowledge(
      cluster,
      'AwsSolutions-RDS10',
      'a stage that does not retain its data is deleted with its stacks; a snapshot stays',
    );
  }
  const { secret } = cluster;
  if (secret === undefined) throw new TypeError('the owner has no secret');
  if (settings.standby !== null) {
    rotateOwnerLogin(cluster, network, settings);
    makeGlobal(stack, settings, cluster);
  }
  return {
    cluster,
    resourceId: cluster.clusterResourceIdentifier,
    writerHost: cluster.clusterEndpoint.hostname,
    readerHost: cluster.clusterReadEndpoint.hostname,
    ownerSecret: secret.secretArn,
    ownerSecretArn: secret.secretArn,
  };
}

/**
 * Has members in several regions, of which this cluster is the one that writes. The others follow it by
 * the storage alone, a second behind, and need no instance until one takes over.
 */
function makeGlobal(
  stack: StageStack,
  { stage, retain }: StageSettings,
  cluster: DatabaseCluster,
): void {
  const global = new CfnGlobalCluster(stack, 'GlobalDatabase', {
    globalClusterIdentifier: resourceNames(stage).globalDatabase,
    sourceDbClusterIdentifier: cluster.clusterArn,
    deletionProtection: retain,
  });
  global.applyRemovalPolicy(retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY);
}

function instance(id: string, { database, retain }: StageSettings): IClusterInstance {
  const { capacity } = database;
  const shared = { publiclyAccessible: false, autoMinorVersionUpgrade: !retain };
  return capacity.kind === 'serverless'
    ? ClusterInstance.serverlessV2(
        id,
        id === 'Reader1' ? { ...shared, scaleWithWriter: true } : shared,
      )
    : ClusterInstance.provisioned(id, {
        ...shared,
        instanceType: new InstanceType(capacity.instance),
      });
}
