import type { Pool, PoolClient } from 'pg';
import { TOPICS, type TopicName } from '#config/topics.ts';
import type { PlatformEvent } from '#core/events/schemas.ts';
import type { Clock } from '#ports/clock.ts';
import type { Projection } from '#ports/projections.ts';
import { withTransaction } from './pool.ts';
import { seconds } from './rows.ts';

const DAY_MS = 86_400_000;

/**
 * A projection whose `effect` gets each event once: in one transaction, events are remembered and those
 * that were not known before have their effect. `pool`: role `cloudflow_relay`.
 */
export function createProjection(
  { pool, clock }: { readonly pool: Pool; readonly clock: Clock },
  of: { readonly group: string; readonly topic: TopicName },
  effect: (client: PoolClient, events: readonly PlatformEvent[]) => Promise<void>,
): Projection {
  // A topic keeps a little longer than it says.
  const keptMs = (TOPICS[of.topic].retentionDays + 1) * DAY_MS;
  return {
    async apply(events) {
      const byId = new Map(events.toReversed().map((event) => [event.event_id, event]));
      return withTransaction(pool, async (client) => {
        const { rows } = await client.query<{ event_id: string }>({
          name: 'remember_events',
          text: `insert into processed_events (consumer_group, event_id, until)
                 select $1, id, to_timestamp($3) from unnest($2::uuid[]) as e (id) order by id
                 on conflict do nothing returning event_id`,
          values: [of.group, [...byId.keys()], seconds(clock.now() + keptMs)],
        });
        const fresh = new Set(rows.map(({ event_id }) => event_id));
        const known = events.filter(
          (event) => fresh.has(event.event_id) && byId.get(event.event_id) === event,
        );
        if (known.length > 0) await effect(client, known);
        return known.length;
      });
    },
  };
}
