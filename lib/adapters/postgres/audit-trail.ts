import type { Pool } from 'pg';
import type { SealedEvent } from '#core/audit-chain.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { AuditEntry, AuditTrail, SignedHead } from '#ports/audit-trail.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import { isBatchPoison } from './errors.ts';
import { paged } from './paging.ts';
import { readTenant } from './pool.ts';

const MAX_WAITING = 5_000;

/**
 * `pool`: role `cloudflow_app`, which may put into the inbox and read nothing there. Calls at the same
 * time share a commit.
 */
export function createPostgresAuditTrail(pool: Pool): AuditTrail {
  const inbox: Batcher<AuditEntry, undefined> = createBatcher({
    lanes: 1,
    maxItems: 500,
    maxWaiting: MAX_WAITING,
    divisible: isBatchPoison,
    async write(entries) {
      await pool.query({
        name: 'tell-audit',
        text: `insert into audit_inbox (tenant_id, id, part, entry)
               select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])`,
        values: [
          entries.map(({ tenant }) => tenant),
          entries.map(({ id }) => id),
          entries.map(({ part }) => part),
          entries.map((entry) => JSON.stringify(bodyOf(entry))),
        ],
      });
      return entries.map(() => undefined);
    },
  });

  return {
    tell: (entry) => inbox.add(entry),

    list(tenant, filter, page) {
      return readTenant(pool, tenant, async (client) => {
        const newest = filter.order === 'newest';
        const { rows } = await client.query<EventRow>(
          `select ${EVENT_COLUMNS} from audit_events
           where tenant_id = $1 and ($2::bigint is null or seq ${newest ? '<' : '>'} $2)
             and ($3::text is null or actor = $3) and ($4::text is null or operation = $4)
             and ($5::text is null or target = $5) and ($6::text is null or outcome = $6)
             and ($7::bigint is null or at >= $7) and ($8::bigint is null or at < $8)
           order by seq ${newest ? 'desc' : 'asc'} limit $9`,
          [
            tenant,
            page.after,
            filter.actor,
            filter.operation,
            filter.target,
            filter.outcome,
            filter.from,
            filter.to,
            page.limit + 1,
          ],
        );
        return paged(rows.map(toEvent), page.limit, ({ seq }) => String(seq));
      });
    },

    heads(tenant, page) {
      return readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<HeadRow>(
          `select tenant_id, seq::float8 as seq, hash, at, kid, signature, n, e from audit_heads
           where tenant_id = $1 and seq > $2 order by seq limit $3`,
          [tenant, page.after ?? 0, page.limit + 1],
        );
        return paged(rows.map(toHead), page.limit, ({ seq }) => String(seq));
      });
    },
  };
}

/** What the inbox holds beside tenant, id and part. */
function bodyOf(entry: AuditEntry): Json {
  const body =
    entry.part === 'ended' ? entry.end : { facts: entry.facts, personal: entry.personal };
  return body as unknown as Json;
}

export const EVENT_COLUMNS = 'seq::float8 as seq, content, personal, hash';

export interface EventRow {
  readonly seq: number;
  readonly content: string;
  readonly personal: JsonObject | null;
  readonly hash: Buffer;
}

export function toEvent({ seq, content, personal, hash }: EventRow): SealedEvent {
  return { seq, content, personal, hash: hash.toString('hex') };
}

interface HeadRow {
  readonly tenant_id: string;
  readonly seq: number;
  readonly hash: Buffer;
  readonly at: number;
  readonly kid: string;
  readonly signature: string;
  readonly n: string;
  readonly e: string;
}

function toHead({ tenant_id, hash, ...rest }: HeadRow): SignedHead {
  return { ...rest, tenant: tenant_id, hash: hash.toString('hex') };
}
