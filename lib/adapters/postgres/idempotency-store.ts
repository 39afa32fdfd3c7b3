import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { Json } from '#core/json.ts';
import type {
  IdempotencyAnswer,
  IdempotencyStore,
  IdempotentRequest,
  KeptAnswer,
} from '#ports/idempotency-store.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { withTenant } from './pool.ts';
import { seconds } from './rows.ts';

interface Row {
  readonly kind: Exclude<IdempotencyAnswer['kind'], 'begun'> | 'begun';
  readonly response: string | null;
}

/** `pool`: role `cloudflow_app`. Answers may hold outputs, so they go through the payload codec. */
export function createPostgresIdempotencyStore(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
}): IdempotencyStore {
  const { pool, codec } = deps;
  return {
    async begin(request) {
      const attempt = randomUUID();
      const { rows } = await pool.query<Row>({
        name: 'begin-idempotent',
        text: `select kind, response from begin_idempotent(
                 $1, $2, $3, $4, make_interval(secs => $5), to_timestamp($6), to_timestamp($7))`,
        values: [
          request.tenant,
          keyOf(request),
          request.fingerprint,
          attempt,
          seconds(request.leaseMs),
          seconds(request.now),
          seconds(request.now + request.keptMs),
        ],
      });
      const row = rows[0];
      if (row === undefined) throw new Error('begin_idempotent answered no row');
      if (row.kind === 'begun') return { kind: 'begun', attempt };
      if (row.kind !== 'answered') return { kind: row.kind };
      // What this column holds was written by `finish` below.
      const answer = codec.decode(row.response ?? '', request.tenant) as unknown as KeptAnswer;
      return { kind: 'answered', answer };
    },
    finish: (request, attempt, answer) =>
      withTenant(pool, request.tenant, async (client) => {
        const { rowCount } = await client.query(
          `update idempotency_records set response = $4, attempt = null, lease_until = null
           where tenant_id = $1 and key = $2 and attempt = $3`,
          [
            request.tenant,
            keyOf(request),
            attempt,
            codec.encode(answer as unknown as Json, request.tenant),
          ],
        );
        return rowCount === 1;
      }),
    abandon: (request, attempt) =>
      withTenant(pool, request.tenant, async (client) => {
        await client.query(
          'delete from idempotency_records where tenant_id = $1 and key = $2 and attempt = $3',
          [request.tenant, keyOf(request), attempt],
        );
      }),
  };
}

/**
 * Live and test keys of one tenant do not meet, nor do kept answers and the keys that the accepting of
 * executions keeps in the same table.
 */
function keyOf(request: Pick<IdempotentRequest, 'mode' | 'key'>): string {
  return `answer:${request.mode}:${request.key}`;
}
