import type { Pool, PoolClient } from 'pg';
import type {
  NewUser,
  Preferences,
  UserChange,
  UserCredentials,
  UserRecord,
  UserStatus,
  UserStore,
} from '#ports/users.ts';
import { sqlState, UNIQUE_VIOLATION } from './errors.ts';
import { paged } from './paging.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds, secondsOrNull } from './rows.ts';
import { endSessionsOf } from './session-store.ts';

interface PasswordRow {
  readonly password_hash: string | null;
  readonly password_revision: number;
}

interface Row {
  readonly tenant_id: string;
  readonly id: string;
  readonly email: string;
  readonly address: string;
  readonly name: string | null;
  readonly status: UserStatus;
  readonly roles: readonly string[];
  readonly preferences: Preferences;
  readonly email_verified_at: number | null;
  readonly second_factor: boolean;
  readonly last_signed_in_at: number | null;
  readonly revision: number;
  readonly created_at: number;
  readonly updated_at: number;
}

const COLUMNS = `u.tenant_id, u.id, u.email, u.address, u.name, u.status, u.roles, u.preferences,
  u.email_verified_at, u.last_signed_in_at, u.revision, u.created_at, u.updated_at,
  exists (select from second_factors f
          where f.tenant_id = u.tenant_id and f.user_id = u.id and f.confirmed_at is not null)
    as second_factor`;

