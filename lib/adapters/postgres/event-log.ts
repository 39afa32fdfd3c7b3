import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { Json } from '#core/json.ts';
import type { Clock } from '#ports/clock.ts';
import {
  type EventLog,
  EventLogError,
  type LogMessage,
  type LogReader,
  type LogSubscription,
} from '#ports/event-log.ts';
import type { Log } from '#ports/log.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { conduct, createPauses } from '../event-log/conduct.ts';
import { checkMessages, checkMost } from '../event-log/messages.ts';
import { type Batcher, BatcherFull, createBatcher } from './batcher.ts';
import { isBatchPoison } from './errors.ts';
import { createOutboxReader, type OutboxPlace } from './outbox.ts';
import type { Partitions } from './partitions.ts';
import { seconds } from './rows.ts';

export interface PostgresLogTimes {
  /** A reader that did not say for so long that it lives is taken for dead. */
  readonly leaseMs: number;
  /** Between two looks where there was nothing to read. */
  readonly pollMs: number;
}

export const POSTGRES_LOG_TIMES: PostgresLogTimes = { leaseMs: 6_000, pollMs: 200 };

const AGAIN_MS = 1_000;

/**
 * The event log in PostgreSQL: the outbox, which is a log already. A topic has one partition, which one
 * reader of a group has at a time (`outbox_leases`). `pool`: role `cloudflow_relay`.
 */
export function createPostgresEventLog(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
  readonly clock: Clock;
  readonly log: Log;
  readonly times?: PostgresLogTimes;
}): EventLog {
  const { pool, codec, partitions, clock, log, times = POSTGRES_LOG_TIMES } = deps;
  const outbox = createOutboxReader({ pool, codec });
  const open = new Set<LogSubscription>();
  // One after the other, so that calls keep their order; what comes meanwhile goes together.
  const writing: Batcher<readonly Row[], undefined> = createBatcher({
    lanes: 1,
    maxItems: 1_000,
    maxWaiting: 10_000,
    weigh: (rows) => rows.reduce((sum, { payload }) => sum + payload.length, 0),
    maxWeight: 4_000_000,
    divisible: isBatchPoison,
    async write(calls) {
      const now = clock.now();
      if (!partitions.has(now)) await partitions.ensure(now);
      const rows = calls.flat();
      await pool.query({
        name: 'append_outbox',
        text: `insert into outbox (tenant_id, topic, key, at, payload, headers)
               select tenant, topic, key, to_timestamp($1), payload, headers::jsonb
               from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
                 with ordinality as m (tenant, topic, key, payload, headers, n)
               order by n`,
        values: [
          seconds(now),
          rows.map(({ tenant }) => tenant),
          rows.map(({ topic }) => topic),
          rows.map(({ key }) => key),
          rows.map(({ payload }) => payload),
          rows.map(({ headers }) => headers),
        ],
      });
      return calls.map(() => undefined);
    },
  });

  return {
    async append(topic, messages) {
      checkMessages(topic, messages);
      if (messages.length === 0) return;
      const rows = messages.map(({ tenant, key, value, headers }) => ({
        tenant,
        key,
        topic,
        payload: codec.encode(JSON.parse(value) as Json, tenant),
        headers: JSON.stringify(headers),
      }));
      try {
        await writing.add(rows);
      } catch (cause) {
        if (!(cause instanceof BatcherFull)) throw cause;
        throw new EventLogError('EVENT_LOG_FULL', cause.message, { cause });
      }
    },

    subscribe(reader) {
      checkMost(reader.most);
      const reading = readOutbox({ pool, outbox, clock, log, times }, reader);
      const subscription: LogSubscription = {
        async close() {
          await reading.close();
          open.delete(subscription);
        },
      };
      open.add(subscription);
      return subscription;
    },

    async seek(group, topic, at) {
      const epoch = await lease(pool, group, topic, randomUUID(), times.leaseMs);
      if (epoch === null) {
        throw new EventLogError(
          'GROUP_IS_READING',
          `${group} reads ${topic} at the moment; stop its readers first`,
        );
      }
      try {
        await outbox.commit(
          group,
          topic,
          at === 0 ? BEGINNING : await placeBefore(pool, topic, at),
        );
      } finally {
        await pool.query(
          'delete from outbox_leases where consumer_group = $1 and topic = $2 and epoch = $3',
          [group, topic, epoch],
        );
      }
    },

    async close() {
      await Promise.all([...open].map((each) => each.close()));
      await writing.drained();
    },
  };
}

interface Row {
  readonly tenant: string;
  readonly topic: string;
  readonly key: string;
  readonly payload: string;
  readonly headers: string;
}

const BEGINNING: OutboxPlace = { xid: '0', id: '0' };

/** Just before the first message of `at` or later; after the last one where there is none. */
async function placeBefore(pool: Pool, topic: string, at: number): Promise<OutboxPlace> {
  const { rows } = await pool.query<{ xid: string; id: string }>(
    // By the number that an id is: the output column of its name is text.
    `(select o.xid, (o.id - 1)::text as id from outbox o
      where o.topic = $1 and o.at >= to_timestamp($2) order by o.xid, o.id limit 1)
     union all
     (select o.xid, o.id::text as id from outbox o where o.topic = $1
      order by o.xid desc, o.id desc limit 1)
     limit 1`,
    [topic, seconds(at)],
  );
  return rows[0] ?? BEGINNING;
}

