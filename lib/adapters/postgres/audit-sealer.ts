/**
 * Takes what was told of audits into the chain of its tenant.
 *
 *  S1 one process seals at a time, and in one transaction an entry leaves the inbox, becomes an event and
 *     moves the end of its chain: a crash leaves all three as they were;
 *  S2 a change that was told twice is one event; one whose end nobody told within the patience is an event
 *     all the same, with the outcome `unknown`, and an end that comes later is an event of its own;
 *  S3 partitions are made for the business times of what is sealed, whatever a clock did.
 */
import type { Pool, PoolClient } from 'pg';
import {
  type AuditFacts,
  CHAIN_START,
  type ChainEnd,
  type SealedEvent,
  sealEvent,
} from '#core/audit-chain.ts';
import type { JsonObject } from '#core/json.ts';
import type { AuditEnd, AuditSealer, SignedHead } from '#ports/audit-trail.ts';
import { EVENT_COLUMNS, type EventRow, toEvent } from './audit-trail.ts';
import type { Partitions } from './partitions.ts';
import { withTransaction } from './pool.ts';
import { seconds } from './rows.ts';

const LOCK = 'cloudflow.audit-sealer';

/** `pool`: role `cloudflow_relay`. */
export function createAuditSealer(deps: {
  readonly pool: Pool;
  readonly partitions: Partitions;
}): AuditSealer {
  const { pool, partitions } = deps;
  return {
    async seal(limit, patienceMs) {
      // Outside of the transaction: partitions take locks of their own.
      const { rows: days } = await pool.query<{ at: number }>(
        `select distinct (coalesce(entry::jsonb -> 'facts', entry::jsonb) ->> 'at')::float8 as at
         from (select entry from audit_inbox order by n limit $1) waiting`,
        [limit],
      );
      for (const { at } of days) await partitions.ensure(at);
      return withTransaction(pool, (client) => sealWaiting(client, limit, patienceMs));
    },

    async unsigned(limit) {
      const { rows } = await pool.query<{
        tenant: string;
        seq: number;
        hash: Buffer;
        signed_seq: number;
      }>(
        `select tenant_id as tenant, seq::float8 as seq, hash, signed_seq::float8 as signed_seq
         from audit_chains where seq > signed_seq order by tenant_id limit $1`,
        [limit],
      );
      return rows.map((row) => ({
        tenant: row.tenant,
        seq: row.seq,
        hash: row.hash.toString('hex'),
        signedSeq: row.signed_seq,
      }));
    },

    async events(tenant, after, limit) {
      const { rows } = await pool.query<EventRow>(
        `select ${EVENT_COLUMNS} from audit_events
         where tenant_id = $1 and seq > $2 order by seq limit $3`,
        [tenant, after, limit],
      );
      return rows.map(toEvent);
    },

    sign: (head) =>
      withTransaction(pool, async (client) => {
        await client.query(
          `insert into audit_heads (tenant_id, seq, hash, at, kid, signature, n, e)
           values ($1, $2, $3, to_timestamp($4), $5, $6, $7, $8) on conflict do nothing`,
          headValues(head),
        );
        await client.query(
          'update audit_chains set signed_seq = greatest(signed_seq, $2) where tenant_id = $1',
          [head.tenant, head.seq],
        );
      }),
  };
}

interface InboxRow {
  readonly n: string;
  readonly tenant: string;
  readonly id: string;
  readonly part: 'begun' | 'ended' | 'whole';
  readonly entry: string;
  /** Of a change whose end was told. */
  readonly end_n: string | null;
  readonly end_entry: string | null;
}

interface Told {
  readonly facts: AuditFacts;
  readonly personal: JsonObject;
}

interface Ready {
  readonly tenant: string;
  readonly facts: AuditFacts;
  readonly personal: JsonObject | null;
}

