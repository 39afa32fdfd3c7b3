import type { Pool } from 'pg';
import type { RoleRecord, RoleStore } from '#ports/users.ts';
import { paged } from './paging.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds } from './rows.ts';

interface Row {
  readonly name: string;
  readonly about: string;
  readonly scopes: readonly string[];
  readonly revision: number;
  readonly created_at: number;
  readonly updated_at: number;
}

const COLUMNS = 'name, about, scopes, revision, created_at, updated_at';

/** `pool`: role `cloudflow_app`. */
export function createPostgresRoles(pool: Pool): RoleStore {
  return {
    create: (tenant, role, now) =>
      withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `insert into roles (tenant_id, name, about, scopes, revision, created_at, updated_at)
           values ($1, $2, $3, $4, 1, to_timestamp($5), to_timestamp($5))
           on conflict do nothing returning ${COLUMNS}`,
          [tenant, role.name, role.about, role.scopes, seconds(now)],
        );
        return rows[0] === undefined ? 'taken' : toRole(rows[0]);
      }),

    find: (tenant, name) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from roles where tenant_id = $1 and name = $2`,
          [tenant, name],
        );
        return rows[0] === undefined ? null : toRole(rows[0]);
      }),

    findAll: (tenant, names) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from roles where tenant_id = $1 and name = any ($2)`,
          [tenant, names],
        );
        return rows.map(toRole);
      }),

    list: (tenant, page) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select ${COLUMNS} from roles
           where tenant_id = $1 and ($2::text is null or name > $2) order by name limit $3`,
          [tenant, page.after, page.limit + 1],
        );
        return paged(rows.map(toRole), page.limit, (role) => role.name);
      }),

    replace: (tenant, role, revision, now) =>
      withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `update roles
           set about = $3, scopes = $4, revision = revision + 1, updated_at = to_timestamp($5)
           where tenant_id = $1 and name = $2 and ($6::integer is null or revision = $6)
           returning ${COLUMNS}`,
          [tenant, role.name, role.about, role.scopes, seconds(now), revision],
        );
        if (rows[0] !== undefined) return { kind: 'replaced', record: toRole(rows[0]) };
        const there = await client.query('select 1 from roles where tenant_id = $1 and name = $2', [
          tenant,
          role.name,
        ]);
        return { kind: there.rowCount === 0 ? 'not_found' : 'changed' };
      }),

    remove: (tenant, name, revision) =>
      withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<{ revision: number }>(
          'select revision from roles where tenant_id = $1 and name = $2 for update',
          [tenant, name],
        );
        if (rows[0] === undefined) return 'not_found';
        if (revision !== null && rows[0].revision !== revision) return 'changed';
        const used = await client.query(
          'select 1 from users where tenant_id = $1 and roles @> array[$2] limit 1',
          [tenant, name],
        );
        if (used.rowCount !== 0) return 'used';
        const given = await client.query(
          'select 1 from identity_providers where tenant_id = $1 and default_roles @> array[$2] limit 1',
          [tenant, name],
        );
        if (given.rowCount !== 0) return 'given';
        await client.query('delete from roles where tenant_id = $1 and name = $2', [tenant, name]);
        return 'removed';
      }),
  };
}

function toRole(row: Row): RoleRecord {
  return {
    name: row.name,
    about: row.about,
    scopes: row.scopes,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