interface ReadDeps {
  readonly pool: Pool;
  readonly outbox: ReturnType<typeof createOutboxReader>;
  readonly clock: Clock;
  readonly log: Log;
  readonly times: PostgresLogTimes;
}

function readOutbox(deps: ReadDeps, reader: LogReader): LogSubscription {
  const { pool, clock, log, times } = deps;
  const { group, topic } = reader;
  const owner = randomUUID();
  const pauses = createPauses(clock);
  let epoch: number | null = null;

  async function run(): Promise<void> {
    while (!pauses.closed) {
      try {
        epoch = await lease(pool, group, topic, owner, times.leaseMs);
        if (epoch === null) await pauses.wait(times.leaseMs / 3);
        else await readWhileOurs(epoch);
      } catch (error) {
        if (pauses.closed) break;
        log.warn('EVENT_LOG_AWAY', { group, topic, error });
        await pauses.wait(AGAIN_MS);
      }
    }
    // Else whoever waits for it would wait for its end.
    await pool
      .query(
        `update outbox_leases set until = clock_timestamp()
         where consumer_group = $1 and topic = $2 and owner = $3`,
        [group, topic, owner],
      )
      .catch(() => undefined);
  }

  async function readWhileOurs(held: number): Promise<void> {
    let ours = true;
    let place = await deps.outbox.offset(group, topic);
    // A handler may take longer than a lease lasts.
    const keep = async (): Promise<void> => {
      try {
        const kept = (await renew(pool, group, topic, owner, held, times.leaseMs)) > 0;
        // It may have ended meanwhile: one that is over must not keep its lease, from itself or from others.
        ours &&= kept;
      } catch {
        // The next turn, or the commit, will tell.
      }
      if (ours) timer = clock.after(times.leaseMs / 4, keep);
    };
    let timer = clock.after(times.leaseMs / 4, () => void keep());
    try {
      while (!pauses.closed && ours) {
        const entries = await deps.outbox.read(topic, place, reader.most);
        if (entries.length === 0) {
          await pauses.wait(times.pollMs);
          continue;
        }
        const places = new Map(entries.map((entry) => [offsetOf(entry), entry]));
        await conduct(
          reader,
          { topic, partition: 0, messages: entries.map(toMessage) },
          {
            pauses,
            log,
            ours: () => ours,
            async commit(last) {
              place = places.get(last.offset) ?? place;
              if (place === null) return;
              ours = await commit(pool, { group, topic, owner, epoch: held, place, times });
            },
          },
        );
      }
    } finally {
      ours = false;
      timer.cancel();
    }
  }

  const running = run();
  return {
    close() {
      pauses.close();
      return running;
    },
  };
}

/** The epoch under which `owner` may read; null: another one does. */
async function lease(
  pool: Pool,
  group: string,
  topic: string,
  owner: string,
  leaseMs: number,
): Promise<number | null> {
  const { rows } = await pool.query<{ epoch: string }>({
    name: 'lease_outbox',
    text: `insert into outbox_leases as l (consumer_group, topic, owner, epoch, until)
           values ($1, $2, $3, 1, clock_timestamp() + $4 * interval '1 millisecond')
           on conflict (consumer_group, topic) do update
             set owner = excluded.owner, epoch = l.epoch + 1, until = excluded.until
             where l.until <= clock_timestamp()
           returning epoch`,
    values: [group, topic, owner, leaseMs],
  });
  return rows[0] === undefined ? null : Number(rows[0].epoch);
}

async function renew(
  pool: Pool,
  group: string,
  topic: string,
  owner: string,
  epoch: number,
  leaseMs: number,
): Promise<number> {
  const { rowCount } = await pool.query({
    name: 'renew_outbox',
    text: `update outbox_leases set until = clock_timestamp() + $5 * interval '1 millisecond'
           where consumer_group = $1 and topic = $2 and owner = $3 and epoch = $4`,
    values: [group, topic, owner, epoch, leaseMs],
  });
  return rowCount ?? 0;
}

/** False: another one reads by now, and the place is its. */
async function commit(
  pool: Pool,
  of: {
    readonly group: string;
    readonly topic: string;
    readonly owner: string;
    readonly epoch: number;
    readonly place: OutboxPlace;
    readonly times: PostgresLogTimes;
  },
): Promise<boolean> {
  const { rowCount } = await pool.query({
    name: 'commit_outbox_leased',
    text: `with held as (
             update outbox_leases set until = clock_timestamp() + $7 * interval '1 millisecond'
             where consumer_group = $1 and topic = $2 and owner = $3 and epoch = $4
             returning 1)
           insert into outbox_offsets (consumer_group, topic, xid, id)
           select $1, $2, $5::text::xid8, $6::bigint from held
           on conflict (consumer_group, topic) do update set xid = excluded.xid, id = excluded.id`,
    values: [of.group, of.topic, of.owner, of.epoch, of.place.xid, of.place.id, of.times.leaseMs],
  });
  return (rowCount ?? 0) > 0;
}

function offsetOf({ xid, id }: OutboxPlace): string {
  return `${xid}/${id}`;
}

function toMessage(
  entry: OutboxPlace & {
    readonly tenant: string;
    readonly key: string;
    readonly at: number;
    readonly payload: Json;
    readonly headers: Readonly<Record<string, string>>;
  },
): LogMessage {
  return {
    tenant: entry.tenant,
    key: entry.key,
    value: JSON.stringify(entry.payload),
    headers: entry.headers,
    offset: offsetOf(entry),
    at: entry.at,
  };
}
