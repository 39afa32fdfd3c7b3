import type { Pool, PoolClient } from 'pg';
import type { Mode } from '#ports/execution-store.ts';
import type {
  ClientInfo,
  EndReason,
  NewSession,
  Rotation,
  RotationAnswer,
  SessionRecord,
  SessionStore,
  Through,
} from '#ports/sessions.ts';
import type { TenantSettings, UserStatus } from '#ports/users.ts';
import { paged } from './paging.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds, secondsOrNull } from './rows.ts';
import { withDefaults } from './tenant-store.ts';

interface Row {
  readonly tenant_id: string;
  readonly id: string;
  readonly user_id: string;
  readonly mode: Mode;
  readonly device: string | null;
  readonly user_agent: string | null;
  readonly source: string | null;
  readonly methods: readonly string[];
  readonly provider_id: string | null;
  readonly signed_in_at: number;
  readonly proven_at: number | null;
  readonly second_factor_at: number | null;
  readonly last_used_at: number;
  readonly expires_at: number;
  readonly ended_at: number | null;
}

interface StateRow {
  readonly user_id: string;
  readonly mode: Mode;
  readonly user_status: UserStatus;
  readonly email: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly settings: Partial<TenantSettings>;
  readonly provider_id: string | null;
  readonly second_factor_at: number | null;
  readonly expires_at: number;
  readonly ended_at: number | null;
  readonly user_revision: number;
  readonly user_updated_at: number;
  readonly last_signed_in_at: number | null;
}

interface TokenRow {
  readonly good_until: number;
  readonly used_at: number | null;
  readonly used_by: Buffer | null;
}

const NAMES = [
  ...['tenant_id', 'id', 'user_id', 'mode', 'device', 'user_agent', 'source', 'methods'],
  ...[
    'provider_id',
    'signed_in_at',
    'second_factor_at',
    'last_used_at',
    'expires_at',
    'ended_at',
    'proven_at',
  ],
];
const COLUMNS = NAMES.join(', ');
const of = (table: string) => NAMES.map((name) => `${table}.${name}`).join(', ');

