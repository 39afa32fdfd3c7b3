import type { Pool } from 'pg';
import type { ApiKeys, StoredApiKey } from '#ports/api-keys.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { TenantSettings } from '#ports/users.ts';
import { paged } from './paging.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds, secondsOrNull } from './rows.ts';
import { withDefaults } from './tenant-store.ts';

interface Row {
  readonly key_id: string;
  readonly tenant_id: string;
  readonly mode: Mode;
  readonly name: string;
  readonly digest: Buffer;
  readonly scopes: readonly string[];
  readonly workflows: readonly string[] | null;
  readonly requests_per_minute: number | null;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly last_used_at: number | null;
  readonly revoked_at: number | null;
}

interface CallingRow extends Omit<Row, 'key_id'> {
  readonly settings: Partial<TenantSettings>;
}

const COLUMNS = `key_id, tenant_id, mode, name, digest, scopes, workflows, requests_per_minute,
  created_at, expires_at, last_used_at, revoked_at`;

/**
 * `pool`: role `cloudflow_app`; a look-up by key id goes through a function that shows only keys, and
 * may be asked as `cloudflow_login` (`lookups`).
 */
export function createPostgresApiKeys(pool: Pool, lookups: Pool = pool): ApiKeys {
  return {
    async find(keyId) {
      const { rows } = await lookups.query<CallingRow>({
        name: 'find-calling-key',
        text: 'select * from find_calling_key($1)',
        values: [keyId],
      });
      const row = rows[0];
      if (row === undefined) return null;
      return { ...toKey({ key_id: keyId, ...row }), settings: withDefaults(row.settings) };
    },

    create: (key) =>
      withTenant(pool, key.tenant, async (client) => {
        const { rowCount } = await client.query(
          `insert into api_keys
             (key_id, tenant_id, mode, name, digest, scopes, workflows, created_at, expires_at,
              revoked_at, requests_per_minute)
           values ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8), to_timestamp($9), to_timestamp($10), $11)
           on conflict (key_id) do nothing`,
          [
            key.keyId,
            key.tenant,
            key.mode,
            key.name,
            Buffer.from(key.digest),
            key.scopes,
            key.workflows,
            seconds(key.createdAt),
            secondsOrNull(key.expiresAt),
            secondsOrNull(key.revokedAt),
            key.requestsPerMinute,
          ],
        );
        return rowCount === 1 ? 'created' : 'taken';
      }),

    get: (tenant, keyId) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from api_keys where tenant_id = $1 and key_id = $2`,
          [tenant, keyId],
        );
        return rows[0] === undefined ? null : toKey(rows[0]);
      }),

    list: (tenant, { mode, workflows }, page) =>
      readTenant(pool, tenant, async (client) => {
        const [at, id] = page.after?.split(' ') ?? [null, null];
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from api_keys
           where tenant_id = $1
             and ($2::double precision is null or (created_at, key_id) < (to_timestamp($2), $3))
             and ($4::text is null or mode = $4)
             and ($5::text[] is null or workflows <@ $5)
           order by created_at desc, key_id desc limit $6`,
          [tenant, at === null ? null : seconds(Number(at)), id, mode, workflows, page.limit + 1],
        );
        return paged(rows.map(toKey), page.limit, (key) => `${key.createdAt} ${key.keyId}`);
      }),

    revoke: (tenant, keyId, now) =>
      withTenant(pool, tenant, async (client) => {
        const { rowCount } = await client.query(
          `update api_keys set revoked_at = coalesce(revoked_at, to_timestamp($3))
           where tenant_id = $1 and key_id = $2`,
          [tenant, keyId, seconds(now)],
        );
        return rowCount === 1;
      }),

    endBy: (tenant, keyId, at) =>
      withTenant(pool, tenant, async (client) => {
        await client.query(
          `update api_keys set expires_at = least(expires_at, to_timestamp($3))
           where tenant_id = $1 and key_id = $2`,
          [tenant, keyId, seconds(at)],
        );
      }),

    used: (tenant, keyId, now) =>
      withTenant(pool, tenant, async (client) => {
        await client.query(
          `update api_keys set last_used_at = to_timestamp($3)
           where tenant_id = $1 and key_id = $2
             and (last_used_at is null or last_used_at < to_timestamp($3))`,
          [tenant, keyId, seconds(now)],
        );
      }),
  };
}

function toKey(row: Row): StoredApiKey {
  return {
    keyId: row.key_id,
    tenant: row.tenant_id,
    mode: row.mode,
    name: row.name,
    digest: row.digest,
    scopes: row.scopes,
    workflows: row.workflows,
    requestsPerMinute: row.requests_per_minute,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  };
}
