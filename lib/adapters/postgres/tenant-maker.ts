import type { Pool } from 'pg';
import type { TenantMaker } from '#ports/users.ts';
import { seconds } from './rows.ts';

/** `pool`: role `cloudflow_relay`. */
export function createTenantMaker(pool: Pool): TenantMaker {
  return {
    async ensure({ id, slug, name, now }) {
      // The short name that an old migration made up for it is nobody's choice.
      await pool.query(
        `insert into tenants (id, slug, name, created_at) values ($1, $2, $3, to_timestamp($4))
         on conflict (id) do update set slug = $2 where tenants.slug like 'tenant-%'`,
        [id, slug, name, seconds(now)],
      );
    },
    async findBySlug(slug) {
      const { rows } = await pool.query<{ id: string }>('select id from tenants where slug = $1', [
        slug,
      ]);
      return rows[0]?.id ?? null;
    },
  };
}