/** `pool`: role `cloudflow_app`; `lookups` may be of `cloudflow_login`. */
export function createPostgresSessions(pool: Pool, lookups: Pool = pool): SessionStore {
  return {
    open: (session) =>
      withTenant(pool, session.tenant, async (client) => {
        if (!(await isOpen(client, session.tenant, session.through))) return 'provider_changed';
        if (!(await isWhoTheyWere(client, session))) return 'user_changed';
        if (!(await isAllThatIsAsked(client, session))) return 'user_changed';
        await client.query(
          `with opened as (
             insert into sessions (${COLUMNS})
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_timestamp($10), to_timestamp($11),
                     to_timestamp($10), to_timestamp($12), null, null)
           ), refresh as (
             insert into refresh_tokens (digest, tenant_id, session_id, issued_at, expires_at)
             values ($13, $1, $2, to_timestamp($10), to_timestamp($12))
           )
           update users set last_signed_in_at = to_timestamp($10)
           where tenant_id = $1 and id = $3`,
          [
            session.tenant,
            session.id,
            session.user,
            session.mode,
            session.device,
            session.client.userAgent,
            session.client.source,
            session.methods,
            session.through?.provider ?? null,
            seconds(session.now),
            secondsOrNull(session.secondFactorAt),
            seconds(session.expiresAt),
            Buffer.from(session.refresh),
          ],
        );
        return 'opened';
      }),

    find: (tenant, id) => readTenant(pool, tenant, (client) => findSession(client, tenant, id)),

    async state(tenant, id) {
      const { rows } = await lookups.query<StateRow>({
        name: 'find-session-user',
        text: 'select * from find_session_user($1, $2)',
        values: [tenant, id],
      });
      const row = rows[0];
      return row === undefined
        ? null
        : {
            user: row.user_id,
            mode: row.mode,
            userStatus: row.user_status,
            email: row.email,
            roles: row.roles,
            scopes: row.scopes,
            settings: withDefaults(row.settings),
            provider: row.provider_id,
            secondFactorAt: row.second_factor_at,
            expiresAt: row.expires_at,
            endedAt: row.ended_at,
            newest: {
              revision: row.user_revision,
              updatedAt: row.user_updated_at,
              lastSignedInAt: row.last_signed_in_at,
            },
          };
    },

    list: (tenant, user, now, page) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from sessions
           where tenant_id = $1 and ended_at is null and expires_at > to_timestamp($2)
             and ($3::uuid is null or user_id = $3) and ($4::uuid is null or id < $4)
           order by id desc limit $5`,
          [tenant, seconds(now), user, page.after, page.limit + 1],
        );
        return paged(rows.map(toSession), page.limit, (session) => session.id);
      }),

    async rotate(rotation) {
      const { rows } = await lookups.query<{ tenant_id: string }>({
        name: 'find-refresh-token',
        text: 'select tenant_id from find_refresh_token($1)',
        values: [Buffer.from(rotation.digest)],
      });
      const tenant = rows[0]?.tenant_id;
      if (tenant === undefined) return { kind: 'unknown' };
      return withTenant(pool, tenant, (client) => rotate(client, tenant, rotation));
    },

    secondFactor: (tenant, id, methods, now) =>
      withTenant(pool, tenant, async (client) => {
        const { rowCount } = await client.query(
          `update sessions set second_factor_at = to_timestamp($4), methods = $3
           where tenant_id = $1 and id = $2 and ended_at is null`,
          [tenant, id, methods, seconds(now)],
        );
        return rowCount === 1;
      }),

    passwordProven: (of, id, now) =>
      withTenant(pool, of.tenant, async (client) => {
        if (!(await isWhoTheyWere(client, of))) return false;
        const { rowCount } = await client.query(
          `update sessions set proven_at = to_timestamp($3)
           where tenant_id = $1 and id = $2 and ended_at is null`,
          [of.tenant, id, seconds(now)],
        );
        return rowCount === 1;
      }),

    end: (tenant, id, because, now) =>
      withTenant(pool, tenant, (client) => endSession(client, tenant, id, because, now)),

    endAll: (tenant, user, because, now, except) =>
      withTenant(pool, tenant, (client) =>
        endSessionsOf(client, { tenant, user, because, except: except ?? null, now }),
      ),
  };
}

/** Ends the sessions of a user, but `except`, within a transaction; answers how many. */
export async function endSessionsOf(
  client: PoolClient,
  ending: {
    readonly tenant: string;
    readonly user: string;
    readonly because: EndReason;
    readonly except: string | null;
    readonly now: number;
  },
): Promise<number> {
  const { tenant, user, because, except, now } = ending;
  const { rowCount } = await client.query(
    `update sessions set ended_at = to_timestamp($4), ended_because = $3
     where tenant_id = $1 and user_id = $2 and ended_at is null
       and ($5::uuid is null or id <> $5)`,
    [tenant, user, because, seconds(now), except],
  );
  return rowCount ?? 0;
}

async function rotate(
  client: PoolClient,
  tenant: string,
  rotation: Rotation,
): Promise<RotationAnswer> {
  const digest = Buffer.from(rotation.digest);
  // The row's lock is what lets one of many calls with the same token go first.
  const { rows } = await client.query<Row & TokenRow>(
    `select t.expires_at as good_until, t.used_at, t.used_by, ${of('s')}
     from refresh_tokens t join sessions s on s.tenant_id = t.tenant_id and s.id = t.session_id
     where t.tenant_id = $1 and t.digest = $2 for update of t`,
    [tenant, digest],
  );
  const found = rows[0];
  if (found === undefined) return { kind: 'unknown' };
  const session = toSession(found);
  if (session.endedAt !== null) return { kind: 'ended' };
  if (found.used_at !== null) {
    const soon = rotation.now - found.used_at < rotation.graceMs;
    if (soon && found.used_by?.equals(Buffer.from(rotation.by(found.used_at))) === true) {
      return { kind: 'rotated', session, usedAt: found.used_at };
    }
    await endSession(client, tenant, session.id, 'refresh_token_reused', rotation.now);
    return { kind: 'reused', session };
  }
  if (found.good_until <= rotation.now) return { kind: 'expired' };
  // Whoever is gone there would stay here for as long as they go on; so a sign-in there lasts as it began.
  const expiresAt = session.provider === null ? rotation.expiresAt : session.expiresAt;
  await client.query(
    `with used as (
       update refresh_tokens set used_at = to_timestamp($3), used_by = $4
       where tenant_id = $1 and digest = $2
     ), refresh as (
       insert into refresh_tokens (digest, tenant_id, session_id, issued_at, expires_at)
       values ($5, $1, $6, to_timestamp($3), to_timestamp($7))
     )
     update sessions
     set last_used_at = to_timestamp($3), expires_at = to_timestamp($7), user_agent = $8, source = $9
     where tenant_id = $1 and id = $6`,
    [
      tenant,
      digest,
      seconds(rotation.now),
      Buffer.from(rotation.by(rotation.now)),
      Buffer.from(rotation.next),
      session.id,
      seconds(expiresAt),
      rotation.client.userAgent,
      rotation.client.source,
    ],
  );
  return { kind: 'rotated', session, usedAt: rotation.now };
}

/**
 * Whoever has an authenticator is asked for it, also where it was confirmed while this sign-in was under
 * way. A statement of its own: it sees what was committed before the user was locked.
 */
async function isAllThatIsAsked(
  client: PoolClient,
  { tenant, user, secondFactorAt }: Pick<NewSession, 'tenant' | 'user' | 'secondFactorAt'>,
): Promise<boolean> {
  if (secondFactorAt !== null) return true;
  const { rowCount } = await client.query(
    `select from second_factors
     where tenant_id = $1 and user_id = $2 and confirmed_at is not null`,
    [tenant, user],
  );
  return rowCount === 0;
}

/** Locked against whoever changes it: a session is opened before that, and ended by it, or not at all. */
async function isOpen(
  client: PoolClient,
  tenant: string,
  through: Through | null,
): Promise<boolean> {
  if (through === null) return true;
  const { rowCount } = await client.query(
    `select from identity_providers
     where tenant_id = $1 and id = $2 and revision = $3 and enabled for share`,
    [tenant, through.provider, through.revision],
  );
  return rowCount === 1;
}

/**
 * Locked against whoever deactivates the user or sets another password: a session is opened before that,
 * and ended by it, or not at all.
 */
async function isWhoTheyWere(
  client: PoolClient,
  { tenant, user, passwordRevision }: Pick<NewSession, 'tenant' | 'user' | 'passwordRevision'>,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from users
     where tenant_id = $1 and id = $2 and status = 'active'
       and ($3::integer is null or password_revision = $3) for update`,
    [tenant, user, passwordRevision],
  );
  return rowCount === 1;
}

async function endSession(
  client: PoolClient,
  tenant: string,
  id: string,
  because: EndReason,
  now: number,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update sessions set ended_at = to_timestamp($4), ended_because = $3
     where tenant_id = $1 and id = $2 and ended_at is null`,
    [tenant, id, because, seconds(now)],
  );
  return rowCount === 1;
}

async function findSession(
  client: PoolClient,
  tenant: string,
  id: string,
): Promise<SessionRecord | null> {
  const { rows } = await client.query<Row>(
    `select ${COLUMNS} from sessions where tenant_id = $1 and id = $2`,
    [tenant, id],
  );
  return rows[0] === undefined ? null : toSession(rows[0]);
}

function toSession(row: Row): SessionRecord {
  const client: ClientInfo = { userAgent: row.user_agent, source: row.source };
  return {
    tenant: row.tenant_id,
    id: row.id,
    user: row.user_id,
    mode: row.mode,
    device: row.device,
    client,
    methods: row.methods,
    provider: row.provider_id,
    signedInAt: row.signed_in_at,
    provenAt: row.proven_at ?? row.signed_in_at,
    secondFactorAt: row.second_factor_at,
    lastUsedAt: row.last_used_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
  };
}
