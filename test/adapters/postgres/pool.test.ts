import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import {
  IDLE_IN_TRANSACTION_MS,
  readTenant,
  withTenant,
  withTransaction,
} from '#adapters/postgres/pool.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import { isUnavailable } from '#functions/shared/unavailable.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { TENANT } from '#test/support/platform.ts';

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

  it('lets what only reads stand still for as long as a statement may take, and nothing else', async () => {
    const pool = database.pool('cloudflow_app', { max: 1 });
    const limit = async (client: Pick<typeof pool, 'query'>) => {
      const { rows } = await client.query<{ limit: string }>(
        "select current_setting('idle_in_transaction_session_timeout') as limit",
      );
      return rows[0]?.limit;
    };
    const stoodStill = await readTenant(pool, TENANT, async (client) => {
      expect(await limit(client)).toBe(`${TIME_LIMITS.statement / 1_000}s`);
      await pause(2 * IDLE_IN_TRANSACTION_MS);
      return client.query('select count(*) from workflow_executions');
    });
    expect(stoodStill.rowCount).toBe(1);
    // The session is the same, and its next transaction may write again.
    const briefly = `${IDLE_IN_TRANSACTION_MS}ms`;
    expect(await limit(pool)).toBe(briefly);
    expect(await withTenant(pool, TENANT, limit)).toBe(briefly);
    await expect(
      withTenant(pool, TENANT, async (client) => {
        await pause(2 * IDLE_IN_TRANSACTION_MS);
        return client.query('select 1');
      }),
    ).rejects.toSatisfy(isUnavailable);
  });

  it.each([
    'select from workflow_executions where tenant_id = $1 for update',
    'select from workflow_executions where tenant_id = $1 for share',
    "update workflow_executions set phase = 'x' where tenant_id = $1",
  ])(
    'refuses what holds up others where something was said to only read: %s',
    async (statement) => {
      const pool = database.pool('cloudflow_app', { max: 1 });
      await expect(
        readTenant(pool, TENANT, (client) => client.query(statement, [TENANT])),
      ).rejects.toMatchObject({ code: '25006' });
    },
  );
});
