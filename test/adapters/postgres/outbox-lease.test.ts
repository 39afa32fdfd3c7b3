import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPostgresEventLog } from '#adapters/postgres/event-log.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

const LEASE_MS = 1_000;

describeWithPostgres('a reader of the outbox that has ended', () => {
  it('does not go on renewing its lease, though a renewal was under way when it ended', async () => {
    const database = await createTestDatabase();
    const pool = database.pool('cloudflow_relay');
    const log = createPostgresEventLog({
      ...{ pool, codec: createPlainCodec(), partitions: createPartitions(pool) },
      ...{ clock: createSystemClock(), log: createSilentLog() },
      times: { leaseMs: LEASE_MS, pollMs: 20 },
    });
    const reading = log.subscribe({ group: 'g', topic: 't', most: 10, handle: async () => 0 });
    const lease = () =>
      database.admin.query<{ over: boolean }>(
        'select until <= clock_timestamp() as over from outbox_leases',
      );
    await expect.poll(async () => (await lease()).rows.length, { timeout: 30_000 }).toBe(1);

    const holder = await database.admin.connect();
    await holder.query('begin');
    await holder.query('select from outbox_leases for update');
    const renewing = () =>
      database.admin.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query like 'update outbox_leases set until = clock_timestamp() + %'
           and datname = current_database()`,
      );
    await expect.poll(async () => (await renewing()).rows.length, { timeout: 30_000 }).toBe(1);
    const closed = reading.close();
    await pause(200);
    await holder.query('commit');
    holder.release();
    await closed;
    // Longer than it would take to renew once more.
    await pause(LEASE_MS);
    expect((await lease()).rows).toEqual([{ over: true }]);
    await log.close();
  });
});
