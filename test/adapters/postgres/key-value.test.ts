import { beforeAll, expect, it } from 'vitest';
import { createPostgresKeyValue } from '#adapters/postgres/key-value.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { purgeExpired } from '#adapters/postgres/purge.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import { keyValueContract } from '#test/adapters/key-value-contract.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { TENANT } from '#test/support/platform.ts';

describeWithPostgres('small records in PostgreSQL', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });

  keyValueContract(async (clock) =>
    createPostgresKeyValue({
      pool: database.pool('cloudflow_app', { max: 8 }),
      clock,
      codec: createPlainCodec(),
    }),
  );

  it('forgets the tenant with the call', async () => {
    const pool = database.pool('cloudflow_app', { max: 1 });
    const clock = createVirtualClock({ start: 1_000 });
    const store = createPostgresKeyValue({ pool, clock, codec: createPlainCodec() });
    const key = { tenant: TENANT, kind: 'left_over', id: 'one' };
    await store.put(key, null, { value: 1, expiresAt: 2_000 });
    expect((await pool.query('select * from records')).rows).toEqual([]);
    await store.list({ ...key, prefix: '' }, { limit: 1, after: null });
    expect((await pool.query('select * from records')).rows).toEqual([]);
  });

  it('leaves what has expired to the job that deletes it', async () => {
    const clock = createVirtualClock({ start: 1_000 });
    const pool = database.pool('cloudflow_app');
    const store = createPostgresKeyValue({ pool, clock, codec: createPlainCodec() });
    const key = { tenant: TENANT, kind: 'purged', id: 'one' };
    await store.put(key, null, { value: 1, expiresAt: 2_000 });
    await store.put({ ...key, id: 'two' }, null, { value: 1, expiresAt: null });
    await purgeExpired(database.pool('cloudflow_relay'), 2_000);
    const { rows } = await database.admin.query("select id from records where kind = 'purged'");
    expect(rows).toEqual([{ id: 'two' }]);
  });
});
