import type { Pool } from 'pg';
import { METRICS } from '#config/metrics.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { OutboxGroup } from './outbox.ts';
import { seconds } from './rows.ts';

/** What waits of events. */
export interface EventBacklog {
  /** By topic: how long the oldest message that was not relayed, or not read by some group, has waited, in seconds; 0: none waits. */
  readonly lagSeconds: ReadonlyMap<string, number>;
  readonly deadLetters: { readonly open: number; readonly nearDue: number };
}

const MOST_COUNTED = 10_000;
const NEAR_SECONDS = 3_600;

/** `pool`: role `cloudflow_relay`. */
export async function readEventBacklog(
  pool: Pool,
  readers: readonly OutboxGroup[],
  now: number,
): Promise<EventBacklog> {
  const lagSeconds = new Map<string, number>();
  for (const { group, topic } of readers) {
    const { rows } = await pool.query<{ at: number }>({
      name: 'outbox_lag',
      text: `select o.at from outbox o
             where o.topic = $2 and (o.xid, o.id) > (
               coalesce((select xid from outbox_offsets where consumer_group = $1 and topic = $2),
                        '0'::xid8),
               coalesce((select id from outbox_offsets where consumer_group = $1 and topic = $2), 0))
             order by o.xid, o.id limit 1`,
      values: [group, topic],
    });
    const lag = rows[0] === undefined ? 0 : Math.max(0, (now - rows[0].at) / 1_000);
    lagSeconds.set(topic, Math.max(lag, lagSeconds.get(topic) ?? 0));
  }
  const { rows } = await pool.query<{ open: number; near: number }>({
    name: 'open_dead_letters',
    text: `select count(*)::integer as open,
                  count(*) filter (where due_at <= to_timestamp($1))::integer as near
           from (select due_at from dead_letters where status = 'open'
                 order by due_at limit ${MOST_COUNTED}) d`,
    values: [seconds(now) + NEAR_SECONDS],
  });
  const { open = 0, near = 0 } = rows[0] ?? {};
  return { lagSeconds, deadLetters: { open, nearDue: near } };
}

/** Tells what `look` saw last. One program of the platform does this: all would see the same. */
export function watchEventBacklog(
  metrics: Metrics,
  pool: Pool,
  readers: readonly OutboxGroup[],
): (now: number) => Promise<void> {
  let seen: EventBacklog | null = null;
  for (const Topic of new Set(readers.map(({ topic }) => topic))) {
    metrics.watch(METRICS.OutboxLag, { Topic }, () => seen?.lagSeconds.get(Topic) ?? 0);
  }
  metrics.watch(METRICS.DeadLettersOpen, {}, () => seen?.deadLetters.open ?? 0);
  metrics.watch(METRICS.DeadLettersNearDue, {}, () => seen?.deadLetters.nearDue ?? 0);
  return async (now) => {
    seen = await readEventBacklog(pool, readers, now);
  };
}
