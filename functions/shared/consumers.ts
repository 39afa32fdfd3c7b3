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
import { MailError } from '#ports/mail.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import type { Projection } from '#ports/projections.ts';
import type { Tracer } from '#ports/tracer.ts';
import { createForgetting } from '#services/caches/forget-changed.ts';
import { createConsumer } from '#services/events/consume.ts';
import { isUnavailable } from './unavailable.ts';

export interface ConsumersDeps {
  /** Role `cloudflow_relay`. */
  readonly pool: Pool;
  /** What has changed is forgotten in. */
  readonly cache: Cache;
  /** Sends what is asked for: services/notifications. */
  readonly mail: Projection;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
}

export type Consumers = {
  /** Answers how many messages from the first on need not come again. */
  readonly [Name in ConsumerName]: (batch: LogBatch) => Promise<number>;
};

/** For a program that reads other topics. */
export const NO_MAIL: Projection = {
  apply: () => Promise.reject(new TypeError('this program sends no mail')),
};

const isFinal = (error: unknown): boolean =>
  error instanceof MailError && error.outcome === 'refused';

/** What reads topics, the same in functions and in the local platform. */
export function createConsumers(deps: ConsumersDeps): Consumers {
  const projections = {
    ...createProjections(deps),
    'cache-invalidation': createForgetting(deps.cache),
    mail: deps.mail,
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
        isFinal,
        clock: deps.clock,
        log: deps.log,
        metrics: deps.metrics,
        tracer: deps.tracer,
      }),
    ]),
  ) as Consumers;
}
