import type { Pool } from 'pg';
import type { JsonObject } from '#core/json.ts';
import type { OneTimeToken, OneTimeTokens, TokenPurpose } from '#ports/one-time-tokens.ts';
import { withTenant } from './pool.ts';
import { seconds } from './rows.ts';

interface Row {
  readonly user_id: string;
  readonly details: JsonObject;
}

/** `pool`: role `cloudflow_app`. */
export function createPostgresOneTimeTokens(pool: Pool): OneTimeTokens {
  const look = async (
    digest: Uint8Array,
    purpose: TokenPurpose,
    now: number,
    statement: 'select' | 'delete',
  ): Promise<OneTimeToken | null> => {
    const bytes = Buffer.from(digest);
    const found = await pool.query<{ tenant_id: string }>({
      name: 'find-one-time-token',
      text: 'select tenant_id from find_one_time_token($1)',
      values: [bytes],
    });
    const tenant = found.rows[0]?.tenant_id;
    if (tenant === undefined) return null;
    return withTenant(pool, tenant, async (client) => {
      const where =
        'tenant_id = $1 and digest = $2 and purpose = $3 and expires_at > to_timestamp($4)';
      const { rows } = await client.query<Row>(
        statement === 'select'
          ? `select user_id, details from one_time_tokens where ${where}`
          : `delete from one_time_tokens where ${where} returning user_id, details`,
        [tenant, bytes, purpose, seconds(now)],
      );
      const row = rows[0];
      return row === undefined ? null : { tenant, user: row.user_id, details: row.details };
    });
  };
  return {
    create: (token) =>
      withTenant(pool, token.tenant, async (client) => {
        if (token.only) {
          await client.query(
            'delete from one_time_tokens where tenant_id = $1 and user_id = $2 and purpose = $3',
            [token.tenant, token.user, token.purpose],
          );
        }
        await client.query(
          `insert into one_time_tokens
             (digest, tenant_id, user_id, purpose, details, created_at, expires_at)
           values ($1, $2, $3, $4, $5, to_timestamp($6), to_timestamp($7))`,
          [
            Buffer.from(token.digest),
            token.tenant,
            token.user,
            token.purpose,
            JSON.stringify(token.details),
            seconds(token.now),
            seconds(token.expiresAt),
          ],
        );
      }),
    find: (digest, purpose, now) => look(digest, purpose, now, 'select'),
    take: (digest, purpose, now) => look(digest, purpose, now, 'delete'),
  };
}
