import { KafkaClient } from '@aws-sdk/client-kafka';
import { guarded } from '#adapters/aws/guarded.ts';
import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { createMskLogin } from '#adapters/kafka/msk-login.ts';
import { createDeadLetterBox } from '#adapters/postgres/dead-letters.ts';
import { createPostgresEventLog, POSTGRES_LOG_TIMES } from '#adapters/postgres/event-log.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { relayedTopics } from '#config/topics.ts';
import type { EventLog } from '#ports/event-log.ts';
import { startRelay } from '#services/events/relay.ts';
import { openPools } from './database.ts';
import type { Basics } from './process.ts';

/** Between two looks of the relay: nobody should wait for an event. */
export const RELAY_POLL_MS = 20;

/**
 * Kafka, with a token of IAM, to which the outbox is relayed until it is closed. Every process of a kind may:
 * one of them has each topic at a time.
 */
export function openKafka(
  basics: Basics,
  env: {
    readonly DATABASE_URL: string;
    readonly DATABASE_AUTH: string;
    readonly KAFKA_CLUSTER_ARN: string;
  },
): { readonly kafka: EventLog; close(): Promise<void> } {
  const { clock, log, metrics, codec, ids, name } = basics;
  const pool = openPools(basics, env)('cloudflow_relay', 4);
  const partitions = createPartitions(pool);
  const login = createMskLogin({
    client: guarded('brokers', new KafkaClient({}), basics),
    clusterArn: env.KAFKA_CLUSTER_ARN,
  });
  const from = createPostgresEventLog({
    pool,
    codec,
    partitions,
    clock,
    log,
    times: { ...POSTGRES_LOG_TIMES, pollMs: RELAY_POLL_MS },
  });
  const to = createKafkaEventLog(
    { brokers: () => login.brokers(), login, clientId: `cloudflow-${name}` },
    { clock, log, metrics },
  );
  const deadLetters = createDeadLetterBox({ pool, codec, partitions, ids });
  const relay = startRelay({ from, to, topics: relayedTopics, deadLetters, clock, log, metrics });
  return {
    kafka: to,
    async close() {
      await relay.close();
      await from.close();
      await to.close();
      await pool.end();
    },
  };
}
