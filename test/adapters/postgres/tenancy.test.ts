import { beforeAll, expect, it } from 'vitest';
import { withTenant } from '#adapters/postgres/pool.ts';
import { ROLES, TABLES } from '#adapters/postgres/roles.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { chainOf, createTestPlatform, OTHER_TENANT, TENANT } from '#test/support/platform.ts';

const program = chainOf(1);
const idle = {
  call: () => Promise.reject(new Error('nothing runs here')),
  compensate: () => Promise.reject(new Error('nothing runs here')),
};

describeWithPostgres('what each role may do', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });

  it('grants exactly what the matrix says, table by table', async () => {
    const { rows } = await database.admin.query<{ table: string; role: string; privilege: string }>(
      `select c.relname as table, a.grantee::regrole::text as role, lower(a.privilege_type) as privilege
       from pg_class c, aclexplode(c.relacl) a
       where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
         and a.grantee <> c.relowner`,
    );
    const granted = new Set(rows.map((row) => `${row.table} ${row.role} ${row.privilege}`));
    const wanted = new Set(
      Object.entries(TABLES).flatMap(([table, rule]) =>
        Object.entries(rule.grants).flatMap(([role, privileges]) =>
          privileges.map((privilege) => `${table} ${role} ${privilege}`),
        ),
      ),
    );
    // Columns may be granted apart; those are the API author's and never wider than the table's.
    expect([...granted].filter((each) => !wanted.has(each))).toEqual([]);
    expect([...wanted].filter((each) => !granted.has(each))).toEqual([]);
  });

  it('has a rule for every table, and forces row security wherever a tenant owns rows', async () => {
    const { rows } = await database.admin.query<{
      name: string;
      forced: boolean;
      enabled: boolean;
      tenant: boolean;
      partition: boolean;
    }>(
      `select c.relname as name, c.relforcerowsecurity as forced, c.relrowsecurity as enabled,
              c.relispartition as partition,
              exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id') as tenant
       from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')`,
    );
    const ours = rows.filter((row) => !row.partition && row.name !== 'schema_migrations');
    expect(ours.map((row) => row.name).sort()).toEqual(Object.keys(TABLES).sort());
    for (const row of rows.filter((each) => each.tenant)) {
      expect({ [row.name]: [row.enabled, row.forced] }).toEqual({ [row.name]: [true, true] });
    }
    for (const [name, rule] of Object.entries(TABLES)) {
      const { enabled, forced } = ours.find((row) => row.name === name) ?? {};
      // The table of tenants has its own id for one.
      if (rule.tenant) expect([name, enabled, forced]).toEqual([name, true, true]);
    }
  });

  it('gives no role login, superuser or a way around row security', async () => {
    const { rows } = await database.admin.query(
      `select rolname from pg_roles where rolname like 'cloudflow_%'
         and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)`,
    );
    expect(rows).toEqual([]);
    const { rows: found } = await database.admin.query<{ n: string }>(
      'select count(*) as n from pg_roles where rolname = any ($1)',
      [[...ROLES]],
    );
    expect(Number(found[0]?.n)).toBe(ROLES.length);
  });

  it('gives no role rights on a partition', async () => {
    await database.admin.query("select ensure_partitions('2026-01-01', '2026-02-01')");
    for (const role of ROLES) {
      const pool = database.pool(role, { max: 1 });
      await expect(pool.query('select * from execution_events_202601')).rejects.toMatchObject({
        code: '42501',
      });
    }
  });
});

describeWithPostgres('row-level security on executions', () => {
  let database: TestDatabase;
  let ours: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    const platform = createTestPlatform({
      url: database.url,
      performer: idle,
      programs: [program],
    });
    const mine = platform.request(program, { labels: { canary: 'red', shade: 'crimson' } });
    ours = mine.id;
    await platform.access.accept(mine);
    await platform.access.accept(platform.request(program, { tenant: OTHER_TENANT }));
    await platform.close();
  });

  const escapes: readonly (readonly [string, string])[] = [
    ['no tenant set', 'select * from workflow_executions'],
    ['an empty tenant', "select set_config('app.tenant', '', true); "],
  ];

  it.each(escapes)('shows nothing with %s', async (_name, sql) => {
    const pool = database.pool('cloudflow_app', { max: 1 });
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query(sql);
      const { rows } = await client.query('select * from workflow_executions');
      expect(rows).toEqual([]);
      await client.query('rollback');
    } finally {
      client.release();
    }
  });

  it.each(['workflow_executions', 'execution_events', 'execution_search', 'idempotency_records'])(
    'shows one tenant nothing of another in %s',
    async (table) => {
      const { rows } = await withTenant(database.pool('cloudflow_app'), OTHER_TENANT, (client) =>
        client.query<{ tenant_id: string }>(`select * from ${table}`),
      );
      expect(rows.filter((row) => row.tenant_id !== OTHER_TENANT)).toEqual([]);
    },
  );

  it('does not find another tenant by label, text or id', async () => {
    const platform = createTestPlatform({ url: database.url, performer: idle, programs: [] });
    const { access } = platform;
    const page = { limit: 10, after: null };
    const counts = await Promise.all(
      [TENANT, OTHER_TENANT].flatMap((tenant) => [
        access.listExecutions(tenant, { labels: { canary: 'red' } }, page),
        access.listExecutions(tenant, { text: 'crimson' }, page),
      ]),
    );
    expect(counts.map((each) => each.items.length)).toEqual([1, 1, 0, 0]);
    expect(await access.getExecution(TENANT, ours)).not.toBeNull();
    expect(await access.getExecution(OTHER_TENANT, ours)).toBeNull();
    expect(await access.loadExecution(OTHER_TENANT, ours)).toBeNull();
    expect(await access.signal(OTHER_TENANT, ours, { kind: 'pause', by: null }, 0)).toEqual({
      kind: 'not_found',
    });
    await platform.close();
  });

  it('refuses to write into another tenant', async () => {
    await expect(
      withTenant(database.pool('cloudflow_app'), OTHER_TENANT, (client) =>
        client.query(
          `insert into execution_signals (tenant_id, execution_id, at, payload)
           values ($1, $2, to_timestamp(0), '0:{}')`,
          [TENANT, ours],
        ),
      ),
    ).rejects.toMatchObject({ code: '42501' });
    const { rowCount } = await withTenant(database.pool('cloudflow_app'), OTHER_TENANT, (client) =>
      client.query("update workflow_executions set status = 'CANCELLED' where id = $1", [ours]),
    );
    expect(rowCount).toBe(0);
  });

  it('forgets the tenant with the transaction', async () => {
    const pool = database.pool('cloudflow_app', { max: 1 });
    await withTenant(pool, TENANT, (client) => client.query('select 1'));
    const { rows } = await pool.query('select * from workflow_executions');
    expect(rows).toEqual([]);
  });
});
