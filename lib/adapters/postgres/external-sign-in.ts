import type { Pool, PoolClient } from 'pg';
import type { ExternalIdentities, SignIns } from '#ports/identity-providers.ts';
import { FOREIGN_KEY_VIOLATION, sqlState } from './errors.ts';
import { withTenant } from './pool.ts';
import { seconds } from './rows.ts';
import { insertUser } from './user-store.ts';

/** `pool`: role `cloudflow_app`. */
export function createPostgresExternalIdentities(pool: Pool): ExternalIdentities {
  return {
    find: (tenant, provider, subject) =>
      withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<{ user_id: string }>(
          `select user_id from external_identities
           where tenant_id = $1 and provider_id = $2 and subject = $3`,
          [tenant, provider, subject],
        );
        return rows[0]?.user_id ?? null;
      }),

    link: ({ tenant, provider, subject, user, now }) =>
      orTaken(() =>
        withTenant(pool, tenant, (client) =>
          insertLink(client, [tenant, provider, subject, user, seconds(now)]),
        ),
      ),

    linkNew: (user, provider, subject) =>
      orTaken(() =>
        withTenant(pool, user.tenant, async (client) => {
          if (!(await insertUser(client, user))) throw new Taken();
          return insertLink(client, [user.tenant, provider, subject, user.id, seconds(user.now)]);
        }),
      ),
  };
}

/** Undoes the transaction: no user is left whom nobody is. */
class Taken extends Error {}

async function insertLink(client: PoolClient, values: readonly unknown[]): Promise<'linked'> {
  const { rowCount } = await client.query(
    `insert into external_identities (tenant_id, provider_id, subject, user_id, linked_at)
     values ($1, $2, $3, $4, to_timestamp($5)) on conflict do nothing`,
    [...values],
  );
  if (rowCount !== 1) throw new Taken();
  return 'linked';
}

async function orTaken(act: () => Promise<'linked'>): Promise<'linked' | 'taken'> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Taken || sqlState(error) === FOREIGN_KEY_VIOLATION) return 'taken';
    throw error;
  }
}

/** `pool`: role `cloudflow_app`; `lookups` may be of `cloudflow_login`. */
export function createPostgresSignIns(pool: Pool, lookups: Pool = pool): SignIns {
  return {
    create: (signIn) =>
      withTenant(pool, signIn.tenant, async (client) => {
        await client.query(
          `insert into sign_ins (digest, tenant_id, provider_id, stage, sealed, created_at, expires_at)
           values ($1, $2, $3, $4, $5, to_timestamp($6), to_timestamp($7))`,
          [
            Buffer.from(signIn.digest),
            signIn.tenant,
            signIn.provider,
            signIn.stage,
            Buffer.from(signIn.sealed),
            seconds(signIn.now),
            seconds(signIn.expiresAt),
          ],
        );
      }),

    async take(digest, stage, now) {
      const bytes = Buffer.from(digest);
      const found = await lookups.query<{ tenant_id: string }>({
        name: 'find-sign-in',
        text: 'select tenant_id from find_sign_in($1)',
        values: [bytes],
      });
      const tenant = found.rows[0]?.tenant_id;
      if (tenant === undefined) return null;
      return withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<{ provider_id: string; sealed: Buffer }>(
          `delete from sign_ins
           where tenant_id = $1 and digest = $2 and stage = $3 and expires_at > to_timestamp($4)
           returning provider_id, sealed`,
          [tenant, bytes, stage, seconds(now)],
        );
        const row = rows[0];
        return row === undefined ? null : { tenant, provider: row.provider_id, sealed: row.sealed };
      });
    },
  };
}
