import type { Pool } from 'pg';
import { createDeadLetterBox } from '#adapters/postgres/dead-letters.ts';
import type { Partitions } from '#adapters/postgres/partitions.ts';
import { createProjections } from '#adapters/postgres/projections.ts';
import { CONSUMERS, type ConsumerName, consumerNames } from '#config/consumers.ts';
import type { Cache } from '#ports/cache.ts';
import type { Clock } from '#ports/clock.ts';
import type { LogBatch } from '#ports/event-log.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { createForgetting } from '#services/caches/forget-changed.ts';
import { createConsumer } from '#services/events/consume.ts';
import { isUnavailable } from './unavailable.ts';

export interface ConsumersDeps {
  /** Role `cloudflow_relay`. */
  readonly pool: Pool;
  /** What has changed is forgotten in. */
  readonly cache: Cache;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
}

export type Consumers = {
  /** Answers how many messages from the first on need not come again. */
  readonly [Name in ConsumerName]: (batch: LogBatch) => Promise<number>;
};

/** What reads topics, the same in functions and in the local platform. */
export function createConsumers(deps: ConsumersDeps): Consumers {
  const projections = {
    ...createProjections(deps),
    'cache-invalidation': createForgetting(deps.cache),
  };
  const deadLetters = createDeadLetterBox(deps);
  return Object.fromEntries(
    consumerNames.map((name) => [
      name,
      createConsumer({
        spec: CONSUMERS[name],
        projection: projections[name],
        deadLetters,
        isUnavailable,
        clock: deps.clock,
        log: deps.log,
        metrics: deps.metrics,
      }),
    ]),
  ) as Consumers;
}
