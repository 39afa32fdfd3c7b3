import { CfnSecurityGroupIngress, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { CfnDBInstance, DatabaseCluster } from 'aws-cdk-lib/aws-rds';
import { CfnParameter, Fn } from 'aws-cdk-lib/core';
import { databaseNames } from '#config/recovery.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { DATABASE_ENGINE, type Database } from './database.ts';
import { type Network, POSTGRES_PORT } from './network-stack.ts';
import { ownerSecretName } from './owner-login.ts';
import type { StageStack } from './stage-stack.ts';
import { told, waitingSecretArn } from './waiting.ts';

/** As RDS calls writers of clusters: the part in the middle is made up for each account and region. */
const WRITER_HOST =
  '^[a-z][a-z0-9-]{0,62}\\.cluster-[a-z0-9]+\\.[a-z0-9-]+\\.rds\\.amazonaws\\.com$';

/**
 * The database that waited and writes now: nothing is made but its readers, which have no storage of their
 * own, and the ways in for the programs that are deployed with it.
 */
export function adoptDatabase(
  stack: StageStack,
  settings: StageSettings,
  { network, group }: { readonly network: Network; readonly group: SecurityGroup },
): Database {
  const { stage, region, account, database, retain } = settings;
  // RDS tells nobody the writer's host of a copy, so no stack could have told it before.
  const host = new CfnParameter(stack, 'DatabaseHost', {
    type: 'String',
    description: 'where the database that has taken over writes: its Endpoint in RDS',
    allowedPattern: WRITER_HOST,
    constraintDescription: 'write it as cloudflow-prod.cluster-abc.us-west-2.rds.amazonaws.com',
  }).valueAsString;
  const groupId = told(settings, 'Standby', 'DatabaseGroupId');
  const waiting = SecurityGroup.fromSecurityGroupId(stack, 'WaitingGroup', groupId, {
    mutable: false,
  });
  group.addEgressRule(waiting, Port.tcp(POSTGRES_PORT), 'proxy to cluster');
  for (const [id, from] of [
    ['Inside', network.insideGroup],
    ['Outside', network.outsideGroup],
    ['Proxy', group],
  ] as const) {
    new CfnSecurityGroupIngress(stack, `${id}ToDatabase`, {
      groupId,
      ipProtocol: 'tcp',
      fromPort: POSTGRES_PORT,
      toPort: POSTGRES_PORT,
      sourceSecurityGroupId: from.securityGroupId,
      description: 'programs of the platform that took over',
    });
  }

  const { cluster: clusterIdentifier } = databaseNames(stage);
  const resourceId = told(settings, 'Standby', 'DatabaseResourceId');
  const [name, rest] = [0, 1].map((part) => Fn.select(part, Fn.split('.cluster-', host)));
  const readerHost = `${name}.cluster-ro-${rest}`;
  const { capacity } = database;
  for (let reader = 1; reader <= database.readers; reader++) {
    new CfnDBInstance(stack, `Reader${reader}`, {
      dbClusterIdentifier: clusterIdentifier,
      engine: DATABASE_ENGINE.engineType,
      dbInstanceClass:
        capacity.kind === 'provisioned' ? `db.${capacity.instance}` : 'db.serverless',
      publiclyAccessible: false,
      autoMinorVersionUpgrade: !retain,
      promotionTier: reader === 1 ? 1 : 2,
    });
  }
  const secret = ownerSecretName(settings);
  return {
    cluster: DatabaseCluster.fromDatabaseClusterAttributes(stack, 'Database', {
      clusterIdentifier,
      clusterResourceIdentifier: resourceId,
      clusterEndpointAddress: host,
      readerEndpointAddress: readerHost,
      port: POSTGRES_PORT,
      securityGroups: [waiting],
      engine: DATABASE_ENGINE,
    }),
    resourceId,
    writerHost: host,
    readerHost,
    ownerSecret: secret,
    ownerSecretArn: waitingSecretArn({ region, account }, secret),
  };
}
