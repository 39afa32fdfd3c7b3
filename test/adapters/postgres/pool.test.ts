import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { withTransaction } from '#adapters/postgres/pool.ts';
import { isUnavailable } from '#functions/shared/unavailable.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

describeWithPostgres('a pool', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });

  it('outlives a session that the server ends between two queries of a transaction', async () => {
    const pool = database.pool(null, { max: 1 });
    const lost = withTransaction(pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      const gone = new Promise<void>((resolve) => {
        client.once('end', () => resolve());
      });
      await database.admin.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
      await gone;
      await pause(0); // the news of it comes as an event, which must not end the process
      return client.query('select 1');
    });
    // The API tells its caller to come again, not that something is broken.
    await expect(lost).rejects.toSatisfy(isUnavailable);
    const { rows } = await pool.query<{ n: number }>('select 1 as n');
    expect(rows[0]?.n).toBe(1);
  });
});
