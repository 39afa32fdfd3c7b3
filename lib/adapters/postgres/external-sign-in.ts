import type { Pool, PoolClient } from 'pg';
import type { ProtocolKind } from '#core/identity-providers.ts';
import type {
  ExternalIdentities,
  IdentityUnlink,
  LinkedIdentity,
  SignIns,
} from '#ports/identity-providers.ts';
import { FOREIGN_KEY_VIOLATION, sqlState } from './errors.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds } from './rows.ts';
import { insertUser } from './user-store.ts';

/** `pool`: role `cloudflow_app`. */
export function createPostgresExternalIdentities(pool: Pool): ExternalIdentities {
  return {
    find: (tenant, provider, subject) =>
      readTenant(pool, tenant, async (client) => {
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

    list: (tenant, user) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<LinkRow>(
          `select p.name, p.kind, p.enabled, e.subject, e.linked_at
           from users u
           left join external_identities e on e.tenant_id = u.tenant_id and e.user_id = u.id
           left join identity_providers p on p.tenant_id = e.tenant_id and p.id = e.provider_id
           where u.tenant_id = $1 and u.id = $2
           order by p.name, e.subject`,
          [tenant, user],
        );
        return rows.length === 0
          ? null
          : rows.filter(({ subject }) => subject !== null).map(toLink);
      }),

    unlink: (unlink) => withTenant(pool, unlink.tenant, (client) => unlinkIn(client, unlink)),
  };
}

/** All null: the user is nobody elsewhere. */
interface LinkRow {
  readonly name: string;
  readonly kind: ProtocolKind;
  readonly enabled: boolean;
  readonly subject: string | null;
  readonly linked_at: number;
}

function toLink({ name, kind, enabled, subject, linked_at }: LinkRow): LinkedIdentity {
  return { provider: name, kind, enabled, subject: subject ?? '', linkedAt: linked_at };
}

async function unlinkIn(
  client: PoolClient,
  { tenant, user, provider, passwordCounts, now }: IdentityUnlink,
): Promise<'unlinked' | 'not_found' | 'last'> {
  // Two at once would each take the other's for what is left.
  const { rows: users } = await client.query<{ readonly has_password: boolean }>(
    `select password_hash is not null as has_password from users
     where tenant_id = $1 and id = $2 for update`,
    [tenant, user],
  );
  const { rows: links } = await client.query<{ id: string; name: string; enabled: boolean }>(
    `select p.id, p.name, p.enabled from external_identities e
     join identity_providers p on p.tenant_id = e.tenant_id and p.id = e.provider_id
     where e.tenant_id = $1 and e.user_id = $2`,
    [tenant, user],
  );
  const id = links.find(({ name }) => name === provider)?.id;
  if (users[0] === undefined || id === undefined) return 'not_found';
  const others = links.some(({ name, enabled }) => enabled && name !== provider);
  if (!others && !(passwordCounts && users[0].has_password)) return 'last';
  await client.query(
    'delete from external_identities where tenant_id = $1 and user_id = $2 and provider_id = $3',
    [tenant, user, id],
  );
  await client.query(
    `update sessions set ended_at = to_timestamp($4), ended_because = 'identity_removed'
     where tenant_id = $1 and user_id = $2 and provider_id = $3 and ended_at is null`,
    [tenant, user, id, seconds(now)],
  );
  return 'unlinked';
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
