import { createPartitions } from '#adapters/postgres/partitions.ts';
import type { ConsumerName } from '#config/consumers.ts';
import { readEnv } from '#config/env.ts';
import { type Cache, NO_CACHE } from '#ports/cache.ts';
import type { LogBatch } from '#ports/event-log.ts';
import { createConsumers } from './consumers.ts';
import { openPools } from './database.ts';
import { type KafkaEvent, type KafkaFailures, readKafkaEvent } from './kafka-event.ts';
import { type Basics, createBasics } from './process.ts';

/** What a function has that Lambda starts for batches of a topic. `open`: the cache, for one that needs it. */
export function connectConsumer<C extends { readonly cache: Cache }>(
  name: ConsumerName,
  open: (basics: Basics) => C,
): {
  readonly basics: Basics;
  readonly cache: C;
  readonly answer: (event: KafkaEvent) => Promise<KafkaFailures>;
};
export function connectConsumer(name: ConsumerName): {
  readonly basics: Basics;
  readonly answer: (event: KafkaEvent) => Promise<KafkaFailures>;
};
export function connectConsumer(
  name: ConsumerName,
  open: (basics: Basics) => { readonly cache: Cache } = () => ({ cache: NO_CACHE }),
): object {
  const env = readEnv(name, process.env);
  const basics = createBasics(name, env);
  const pool = openPools(basics, env)('cloudflow_relay', 2);
  const cache = open(basics);
  const consumers = createConsumers({
    ...basics,
    ...cache,
    pool,
    partitions: createPartitions(pool),
  });
  const consume = consumers[name];
  return { basics, cache, answer: (event: KafkaEvent) => answerKafka(event, consume) };
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
