import { beforeEach, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createConsumers } from '#functions/shared/consumers.ts';
import { NO_CACHE } from '#ports/cache.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { replay } from '#services/events/replay.ts';
import { openEventLog } from '#test/adapters/event-log/open.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { anExecutionEvent } from '#test/support/events.ts';
import { TENANT } from '#test/support/platform.ts';

const TOPIC = 'workflow.events';

describeWithPostgres('a replay', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
  });

  it('of a whole topic changes nothing, and makes good what a reader has missed', async () => {
    const pool = database.pool('cloudflow_relay');
    const clock = createSystemClock();
    const log = openEventLog({ kind: 'postgres', url: database.url });
    const partitions = createPartitions(pool);
    const { billing } = createConsumers({
      pool,
      cache: NO_CACHE,
      partitions,
      codec: createPlainCodec(),
      clock,
      ids: createIds(),
      log: createSilentLog(),
      metrics: NO_METRICS,
    });
    const events = Array.from({ length: 40 }, () =>
      anExecutionEvent('workflow.execution.completed'),
    );
    await log.append(
      TOPIC,
      events.map((event) => ({
        tenant: TENANT,
        key: event.payload.execution_id,
        value: JSON.stringify(event),
        headers: {},
      })),
    );
    const again = (group: string, from = 0) =>
      replay({ log, clock }, { topic: TOPIC, group, from, most: 15 }, billing);
    const used = async () =>
      (await database.admin.query('select event_id from usage_records order by 1')).rows;

    expect(await again('first')).toEqual({ read: 40, left: false });
    const once = await used();
    expect(once).toHaveLength(40);
    expect(await again('second')).toEqual({ read: 40, left: false });
    expect(await used()).toEqual(once);
    expect(await again('late', Date.now() + 60_000)).toEqual({ read: 0, left: false });

    // As if three had never come: only they are made good.
    const missed = events.slice(3, 6).map(({ event_id }) => event_id);
    await database.admin.query('delete from usage_records where event_id = any ($1)', [missed]);
    await database.admin.query('delete from processed_events where event_id = any ($1)', [missed]);
    expect(await again('third')).toEqual({ read: 40, left: false });
    expect(await used()).toEqual(once);
    await log.close();
  });
});
