import { randomBytes } from 'node:crypto';
import { createPostgresEventLog } from '#adapters/postgres/event-log.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { CONSUMERS, consumerNames } from '#config/consumers.ts';
import type { ProgramEnv } from '#config/env.ts';
import { KAFKA_LIMITS } from '#config/triggers.ts';
import type { EventLog } from '#ports/event-log.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { openCache } from './cache.ts';
import { type Consumers, createConsumers } from './consumers.ts';
import { openPools } from './database.ts';
import { openMail } from './mail.ts';
import type { Basics } from './process.ts';

/** Every reader of the registry reads its topic of a log, in this process. */
export function subscribeReaders(log: EventLog, consumers: Consumers): void {
  for (const name of consumerNames) {
    const { group, topic } = CONSUMERS[name];
    log.subscribe({ group, topic, most: KAFKA_LIMITS.batchSize, handle: consumers[name] });
  }
}

/**
 * The readers of events of a stage without Kafka: those of the functions, on the log of the database. Of
 * many processes one has each topic at a time.
 */
export function openReaders(
  basics: Basics,
  env: ProgramEnv<'engine-and-readers'>,
): { readonly events: EventLog; close(): Promise<void> } {
  const { clock, log, codec } = basics;
  const pool = openPools(basics, env)('cloudflow_relay', 6);
  const partitions = createPartitions(pool);
  // Nothing is sealed or opened here: what has changed is forgotten.
  const opened = openCache(basics, env, oneKey(randomBytes(32)));
  const events = createPostgresEventLog({ pool, codec, partitions, clock, log });
  const mail = openMail(basics, pool, env);
  subscribeReaders(
    events,
    createConsumers({ ...basics, pool, partitions, cache: opened.cache, mail }),
  );
  return {
    events,
    async close() {
      await events.close();
      await opened.close();
      await pool.end();
    },
  };
}
