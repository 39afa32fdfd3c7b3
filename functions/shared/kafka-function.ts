import { createPartitions } from '#adapters/postgres/partitions.ts';
import type { ConsumerName } from '#config/consumers.ts';
import { readEnv } from '#config/env.ts';
import type { LogBatch } from '#ports/event-log.ts';
import { createConsumers } from './consumers.ts';
import { openPools } from './database.ts';
import { type KafkaEvent, type KafkaFailures, readKafkaEvent } from './kafka-event.ts';
import { type Basics, createBasics } from './process.ts';

/** What a function has that Lambda starts for batches of a topic. */
export function connectConsumer(name: ConsumerName): {
  readonly basics: Basics;
  readonly answer: (event: KafkaEvent) => Promise<KafkaFailures>;
} {
  const env = readEnv(name, process.env);
  const basics = createBasics(name, env);
  const pool = openPools(basics, env)('cloudflow_relay', 2);
  const consume = createConsumers({ ...basics, pool, partitions: createPartitions(pool) })[name];
  return { basics, answer: (event) => answerKafka(event, consume) };
}

/**
 * Has every partition's batch handled, each in order and all side by side. What is not handled comes again
 * from its offset on; the others are done with.
 */
export async function answerKafka(
  event: KafkaEvent,
  consume: (batch: LogBatch) => Promise<number>,
): Promise<KafkaFailures> {
  const answers = await Promise.all(
    readKafkaEvent(event).map(async ({ name, batch }) => {
      const first = batch.messages[await consume(batch)];
      return first === undefined
        ? []
        : [{ itemIdentifier: { partition: name, offset: Number(first.offset) } }];
    }),
  );
  return { batchItemFailures: answers.flat() };
}
