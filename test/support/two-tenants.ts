import type { Pool } from 'pg';
import { expect } from 'vitest';
import { OTHER_TENANT, TENANT } from '#test/support/platform.ts';

/** Makes the two, where they are not there. */
export async function bothTenants(admin: Pool): Promise<void> {
  await admin.query(
    `insert into tenants (id, name, created_at) select id, id::text, now() from unnest($1::uuid[]) as id
     on conflict do nothing`,
    [[TENANT, OTHER_TENANT]],
  );
}

/** Sees that `action` leaves every row of the tenant as it was, in every table. */
export async function untouched(
  admin: Pool,
  tenant: string,
  action: () => Promise<void>,
): Promise<void> {
  const before = await rowsOf(admin, tenant);
  expect(before.length).toBeGreaterThan(0);
  await action();
  expect(await rowsOf(admin, tenant)).toEqual(before);
}

/** Every row of the tenant, in every table, as text. */
export async function rowsOf(admin: Pool, tenant: string): Promise<string[]> {
  const { rows: tables } = await admin.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and not c.relispartition`,
  );
  // In one statement: what is read is of one moment, and it is read before and after hundreds of calls.
  const each = tables.map(
    ({ name }) => `select '${name} ' || t::text as row from ${name} t where tenant_id = $1`,
  );
  const { rows } = await admin.query<{ row: string }>(
    ["select 'tenants ' || t::text as row from tenants t where id = $1", ...each].join(
      ' union all ',
    ),
    [tenant],
  );
  return rows.map(({ row }) => row).sort();
}
