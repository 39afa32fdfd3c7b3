import type { Pool, PoolClient } from 'pg';
import type { Protocol } from '#core/identity-providers.ts';
import type {
  IdentityProviderRecord,
  IdentityProviderStore,
  NewIdentityProvider,
} from '#ports/identity-providers.ts';
import { announceSecrets, leaveSecrets, takeSecrets } from './kept-secrets.ts';
import { paged } from './paging.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds } from './rows.ts';

/** `settings` were checked against core's schemas before they were written. */
interface Row {
  readonly tenant_id: string;
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly settings: Protocol;
  readonly kept_secret: string | null;
  readonly email_domains: readonly string[];
  readonly default_roles: readonly string[] | null;
  readonly trusts_mfa: boolean;
  readonly revision: number;
  readonly created_at: number;
  readonly updated_at: number;
}

const COLUMNS = `tenant_id, id, name, enabled, settings, kept_secret, email_domains, default_roles,
  trusts_mfa, revision, created_at, updated_at`;

/** `pool`: role `cloudflow_app`. Providers are of both modes; their secrets are kept as of mode live. */
export function createPostgresIdentityProviders(pool: Pool): IdentityProviderStore {
  const ofTenant = (tenant: string) => ({ tenant, mode: 'live' as const });
  return {
    announceSecret: (tenant, keptAs, now) =>
      withTenant(pool, tenant, (client) =>
        announceSecrets(client, ofTenant(tenant), [keptAs], now),
      ),

    create: (provider, now) =>
      withTenant(pool, provider.tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `insert into identity_providers
             (tenant_id, id, name, kind, enabled, settings, kept_secret, email_domains,
              default_roles, trusts_mfa, revision, created_at, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, to_timestamp($11), to_timestamp($11))
           on conflict do nothing returning ${COLUMNS}`,
          valuesOf(provider, now),
        );
        if (rows[0] === undefined) return 'taken';
        await takeSecrets(
          client,
          ofTenant(provider.tenant),
          listOf(provider.secret),
          `identity-provider:${provider.name}`,
        );
        return toRecord(rows[0]);
      }),

    find: (tenant, name) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from identity_providers where tenant_id = $1 and name = $2`,
          [tenant, name],
        );
        return rows[0] === undefined ? null : toRecord(rows[0]);
      }),

    list: (tenant, page) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from identity_providers
           where tenant_id = $1 and ($2::text is null or name > $2) order by name limit $3`,
          [tenant, page.after, page.limit + 1],
        );
        return paged(rows.map(toRecord), page.limit, (provider) => provider.name);
      }),

    replace: (provider, revision, forget, now) =>
      withTenant(pool, provider.tenant, async (client) => {
        const { tenant, id } = provider;
        const current = await lock(client, tenant, id);
        if (current === null) return { kind: 'not_found' };
        if (current.revision !== revision) return { kind: 'changed' };
        const { rows } = await client.query<Row>(
          `update identity_providers
           set name = $3, kind = $4, enabled = $5, settings = $6, kept_secret = $7,
               email_domains = $8, default_roles = $9, trusts_mfa = $10,
               revision = revision + 1, updated_at = to_timestamp($11)
           where tenant_id = $1 and id = $2 returning ${COLUMNS}`,
          valuesOf(provider, now),
        );
        if (current.kept_secret !== provider.secret) {
          await takeSecrets(
            client,
            ofTenant(tenant),
            listOf(provider.secret),
            `identity-provider:${provider.name}`,
          );
          await leaveSecrets(client, ofTenant(tenant), listOf(current.kept_secret), now);
        }
        // Whoever is on the way asked the provider as it was.
        await forgetAll(client, 'sign_ins', tenant, id);
        if (forget) await forgetAll(client, 'external_identities', tenant, id);
        if (forget || !provider.enabled) await endSessions(client, tenant, id, now);
        return { kind: 'replaced', record: toRecord(rows[0] as Row) };
      }),

    remove: (tenant, id, revision, now) =>
      withTenant(pool, tenant, async (client) => {
        const current = await lock(client, tenant, id);
        if (current === null) return 'not_found';
        if (current.revision !== revision) return 'changed';
        await client.query('delete from identity_providers where tenant_id = $1 and id = $2', [
          tenant,
          id,
        ]);
        await leaveSecrets(client, ofTenant(tenant), listOf(current.kept_secret), now);
        await endSessions(client, tenant, id, now);
        return 'removed';
      }),
  };
}

function valuesOf(provider: NewIdentityProvider, now: number): unknown[] {
  return [
    provider.tenant,
    provider.id,
    provider.name,
    provider.protocol.kind,
    provider.enabled,
    JSON.stringify(provider.protocol),
    provider.secret,
    provider.emailDomains,
    provider.defaultRoles,
    provider.trustsMfa,
    seconds(now),
  ];
}

function listOf(secret: string | null): readonly string[] {
  return secret === null ? [] : [secret];
}

/** Until the end of the transaction. */
async function lock(client: PoolClient, tenant: string, id: string): Promise<Row | null> {
  const { rows } = await client.query<Row>(
    `select ${COLUMNS} from identity_providers where tenant_id = $1 and id = $2 for update`,
    [tenant, id],
  );
  return rows[0] ?? null;
}

async function forgetAll(
  client: PoolClient,
  table: 'sign_ins' | 'external_identities',
  tenant: string,
  provider: string,
): Promise<void> {
  await client.query(`delete from ${table} where tenant_id = $1 and provider_id = $2`, [
    tenant,
    provider,
  ]);
}

/** Of all that came through it. */
async function endSessions(
  client: PoolClient,
  tenant: string,
  provider: string,
  now: number,
): Promise<void> {
  await client.query(
    `update sessions set ended_at = to_timestamp($3), ended_because = 'provider_closed'
     where tenant_id = $1 and provider_id = $2 and ended_at is null`,
    [tenant, provider, seconds(now)],
  );
}

function toRecord(row: Row): IdentityProviderRecord {
  return {
    tenant: row.tenant_id,
    id: row.id,
    name: row.name,
    enabled: row.enabled,
    protocol: row.settings,
    secret: row.kept_secret,
    emailDomains: row.email_domains,
    defaultRoles: row.default_roles,
    trustsMfa: row.trusts_mfa,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
