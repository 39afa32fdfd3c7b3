import type { Pool } from 'pg';
import type { ApiKeys } from '#ports/api-keys.ts';
import type { Mode } from '#ports/execution-store.ts';
import { withTenant } from './pool.ts';
import { seconds, secondsOrNull } from './rows.ts';

interface Row {
  readonly tenant_id: string;
  readonly mode: Mode;
  readonly digest: Buffer;
  readonly scopes: readonly string[];
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
}

/** `pool`: role `cloudflow_app`; a look-up by key id goes through a function that shows only keys. */
export function createPostgresApiKeys(pool: Pool): ApiKeys {
  return {
    async find(keyId) {
      const { rows } = await pool.query<Row>({
        name: 'find-api-key',
        text: 'select * from find_api_key($1)',
        values: [keyId],
      });
      const row = rows[0];
      return row === undefined
        ? null
        : {
            keyId,
            tenant: row.tenant_id,
            mode: row.mode,
            digest: row.digest,
            scopes: row.scopes,
            createdAt: row.created_at,
            expiresAt: row.expires_at,
            revokedAt: row.revoked_at,
          };
    },
    create: (key) =>
      withTenant(pool, key.tenant, async (client) => {
        const { rowCount } = await client.query(
          `insert into api_keys
             (key_id, tenant_id, mode, name, digest, scopes, created_at, expires_at, revoked_at)
           values ($1, $2, $3, $4, $5, $6, to_timestamp($7), to_timestamp($8), to_timestamp($9))
           on conflict (key_id) do nothing`,
          [
            key.keyId,
            key.tenant,
            key.mode,
            key.name,
            Buffer.from(key.digest),
            key.scopes,
            seconds(key.createdAt),
            secondsOrNull(key.expiresAt),
            secondsOrNull(key.revokedAt),
          ],
        );
        return rowCount === 1 ? 'created' : 'taken';
      }),
    revoke: (tenant, keyId, now) =>
      withTenant(pool, tenant, async (client) => {
        await client.query(
          `update api_keys set revoked_at = to_timestamp($3)
           where tenant_id = $1 and key_id = $2 and revoked_at is null`,
          [tenant, keyId, seconds(now)],
        );
      }),
  };
}
