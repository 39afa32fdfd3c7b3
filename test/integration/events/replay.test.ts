import { beforeEach, describe, expect, it } from 'vitest';
import { reconcileTopics } from '#adapters/kafka/topics.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createConsumers, NO_MAIL } from '#functions/shared/consumers.ts';
import { NO_CACHE } from '#ports/cache.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { NO_TRACER } from '#ports/tracer.ts';
import { replay } from '#services/events/replay.ts';
import { openEventLog } from '#test/adapters/event-log/open.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { anExecutionEvent } from '#test/support/events.ts';
import { describeWithKafka, startKafka } from '#test/support/kafka.ts';
import { TENANT } from '#test/support/platform.ts';

const TOPIC = 'workflow.events';

const PARTITIONS = 4;

/** A log that is empty, on either of them. */
const LOGS = {
  'in PostgreSQL': {
    describeWith: describeWithPostgres,
    start: async (url: string) => openEventLog({ kind: 'postgres', url }),
  },
  'on Kafka': {
    describeWith: describeWithKafka,
    async start() {
      const brokers = (await startKafka()).map(({ address }) => address);
      await reconcileTopics(
        { brokers: async () => brokers, login: null, clientId: 'test' },
        [{ name: TOPIC, partitions: PARTITIONS, retentionDays: 7 }],
        { factor: 1, minInSync: 1 },
      );
      return openEventLog({ kind: 'kafka', brokers });
    },
  },
} as const;

describe.each(Object.keys(LOGS) as (keyof typeof LOGS)[])('a replay, %s', (where) => {
  const { describeWith, start } = LOGS[where];
  describeWith('of a whole topic', () => {
    let database: TestDatabase;
    beforeEach(async () => {
      database = await createTestDatabase();
    });

    it('changes nothing for any reader, and makes good what one has missed', async () => {
      const pool = database.pool('cloudflow_relay');
      const clock = createSystemClock();
      const log = await start(database.url);
      const partitions = createPartitions(pool);
      const consumers = createConsumers({
        ...{ pool, cache: NO_CACHE, mail: NO_MAIL, partitions, codec: createPlainCodec() },
        ...{ clock, ids: createIds(), log: createSilentLog(), metrics: NO_METRICS },
        tracer: NO_TRACER,
      });
      const events = Array.from({ length: 40 }, () =>
        anExecutionEvent('workflow.execution.completed'),
      );
      await log.append(
        TOPIC,
        events.map((event) => ({
          ...{ tenant: TENANT, key: event.payload.execution_id, headers: {} },
          value: JSON.stringify(event),
        })),
      );
      const again = (group: string, name: keyof typeof consumers = 'billing', from = 0) =>
        replay({ log, clock }, { topic: TOPIC, group, from, most: 15 }, consumers[name]);
      const rows = async (text: string) => (await database.admin.query(text)).rows;
      const state = async () => ({
        used: await rows('select event_id, quantity from usage_records order by 1'),
        days: await rows('select day, completed::integer, duration_ms from execution_days'),
        audit: await rows('select count(*)::integer as n from audit_inbox'),
        letters: await rows('select event_id from dead_letters'),
      });
      const readers = ['analytics', 'billing', 'audit-events'] as const;

      for (const name of readers) {
        expect(await again(`first-${name}`, name)).toEqual({ read: 40, left: false });
      }
      const once = await state();
      expect(once.used).toHaveLength(40);
      expect(once.days).toEqual([expect.objectContaining({ completed: 40 })]);
      for (const name of readers) {
        expect(await again(`second-${name}`, name)).toEqual({ read: 40, left: false });
      }
      expect(await state()).toEqual(once);
      const late = await again('late', 'billing', Date.now() + 60_000);
      expect(late).toEqual({ read: 0, left: false });

      // As if three had never come: only they are made good.
      const missed = events.slice(3, 6).map(({ event_id }) => event_id);
      await database.admin.query('delete from usage_records where event_id = any ($1)', [missed]);
      await database.admin.query(
        "delete from processed_events where event_id = any ($1) and consumer_group = 'billing'",
        [missed],
      );
      expect(await again('third')).toEqual({ read: 40, left: false });
      expect(await state()).toEqual(once);
      await log.close();
    }, 180_000);
  });
});
