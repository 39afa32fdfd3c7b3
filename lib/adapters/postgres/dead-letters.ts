import type { Pool, PoolClient } from 'pg';
import { CONSUMERS, DUE_MS } from '#config/consumers.ts';
import type { TopicName } from '#config/topics.ts';
import { eventEnvelope } from '#core/event-envelope.ts';
import type { DeadLetterStatus } from '#core/events/dead-letter-status.ts';
import type { PlatformEvent } from '#core/events/schemas.ts';
import { sha256Hex } from '#core/hash.ts';
import { derivedIdAt } from '#core/ids.ts';
import type { Json } from '#core/json.ts';
import type {
  Closing,
  DeadLetter,
  DeadLetterBox,
  DeadLetterPattern,
  DeadLetterScope,
  DeadLetters,
  NewDeadLetter,
} from '#ports/dead-letters.ts';
import type { Ids } from '#ports/ids.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { paged } from './paging.ts';
import type { Partitions } from './partitions.ts';
import { readTenant, withTenant, withTransaction } from './pool.ts';
import { seconds } from './rows.ts';

const DEAD_LETTER_TOPIC = 'dead-letter-queue' satisfies TopicName;
/** Whose chain and letters are nobody's. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

/** `pool`: role `cloudflow_relay`. */
export function createDeadLetterBox(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
  readonly ids: Ids;
}): DeadLetterBox {
  const { pool, codec, partitions, ids } = deps;
  return {
    async lay(letter) {
      const { now } = letter;
      if (!partitions.has(now)) await partitions.ensure(now);
      const tenant = letter.tenant ?? NOBODY;
      const news = eventEnvelope({
        id: ids.random(),
        type: 'dead_letter.laid_aside',
        at: now,
        correlationId: null,
        tenant,
        source: letter.group,
        payload: {
          dead_letter_id: letter.id,
          group: letter.group,
          topic: letter.topic,
          event_id: letter.eventId,
          event_type: letter.eventType,
          fingerprint: letter.fingerprint,
          attempts: letter.attempts,
          mode: letter.mode,
          due_at: new Date(letter.dueAt).toISOString(),
        },
      });
      await withTransaction(pool, async (client) => {
        const payload =
          letter.value === null ? null : codec.encode(JSON.parse(letter.value) as Json, tenant);
        await insertLetter(client, { ...letter, payload });
        await client.query(
          `insert into outbox (tenant_id, topic, key, at, payload)
           values ($1, $2, $3, to_timestamp($4), $5)`,
          [tenant, DEAD_LETTER_TOPIC, letter.id, seconds(now), codec.encode(news, tenant)],
        );
      });
    },
  };
}

async function insertLetter(
  client: PoolClient,
  letter: Omit<NewDeadLetter, 'value'> & { readonly payload: string | null },
): Promise<void> {
  await client.query(
    `insert into dead_letters as d (id, tenant_id, mode, consumer_group, topic, key, event_id,
       event_type, payload, error_name, error_code, fingerprint, attempts, critical, status,
       first_at, last_at, due_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'open',
             to_timestamp($15), to_timestamp($15), to_timestamp($16))
     on conflict (consumer_group, event_id) do update set
       attempts = d.attempts + excluded.attempts, status = 'open', last_at = excluded.last_at,
       due_at = excluded.due_at, error_name = excluded.error_name,
       error_code = excluded.error_code, fingerprint = excluded.fingerprint,
       closed_at = null, closed_by = null, reason = null`,
    [
      letter.id,
      letter.tenant,
      letter.mode,
      letter.group,
      letter.topic,
      letter.key,
      letter.eventId,
      letter.eventType,
      letter.payload,
      letter.error.name,
      letter.error.code,
      letter.fingerprint,
      letter.attempts,
      letter.critical,
      seconds(letter.now),
      seconds(letter.dueAt),
    ],
  );
}

/** An undo that could not be finished needs a person: it is listed beside what readers laid aside. */
export async function noteCompensation(
  client: PoolClient,
  events: readonly PlatformEvent[],
  now: number,
): Promise<void> {
  const { group, topic } = CONSUMERS['dead-letters'];
  for (const event of events) {
    if (event.event_type !== 'workflow.execution.compensation_incomplete') continue;
    await insertLetter(client, {
      id: derivedIdAt(Date.parse(event.timestamp), `${group}/${event.event_id}`),
      tenant: event.tenant_id,
      mode: event.payload.mode,
      group,
      topic,
      key: event.payload.execution_id,
      eventId: event.event_id,
      eventType: event.event_type,
      // It was understood: there is nothing to send again.
      payload: null,
      error: { name: 'CompensationIncomplete', code: 'COMPENSATION_INCOMPLETE' },
      fingerprint: sha256Hex(`${group}\n${event.event_type}`).slice(0, 16),
      attempts: 1,
      critical: true,
      now,
      dueAt: now + DUE_MS.critical,
    });
  }
}

