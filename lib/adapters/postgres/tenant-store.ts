import type { Pool } from 'pg';
import type { TenantRecord, TenantSettings, TenantStore } from '#ports/users.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds } from './rows.ts';

interface Row {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly settings: Partial<TenantSettings>;
  readonly revision: number;
  readonly created_at: number;
  readonly updated_at: number;
}

const COLUMNS = `id, slug, name, settings, revision, created_at,
  coalesce(updated_at, created_at) as updated_at`;

/** What holds until a tenant says otherwise. */
const DEFAULTS: TenantSettings = {
  mfa: 'administrative',
  password_sign_in: 'everyone',
  requests_per_minute: null,
  allowed_origins: [],
};

/** What is stored may be older than a setting. */
export function withDefaults(settings: Partial<TenantSettings>): TenantSettings {
  return { ...DEFAULTS, ...settings };
}

/** `pool`: role `cloudflow_app`. */
export function createPostgresTenants(pool: Pool): TenantStore {
  return {
    async findBySlug(slug) {
      const { rows } = await pool.query<{ id: string | null }>({
        name: 'find-tenant',
        text: 'select find_tenant($1) as id',
        values: [slug],
      });
      return rows[0]?.id ?? null;
    },

    find: (tenant) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(`select ${COLUMNS} from tenants where id = $1`, [
          tenant,
        ]);
        return rows[0] === undefined ? null : toTenant(rows[0]);
      }),

    update: (tenant, { name, settings }, revision, now) =>
      withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `update tenants
           set name = $2, settings = $3, revision = revision + 1, updated_at = to_timestamp($4)
           where id = $1 and ($5::integer is null or revision = $5) returning ${COLUMNS}`,
          [tenant, name, JSON.stringify(settings), seconds(now), revision],
        );
        return rows[0] === undefined
          ? { kind: 'changed' }
          : { kind: 'replaced', record: toTenant(rows[0]) };
      }),
  };
}

function toTenant(row: Row): TenantRecord {
  return {
    tenant: row.id,
    slug: row.slug,
    name: row.name,
    settings: withDefaults(row.settings),
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
