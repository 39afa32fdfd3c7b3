import type { Pool } from 'pg';
import { eventEnvelope } from '#core/event-envelope.ts';
import { isJsonObject } from '#core/json.ts';
import type { Clock } from '#ports/clock.ts';
import type { Outbox } from '#ports/outbox.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import type { Partitions } from './partitions.ts';
import { seconds } from './rows.ts';

/** Messages of steps. `pool` is of role `cloudflow_app`. */
export function createOutboxPublisher(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
  readonly clock: Clock;
}): Outbox {
  const { pool, codec, partitions, clock } = deps;
  return {
    async publish({ tenant, mode, topic, key, id, payload, trace }) {
      const now = clock.now();
      if (!partitions.has(now)) await partitions.ensure(now);
      const envelope = eventEnvelope({
        id,
        type: `${topic}.requested`,
        at: now,
        correlationId: null,
        tenant,
        source: 'steps',
        trace,
        payload: { mode, ...(isJsonObject(payload) ? payload : { value: payload }) },
      });
      await pool.query({
        name: 'publish_message',
        text: 'select publish_message($1, $2, $3, $4, to_timestamp($5), $6)',
        values: [tenant, id, topic, key, seconds(now), codec.encode(envelope, tenant)],
      });
    },
  };
}
