import { BackupClient } from '@aws-sdk/client-backup';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { KafkaClient } from '@aws-sdk/client-kafka';
import { RDSClient } from '@aws-sdk/client-rds';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { guarded } from '#adapters/aws/guarded.ts';
import { createBackups } from '#adapters/backup/backups.ts';
import { createMeasures } from '#adapters/cloudwatch/measures.ts';
import { createTopicInventory } from '#adapters/kafka/topic-inventory.ts';
import { createArchives } from '#adapters/rds/archives.ts';
import { createRdsClusters } from '#adapters/rds/clusters.ts';
import { createSecretInventory } from '#adapters/secretsmanager/inventory.ts';
import { readEnv } from '#config/env.ts';
import { HOME_OPERATIONS } from '#services/operations/catalog.ts';
import { readHomeFacts } from '#services/operations/facts.ts';
import type { HomeWorld } from '#services/operations/operation.ts';
import { connectOperations } from '../shared/connect-operations.ts';
import { invoked } from '../shared/invoked.ts';
import { createOperations } from '../shared/operations.ts';

const env = readEnv('operations', process.env);
const { world, basics, ...rest } = connectOperations('operations', env);

/** One task of a machine of the platform where it serves, or the answer to an approval. */
export const handler = invoked(
  basics,
  createOperations<HomeWorld>({
    ...rest,
    runsIn: 'home',
    catalog: HOME_OPERATIONS,
    world: {
      ...world,
      facts: readHomeFacts(env.RECOVERY_FACTS),
      backups: createBackups(guarded('backups', new BackupClient({}), basics)),
      clusters: createRdsClusters(guarded('databases', new RDSClient({}), basics)),
      secrets: createSecretInventory(guarded('secrets', new SecretsManagerClient({}), basics)),
      topics: createTopicInventory(guarded('brokers', new KafkaClient({}), basics)),
      archives: createArchives(guarded('databases', new RDSClient({}), basics)),
      measures: createMeasures(guarded('measures', new CloudWatchClient({}), basics)),
    },
  }),
);
