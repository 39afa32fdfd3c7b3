import type { Pool } from 'pg';
import type { Json } from '#core/json.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { seconds } from './rows.ts';

/** A place in a topic: the transaction that wrote the message, then its number. */
export interface OutboxPlace {
  readonly xid: string;
  readonly id: string;
}

export interface OutboxEntry extends OutboxPlace {
  readonly tenant: string;
  readonly topic: string;
  readonly key: string;
  readonly at: number;
  readonly payload: Json;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Reading the outbox as a log, by consumer group. `pool` is of role `cloudflow_relay`.
 *
 * Read up to the oldest transaction that still runs and no further: a row whose transaction commits
 * later than its neighbours would otherwise be passed and never seen.
 */
export interface OutboxReader {
  /** Messages after `after` in order; null: from the beginning. */
  read(topic: string, after: OutboxPlace | null, limit: number): Promise<readonly OutboxEntry[]>;
  /** Where a group stands; null: it has not read yet. */
  offset(group: string, topic: string): Promise<OutboxPlace | null>;
  /** Moves a group's place; also back, which is how a topic is read again. */
  commit(group: string, topic: string, place: OutboxPlace): Promise<void>;
  /**
   * Drops whole days that ended before `before` and hold nothing that one of `readers` has not passed: at least
   * one is named, or it throws. Messages of topics that none of them reads are of no use to anybody.
   */
  dropBefore(before: number, readers: readonly OutboxGroup[]): Promise<OutboxDays>;
}

/** A group, and a topic that it reads out of the outbox. */
export interface OutboxGroup {
  readonly group: string;
  readonly topic: string;
}

export interface OutboxDays {
  readonly dropped: number;
  /** As old, and not read yet. */
  readonly kept: number;
}

export function createOutboxReader(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
}): OutboxReader {
  const { pool, codec } = deps;
  return {
    async read(topic, after, limit) {
      const { rows } = await pool.query<{
        xid: string;
        id: string;
        tenant_id: string;
        key: string;
        at: number;
        payload: string;
        headers: Readonly<Record<string, string>> | null;
      }>({
        name: 'read_outbox',
        text: `select xid, id, tenant_id, key, at, payload, headers from outbox
               where topic = $1 and (xid, id) > ($2::text::xid8, $3::bigint)
                 and xid < pg_snapshot_xmin(pg_current_snapshot())
               order by xid, id limit $4`,
        values: [topic, after?.xid ?? '0', after?.id ?? '0', limit],
      });
      return rows.map((row) => ({
        xid: row.xid,
        id: row.id,
        tenant: row.tenant_id,
        topic,
        key: row.key,
        at: row.at,
        payload: codec.decode(row.payload, row.tenant_id),
        headers: row.headers ?? {},
      }));
    },
    async offset(group, topic) {
      const { rows } = await pool.query<{ xid: string; id: string }>(
        'select xid, id from outbox_offsets where consumer_group = $1 and topic = $2',
        [group, topic],
      );
      return rows[0] ?? null;
    },
    async commit(group, topic, place) {
      await pool.query({
        name: 'commit_outbox',
        text: `insert into outbox_offsets (consumer_group, topic, xid, id)
               values ($1, $2, $3::text::xid8, $4)
               on conflict (consumer_group, topic) do update set xid = excluded.xid, id = excluded.id`,
        values: [group, topic, place.xid, place.id],
      });
    },
    async dropBefore(before, readers) {
      const { rows } = await pool.query<OutboxDays>(
        'select dropped, kept from drop_read_outbox_days(to_timestamp($1), $2, $3)',
        [seconds(before), readers.map(({ group }) => group), readers.map(({ topic }) => topic)],
      );
      return rows[0] ?? { dropped: 0, kept: 0 };
    },
  };
}