async function sealWaiting(client: PoolClient, limit: number, patienceMs: number): Promise<number> {
  const { rows: locks } = await client.query<{ mine: boolean }>(
    'select pg_try_advisory_xact_lock(hashtext($1)) as mine',
    [LOCK],
  );
  if (locks[0]?.mine !== true) return 0;
  // A beginning without its end waits, and does not stand in the way of what came after it. An end
  // without its beginning is late, for the beginning was durable before the change was made.
  const { rows } = await client.query<InboxRow>(
    `select i.n, i.tenant_id as tenant, i.id, i.part, i.entry, e.n as end_n, e.entry as end_entry
     from audit_inbox i
     left join audit_inbox e on i.part = 'begun' and e.id = i.id and e.part = 'ended'
     where i.part = 'whole'
        or (i.part = 'begun' and (e.n is not null
            or i.written_at <= clock_timestamp() - $2 * interval '1 millisecond'))
        or (i.part = 'ended'
            and not exists (select from audit_inbox b where b.id = i.id and b.part = 'begun'))
     order by i.n limit $1`,
    [limit, patienceMs],
  );
  if (rows.length === 0) return 0;
  await append(client, rows.map(readyOf));
  await client.query('delete from audit_inbox where n = any ($1::bigint[])', [
    rows.flatMap(({ n, end_n }) => (end_n === null ? [n] : [n, end_n])),
  ]);
  return rows.length;
}

function readyOf({ tenant, id, part, entry, end_entry }: InboxRow): Ready {
  if (part === 'ended') {
    return { tenant, facts: lateEnd(id, JSON.parse(entry) as AuditEnd), personal: null };
  }
  const { facts, personal } = JSON.parse(entry) as Told;
  if (end_entry === null) return { tenant, facts, personal };
  const { outcome, code, target, details } = JSON.parse(end_entry) as AuditEnd;
  return { tenant, facts: { ...facts, outcome, code, target, details }, personal };
}

/** The end of a change that was sealed as `unknown` before: it names that event. */
function lateEnd(id: string, { at, outcome, code, target, details }: AuditEnd): AuditFacts {
  return {
    // An id of its own: that of the event with its last bit turned.
    id: `${id.slice(0, -1)}${(Number.parseInt(id.slice(-1), 16) ^ 1).toString(16)}`,
    at,
    actor: 'platform',
    mode: null,
    operation: 'lateEnd',
    target,
    outcome,
    code,
    request_id: null,
    correlation_id: null,
    details: { ...details, of: id },
  };
}

async function append(client: PoolClient, ready: readonly Ready[]): Promise<void> {
  const tenants = [...new Set(ready.map(({ tenant }) => tenant))].sort();
  await client.query(
    `insert into audit_chains (tenant_id, seq, hash)
     select tenant, 0, $2 from unnest($1::uuid[]) as tenant on conflict do nothing`,
    [tenants, Buffer.from(CHAIN_START.hash, 'hex')],
  );
  const { rows } = await client.query<{ tenant: string; seq: number; hash: Buffer }>(
    `select tenant_id as tenant, seq::float8 as seq, hash from audit_chains
     where tenant_id = any ($1) order by tenant_id for update`,
    [tenants],
  );
  const ends = new Map<string, ChainEnd>(
    rows.map(({ tenant, seq, hash }) => [tenant, { seq, hash: hash.toString('hex') }]),
  );
  const sealed: (SealedEvent & { readonly tenant: string; readonly id: string })[] = [];
  for (const { tenant, facts, personal } of ready) {
    const event = sealEvent(tenant, ends.get(tenant) ?? CHAIN_START, facts, personal);
    ends.set(tenant, event);
    sealed.push({ ...event, tenant, id: facts.id });
  }
  await client.query(
    `insert into audit_events (tenant_id, id, seq, content, personal, hash)
     select t, i, s, c, p::jsonb, decode(h, 'hex')
     from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[])
       as sealed (t, i, s, c, p, h)`,
    [
      sealed.map(({ tenant }) => tenant),
      sealed.map(({ id }) => id),
      sealed.map(({ seq }) => seq),
      sealed.map(({ content }) => content),
      sealed.map(({ personal }) => (personal === null ? null : JSON.stringify(personal))),
      sealed.map(({ hash }) => hash),
    ],
  );
  const moved = tenants.map((tenant) => ends.get(tenant) ?? CHAIN_START);
  await client.query(
    `update audit_chains c set seq = m.seq, hash = decode(m.hash, 'hex')
     from unnest($1::uuid[], $2::bigint[], $3::text[]) as m (tenant, seq, hash)
     where c.tenant_id = m.tenant`,
    [tenants, moved.map(({ seq }) => seq), moved.map(({ hash }) => hash)],
  );
}

/** The columns of a head, in the order in which they are written. */
function headValues({ tenant, seq, hash, at, kid, signature, n, e }: SignedHead): unknown[] {
  return [tenant, seq, Buffer.from(hash, 'hex'), seconds(at), kid, signature, n, e];
}
