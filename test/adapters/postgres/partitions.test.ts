import { beforeAll, expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createPartitionJob, createPartitions } from '#adapters/postgres/partitions.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const DAY = 86_400_000;
const START = Date.parse('2027-01-15T00:00:00Z');

describeWithPostgres('partitions', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });

  const names = async (prefix: string): Promise<string[]> => {
    const { rows } = await database.admin.query<{ relname: string }>(
      "select relname from pg_class where relname ~ ('^' || $1 || '_[0-9]+$') order by 1",
      [prefix],
    );
    return rows.map((row) => row.relname);
  };

  it('are made months ahead by the job, as time passes', async () => {
    const clock = createVirtualClock({ start: START });
    const job = createPartitionJob({
      pool: database.pool('cloudflow_engine'),
      clock,
      log: createSilentLog(),
    });
    expect(await job.run()).toBeGreaterThan(0);
    expect(await job.run()).toBe(0);
    expect(await names('execution_events')).toEqual([
      'execution_events_202701',
      'execution_events_202702',
      'execution_events_202703',
      'execution_events_202704',
    ]);
    await clock.advance(20 * DAY);
    job.stop();
    await expect
      .poll(() => names('execution_events'), { timeout: 10_000 })
      .toContain('execution_events_202705');
    await expect.poll(() => names('outbox')).toContain('outbox_20270204');
  });

  it('are made by whoever meets a month that has none, once', async () => {
    const partitions = createPartitions(database.pool('cloudflow_app'));
    const far = START + 380 * DAY;
    expect(partitions.has(far)).toBe(false);
    await Promise.all([partitions.ensure(far), partitions.ensure(far), partitions.ensure(far)]);
    expect(partitions.has(far)).toBe(true);
    expect(await names('workflow_executions')).toContain('workflow_executions_202801');
  });

  it('are refused for times that nobody means', async () => {
    const pool = database.pool('cloudflow_app');
    await expect(
      pool.query("select ensure_partitions('2027-01-01', '2047-01-01')"),
    ).rejects.toMatchObject({ code: '22023' });
    await expect(createPartitions(pool).ensure(Date.parse('2999-01-01'))).rejects.toMatchObject({
      code: '22023',
    });
  });
});
