import { ApplicationAutoScalingClient } from '@aws-sdk/client-application-auto-scaling';
import { ECSClient } from '@aws-sdk/client-ecs';
import { RDSClient } from '@aws-sdk/client-rds';
import { Route53Client } from '@aws-sdk/client-route-53';
import { guarded } from '#adapters/aws/guarded.ts';
import { createFleets } from '#adapters/ecs/fleets.ts';
import { createRdsClusters } from '#adapters/rds/clusters.ts';
import { createGlobalDatabases } from '#adapters/rds/global-databases.ts';
import { createRoute53Dns } from '#adapters/route53/dns.ts';
import { readEnv } from '#config/env.ts';
import { STANDBY_OPERATIONS } from '#services/operations/catalog.ts';
import { readStandbyFacts } from '#services/operations/facts.ts';
import type { StandbyWorld } from '#services/operations/operation.ts';
import { connectOperations } from '../shared/connect-operations.ts';
import { invoked } from '../shared/invoked.ts';
import { createOperations } from '../shared/operations.ts';

const env = readEnv('takeover', process.env);
const { world, basics, ...rest } = connectOperations('takeover', env);
const rds = guarded('databases', new RDSClient({}), basics);

/** One task of a machine of the platform where it waits, or the answer to an approval. */
export const handler = invoked(
  basics,
  createOperations<StandbyWorld>({
    ...rest,
    runsIn: 'standby',
    catalog: STANDBY_OPERATIONS,
    world: {
      ...world,
      facts: readStandbyFacts(env.RECOVERY_FACTS),
      clusters: createRdsClusters(rds),
      globalDatabases: createGlobalDatabases(rds),
      dns: createRoute53Dns(guarded('dns', new Route53Client({}), basics)),
      fleets: createFleets({
        services: guarded('services', new ECSClient({}), basics),
        scaling: guarded('scaling', new ApplicationAutoScalingClient({}), basics),
      }),
    },
  }),
);
