import type { Pool } from 'pg';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import type { ConsumerName } from '#config/consumers.ts';
import { readEnv } from '#config/env.ts';
import { type Cache, NO_CACHE } from '#ports/cache.ts';
import type { LogBatch } from '#ports/event-log.ts';
import type { Projection } from '#ports/projections.ts';
import { createConsumers, NO_MAIL } from './consumers.ts';
import { openPools } from './database.ts';
import { type KafkaEvent, type KafkaFailures, readKafkaEvent } from './kafka-event.ts';
import { type Basics, createBasics } from './process.ts';

/** What only some readers have. */
interface Parts {
  readonly cache?: Cache;
  readonly mail?: Projection;
}

/** What a function has that Lambda starts for batches of a topic. `open`: what its reader needs besides. */
export function connectConsumer<P extends Parts>(
  name: ConsumerName,
  open: (basics: Basics, pool: Pool) => P,
): P & {
  readonly basics: Basics;
  readonly answer: (event: KafkaEvent) => Promise<KafkaFailures>;
};
export function connectConsumer(name: ConsumerName): {
  readonly basics: Basics;
  readonly answer: (event: KafkaEvent) => Promise<KafkaFailures>;
};
export function connectConsumer(
  name: ConsumerName,
  open: (basics: Basics, pool: Pool) => Parts = () => ({}),
): object {
  const env = readEnv(name, process.env);
  const basics = createBasics(name, env);
  const pool = openPools(basics, env)('cloudflow_relay', 2);
  const parts = open(basics, pool);
  const consumers = createConsumers({
    ...basics,
    ...{ cache: NO_CACHE, mail: NO_MAIL, ...parts },
    pool,
    partitions: createPartitions(pool),
  });
  const consume = consumers[name];
  return { ...parts, basics, answer: (event: KafkaEvent) => answerKafka(event, consume) };
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