/** `pool`: role `cloudflow_app`. */
export function createPostgresUsers(pool: Pool): UserStore {
  const one = async (tenant: string, where: string, value: string, hash: boolean) =>
    readTenant(pool, tenant, async (client) => {
      const { rows } = await client.query<Row & Partial<PasswordRow>>(
        `select ${COLUMNS}${hash ? ', u.password_hash, u.password_revision' : ''} from users u
         where u.tenant_id = $1 and ${where} = $2`,
        [tenant, value],
      );
      return rows[0] ?? null;
    });
  const withHash = async (
    tenant: string,
    where: 'u.address' | 'u.id',
    value: string,
  ): Promise<UserCredentials | null> => {
    const row = await one(tenant, where, value, true);
    if (row === null) return null;
    const { password_hash: passwordHash = null, password_revision: passwordRevision = 0 } = row;
    return { ...toUser(row), passwordHash, passwordRevision };
  };
  return {
    create: (user) =>
      withTenant(pool, user.tenant, async (client) => {
        const made = await insertUser(client, user);
        return made ? read(client, user.tenant, user.id) : 'taken';
      }),

    async find(tenant, id) {
      const row = await one(tenant, 'u.id', id, false);
      return row === null ? null : toUser(row);
    },
    findCredentials: (tenant, address) => withHash(tenant, 'u.address', address),
    credentialsOf: (tenant, id) => withHash(tenant, 'u.id', id),

    list: (tenant, filter, page) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from users u
           where u.tenant_id = $1
             and ($2::text is null or u.status = $2)
             and ($3::text is null or u.roles @> array[$3])
             and ($4::text is null
                  or position(lower($4) in lower(u.address)) > 0
                  or position(lower($4) in lower(coalesce(u.name, ''))) > 0)
             and ($5::text is null or u.address > $5)
           order by u.address limit $6`,
          [tenant, filter.status, filter.role, filter.text, page.after, page.limit + 1],
        );
        const { items, next } = paged(rows, page.limit, (row) => row.address);
        return { items: items.map(toUser), next };
      }),

    update: (tenant, id, change, revision, now, keeps) =>
      withTenant(pool, tenant, async (client) => {
        if (keeps !== undefined && (await isLast(client, tenant, id, change, keeps))) {
          return { kind: 'last' };
        }
        const moves =
          change.roles !== undefined && (await holdsOther(client, tenant, id, change.roles));
        const { rowCount } = await client.query(
          `update users
           set name = case when $4 then $5 else name end,
               status = coalesce($6, status), roles = coalesce($7, roles),
               preferences = coalesce($8, preferences),
               email_verified_at = coalesce(to_timestamp($9), email_verified_at),
               revision = revision + 1, updated_at = to_timestamp($10)
           where tenant_id = $1 and id = $2 and ($3::integer is null or revision = $3)`,
          [
            tenant,
            id,
            revision,
            change.name !== undefined,
            change.name ?? null,
            change.status ?? null,
            change.roles ?? null,
            change.preferences === undefined ? null : JSON.stringify(change.preferences),
            secondsOrNull(change.emailVerifiedAt ?? null),
            seconds(now),
          ],
        );
        if (rowCount === 1) {
          const ending = { tenant, user: id, because: 'roles_changed', except: null, now } as const;
          if (moves) await endSessionsOf(client, ending);
          if (change.status === 'deactivated') await shutOut(client, tenant, id, now);
          return { kind: 'replaced', record: await read(client, tenant, id) };
        }
        const there = await client.query('select 1 from users where tenant_id = $1 and id = $2', [
          tenant,
          id,
        ]);
        return { kind: there.rowCount === 0 ? 'not_found' : 'changed' };
      }),

    setPassword: (tenant, id, { hash, of, mailed, name, proven, because, except, now }) =>
      withTenant(pool, tenant, async (client) => {
        // First, and so the lock that sessions are opened under: one is opened before this and ended by it, or not at all.
        const { rowCount } = await client.query(
          `update users
           set password_hash = $3, password_revision = password_revision + 1, updated_at = to_timestamp($4),
               status = 'active', name = coalesce($8, name),
               email_verified_at = case when $7 then to_timestamp($4) else email_verified_at end,
               revision = revision + case when $7 then 1 else 0 end
           where tenant_id = $1 and id = $2 and status = $6
             and ($5::integer is null or password_revision = $5)`,
          [tenant, id, hash, seconds(now), proven, of, mailed, name ?? null],
        );
        if (rowCount !== 1) return false;
        await client.query(
          `delete from one_time_tokens
           where tenant_id = $1 and user_id = $2
             and purpose in ('reset_password', 'confirm_address', 'second_factor')`,
          [tenant, id],
        );
        await endSessionsOf(client, { tenant, user: id, because, except, now });
        return true;
      }),

    rehash: (tenant, id, { verified, renewed }) =>
      withTenant(pool, tenant, async (client) => {
        await client.query(
          `update users set password_hash = $4
           where tenant_id = $1 and id = $2 and password_hash = $3`,
          [tenant, id, verified, renewed],
        );
      }),

    async move(tenant, id, { email, address, passwordRevision }, now) {
      try {
        return await withTenant(pool, tenant, async (client) => {
          const { rowCount } = await client.query(
            `update users
             set email = $3, address = $4, email_verified_at = to_timestamp($5),
                 revision = revision + 1, updated_at = to_timestamp($5)
             where tenant_id = $1 and id = $2 and password_revision = $6`,
            [tenant, id, email, address, seconds(now), passwordRevision],
          );
          if (rowCount !== 1) return false;
          await client.query(
            `delete from one_time_tokens
             where tenant_id = $1 and user_id = $2 and purpose = 'reset_password'`,
            [tenant, id],
          );
          return true;
        });
      } catch (error) {
        if (sqlState(error) === UNIQUE_VIOLATION) return false;
        throw error;
      }
    },
  };
}

/** False: the tenant has a user with this address. */
export async function insertUser(client: PoolClient, user: NewUser): Promise<boolean> {
  const { rowCount } = await client.query(
    `insert into users (tenant_id, id, email, address, name, status, roles,
                        email_verified_at, revision, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8), 1, to_timestamp($9), to_timestamp($9))
     on conflict (tenant_id, address) do nothing`,
    [
      user.tenant,
      user.id,
      user.email,
      user.address,
      user.name,
      user.status,
      user.roles,
      secondsOrNull(user.emailVerifiedAt),
      seconds(user.now),
    ],
  );
  return rowCount === 1;
}

/** With what was mailed to them too: nothing of it is good once they are let in again. */
async function shutOut(client: PoolClient, tenant: string, id: string, now: number): Promise<void> {
  const ending = { tenant, user: id, because: 'deactivated', except: null, now } as const;
  await endSessionsOf(client, ending);
  await client.query('delete from one_time_tokens where tenant_id = $1 and user_id = $2', [
    tenant,
    id,
  ]);
}

/** Locks whoever has the role, so that the last two cannot both go at the same moment. */
async function isLast(
  client: PoolClient,
  tenant: string,
  id: string,
  change: UserChange,
  role: string,
): Promise<boolean> {
  const keepsRole = change.roles === undefined || change.roles.includes(role);
  const staysActive = change.status === undefined || change.status === 'active';
  if (keepsRole && staysActive) return false;
  const { rows } = await client.query<{ id: string }>(
    `select id from users
     where tenant_id = $1 and roles @> array[$2] and status = 'active' order by id for update`,
    [tenant, role],
  );
  return rows.length === 1 && rows[0]?.id === id;
}

/** Whether the user has other roles than these. Locked until the change is made. */
async function holdsOther(
  client: PoolClient,
  tenant: string,
  id: string,
  roles: readonly string[],
): Promise<boolean> {
  const { rows } = await client.query<{ roles: readonly string[] }>(
    'select roles from users where tenant_id = $1 and id = $2 for update',
    [tenant, id],
  );
  const held = new Set(rows[0]?.roles);
  return held.symmetricDifference(new Set(roles)).size > 0;
}

async function read(client: PoolClient, tenant: string, id: string): Promise<UserRecord> {
  const { rows } = await client.query<Row>(
    `select ${COLUMNS} from users u where u.tenant_id = $1 and u.id = $2`,
    [tenant, id],
  );
  return toUser(rows[0] as Row);
}

function toUser(row: Row): UserRecord {
  return {
    tenant: row.tenant_id,
    id: row.id,
    email: row.email,
    name: row.name,
    status: row.status,
    roles: row.roles,
    preferences: row.preferences,
    emailVerifiedAt: row.email_verified_at,
    secondFactor: row.second_factor,
    lastSignedInAt: row.last_signed_in_at,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
