import {
  CreateDBInstanceCommand,
  type DBCluster,
  DeleteDBClusterCommand,
  DeleteDBInstanceCommand,
  DescribeDBClustersCommand,
  DescribeDBInstancesCommand,
  type RDSClient,
  RestoreDBClusterFromSnapshotCommand,
  RestoreDBClusterToPointInTimeCommand,
} from '@aws-sdk/client-rds';
import type { Cluster, Clusters, NewCluster } from '#ports/recovery.ts';
import { asked, isNamed, unless } from '../aws/failure.ts';

const ENGINE = 'aurora-postgresql';
const PAGE = 100;
/** Clusters of an account and region: a list that does not end is a fault, not a reason to go on. */
const MOST_PAGES = 50;

/** Clusters of Aurora PostgreSQL, as RDS keeps them. */
export function createRdsClusters(client: RDSClient): Clusters {
  async function toCluster(found: DBCluster): Promise<Cluster> {
    const id = found.DBClusterIdentifier ?? '';
    // Of an instance that is being made the cluster says nothing yet, so instances are asked themselves.
    const { DBInstances = [] } = await asked('instances of a cluster', () =>
      client.send(
        new DescribeDBInstancesCommand({ Filters: [{ Name: 'db-cluster-id', Values: [id] }] }),
      ),
    );
    return {
      id,
      status: found.Status ?? 'unknown',
      host: found.Endpoint ?? '',
      createdAt: found.ClusterCreateTime?.getTime() ?? 0,
      instances: DBInstances.map((instance) => ({
        id: instance.DBInstanceIdentifier ?? '',
        status: instance.DBInstanceStatus ?? 'unknown',
      })),
    };
  }

  return {
    async find(id) {
      try {
        const { DBClusters = [] } = await client.send(
          new DescribeDBClustersCommand({ DBClusterIdentifier: id }),
        );
        return DBClusters[0] === undefined ? null : await toCluster(DBClusters[0]);
      } catch (error) {
        if (isNamed(error, 'DBClusterNotFoundFault')) return null;
        return asked('a cluster', () => Promise.reject(error));
      }
    },
    async list(prefix) {
      const found: DBCluster[] = [];
      let marker: string | undefined;
      for (let page = 0; page < MOST_PAGES; page++) {
        const { DBClusters = [], Marker } = await asked('clusters', () =>
          client.send(
            new DescribeDBClustersCommand({
              MaxRecords: PAGE,
              ...(marker === undefined ? {} : { Marker: marker }),
            }),
          ),
        );
        found.push(
          ...DBClusters.filter(({ DBClusterIdentifier }) =>
            DBClusterIdentifier?.startsWith(prefix),
          ),
        );
        if (Marker === undefined) break;
        marker = Marker;
      }
      return Promise.all(found.map(toCluster));
    },
    async restore(request) {
      await unless('a restore', ['DBClusterAlreadyExistsFault'], () =>
        'point' in request.of
          ? client.send(
              new RestoreDBClusterFromSnapshotCommand({
                ...shared(request),
                Engine: ENGINE,
                SnapshotIdentifier: request.of.point,
              }),
            )
          : client.send(
              new RestoreDBClusterToPointInTimeCommand({
                ...shared(request),
                SourceDBClusterIdentifier: request.of.cluster,
                RestoreToTime: new Date(request.of.at),
              }),
            ),
      );
    },
    async addInstance(cluster, instance, instanceClass) {
      await unless('an instance', ['DBInstanceAlreadyExistsFault', 'DBInstanceAlreadyExists'], () =>
        client.send(
          new CreateDBInstanceCommand({
            DBClusterIdentifier: cluster,
            DBInstanceIdentifier: instance,
            DBInstanceClass: instanceClass,
            Engine: ENGINE,
            PubliclyAccessible: false,
          }),
        ),
      );
    },
    async removeInstance(instance) {
      // One that is being made or changed is asked again by the next look.
      const harmless = ['DBInstanceNotFoundFault', 'DBInstanceNotFound', ...CHANGING_INSTANCE];
      await unless('the end of an instance', harmless, () =>
        client.send(new DeleteDBInstanceCommand({ DBInstanceIdentifier: instance })),
      );
    },
    async remove(cluster) {
      try {
        await client.send(
          new DeleteDBClusterCommand({
            DBClusterIdentifier: cluster,
            SkipFinalSnapshot: true,
            DeleteAutomatedBackups: true,
          }),
        );
        return true;
      } catch (error) {
        if (isNamed(error, 'DBClusterNotFoundFault')) return true;
        if (isNamed(error, 'InvalidDBClusterStateFault')) return false;
        return asked('the end of a cluster', () => Promise.reject(error));
      }
    },
  };
}

/** RDS names this fault one way in its documents and another on the wire. */
const CHANGING_INSTANCE = ['InvalidDBInstanceStateFault', 'InvalidDBInstanceState'];

function shared(request: NewCluster) {
  return {
    DBClusterIdentifier: request.id,
    DBSubnetGroupName: request.subnetGroup,
    VpcSecurityGroupIds: [...request.securityGroups],
    DBClusterParameterGroupName: request.parameterGroup,
    EnableIAMDatabaseAuthentication: true,
    DeletionProtection: false,
    CopyTagsToSnapshot: false,
    ServerlessV2ScalingConfiguration: { MinCapacity: 0.5, MaxCapacity: request.maxUnits },
    Tags: Object.entries(request.tags).map(([Key, Value]) => ({ Key, Value })),
  };
}
