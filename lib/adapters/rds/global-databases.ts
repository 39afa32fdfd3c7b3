import {
  DescribeGlobalClustersCommand,
  FailoverGlobalClusterCommand,
  type RDSClient,
  SwitchoverGlobalClusterCommand,
} from '@aws-sdk/client-rds';
import type { GlobalDatabases } from '#ports/recovery.ts';
import { asked, isNamed } from '../aws/failure.ts';

/** Aurora's databases that span regions, as RDS of any of their regions keeps them. */
export function createGlobalDatabases(client: RDSClient): GlobalDatabases {
  return {
    async find(id) {
      try {
        const { GlobalClusters = [] } = await client.send(
          new DescribeGlobalClustersCommand({ GlobalClusterIdentifier: id }),
        );
        const [found] = GlobalClusters;
        if (found === undefined) return null;
        return {
          status: found.Status ?? 'unknown',
          moving: found.FailoverState?.Status ?? null,
          members: (found.GlobalClusterMembers ?? []).map(({ DBClusterArn = '', IsWriter }) => ({
            arn: DBClusterArn,
            region: DBClusterArn.split(':')[3] ?? '',
            writer: IsWriter ?? false,
          })),
        };
      } catch (error) {
        if (isNamed(error, 'GlobalClusterNotFoundFault')) return null;
        return asked('the global database', () => Promise.reject(error));
      }
    },
    async promote(id, clusterArn, how) {
      const target = { GlobalClusterIdentifier: id, TargetDbClusterIdentifier: clusterArn };
      await asked('the promotion', () =>
        how === 'planned'
          ? client.send(new SwitchoverGlobalClusterCommand(target))
          : client.send(new FailoverGlobalClusterCommand({ ...target, AllowDataLoss: true })),
      );
    },
  };
}