interface Row {
  readonly id: string;
  readonly tenant_id: string | null;
  readonly mode: DeadLetter['mode'];
  readonly consumer_group: string;
  readonly topic: string;
  readonly event_id: string;
  readonly event_type: string | null;
  readonly redrivable: boolean;
  readonly error_name: string;
  readonly error_code: string | null;
  readonly fingerprint: string;
  readonly attempts: number;
  readonly critical: boolean;
  readonly status: DeadLetterStatus;
  readonly first_at: number;
  readonly last_at: number;
  readonly due_at: number;
  readonly closed_at: number | null;
  readonly closed_by: string | null;
  readonly reason: string | null;
}

const COLUMNS = `id, tenant_id, mode, consumer_group, topic, event_id, event_type,
  payload is not null as redrivable, error_name, error_code, fingerprint, attempts, critical, status,
  first_at, last_at, due_at, closed_at, closed_by, reason`;

/** `pool`: role `cloudflow_app`. */
export function createDeadLetters(deps: {
  readonly pool: Pool;
  readonly partitions: Partitions;
}): DeadLetters {
  const { pool, partitions } = deps;

  async function close(
    { tenant, mode }: DeadLetterScope,
    id: string,
    status: 'redriven' | 'discarded',
    { actor, reason, now }: Closing,
  ): Promise<DeadLetter | null> {
    if (!partitions.has(now)) await partitions.ensure(now);
    return withTenant(pool, tenant, async (client) => {
      const sends = status === 'redriven';
      const { rows } = await client.query<Row>(
        `with closed as (
           update dead_letters set status = $4, closed_at = to_timestamp($5), closed_by = $6,
             reason = $7
           where tenant_id = $1 and mode = $2 and id = $3 and status = 'open'
             and (payload is not null or $4 <> 'redriven')
           returning *),
         sent as (
           insert into outbox (tenant_id, topic, key, at, payload)
           select tenant_id, topic, key, closed_at, payload from closed where $8)
         select ${COLUMNS} from closed`,
        [tenant, mode, id, status, seconds(now), actor, reason, sends],
      );
      if (rows[0] !== undefined) return toLetter(rows[0]);
      return find(client, { tenant, mode }, id);
    });
  }

  async function find(
    client: PoolClient,
    { tenant, mode }: DeadLetterScope,
    id: string,
  ): Promise<DeadLetter | null> {
    const { rows } = await client.query<Row>(
      `select ${COLUMNS} from dead_letters where tenant_id = $1 and mode = $2 and id = $3`,
      [tenant, mode, id],
    );
    return rows[0] === undefined ? null : toLetter(rows[0]);
  }

  return {
    list({ tenant, mode }, filter, page) {
      return readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from dead_letters
           where tenant_id = $1 and mode = $2 and ($3::uuid is null or id < $3)
             and ($4::text is null or status = $4) and ($5::text is null or consumer_group = $5)
             and ($6::text is null or fingerprint = $6)
           order by id desc limit $7`,
          [
            tenant,
            mode,
            page.after,
            filter.status,
            filter.group,
            filter.fingerprint,
            page.limit + 1,
          ],
        );
        return paged(rows.map(toLetter), page.limit, ({ id }) => id);
      });
    },

    patterns({ tenant, mode }, limit) {
      return readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<
          Pick<
            Row,
            'fingerprint' | 'consumer_group' | 'event_type' | 'error_name' | 'error_code'
          > & {
            readonly open: number;
            readonly first_at: number;
            readonly last_at: number;
            readonly due_at: number;
          }
        >(
          `select fingerprint, consumer_group, event_type, error_name, error_code,
                  count(*)::integer as open, min(first_at) as first_at, max(last_at) as last_at,
                  min(due_at) as due_at
           from dead_letters where tenant_id = $1 and mode = $2 and status = 'open'
           group by fingerprint, consumer_group, event_type, error_name, error_code
           order by open desc, fingerprint limit $3`,
          [tenant, mode, limit],
        );
        return rows.map(
          (row): DeadLetterPattern => ({
            fingerprint: row.fingerprint,
            group: row.consumer_group,
            eventType: row.event_type,
            error: { name: row.error_name, code: row.error_code },
            open: row.open,
            firstAt: row.first_at,
            lastAt: row.last_at,
            nextDueAt: row.due_at,
          }),
        );
      });
    },

    find: (scope, id) => readTenant(pool, scope.tenant, (client) => find(client, scope, id)),
    redrive: (scope, id, by) => close(scope, id, 'redriven', by),
    discard: (scope, id, by) => close(scope, id, 'discarded', by),
  };
}

function toLetter(row: Row): DeadLetter {
  return {
    id: row.id,
    tenant: row.tenant_id,
    mode: row.mode,
    group: row.consumer_group,
    topic: row.topic,
    eventId: row.event_id,
    eventType: row.event_type,
    redrivable: row.redrivable,
    error: { name: row.error_name, code: row.error_code },
    fingerprint: row.fingerprint,
    attempts: row.attempts,
    critical: row.critical,
    status: row.status,
    firstAt: row.first_at,
    lastAt: row.last_at,
    dueAt: row.due_at,
    closedAt: row.closed_at,
    closedBy: row.closed_by,
    reason: row.reason,
  };
}
