import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { parseEvent } from '#core/events/parse.ts';
import { openDemo } from '#local/demo.ts';
import { type Platform, startPlatform } from '#local/platform.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { describeWithKafka, startKafka } from '#test/support/kafka.ts';
import published from '../../core/events/published-1.0.json' with { type: 'json' };

/** The platform in this process, with its example run on both runtimes. */
async function withPlatform(
  kafkaBrokers: readonly string[] | undefined,
  look: (platform: Platform, query: (sql: string) => Promise<pg.QueryResult>) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cloudflow-events-'));
  const { url } = await createTestDatabase();
  const platform = await startPlatform({
    folder,
    fresh: true,
    port: 0,
    clock: 'real',
    databaseUrl: url,
    egress: { allow: new Set(), httpPorts: new Set([80, 443]) },
    kafkaBrokers,
    requestsPerMinute: 1_000_000,
    redisUrl: null,
    log: createSilentLog(),
    restartCommand: 'none',
  });
  const client = new pg.Client({ connectionString: url, application_name: 'test' });
  await client.connect();
  try {
    const demo = await openDemo(platform);
    const results = await demo.run();
    expect(results.map(({ status }) => status)).toEqual(['COMPLETED', 'COMPLETED']);
    await demo.close();
    await look(platform, (sql) => client.query(sql));
  } finally {
    await client.end();
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const use = 'select count(*)::integer as n from usage_records';
const days = 'select sum(completed)::integer as n from execution_days';

async function madeOnce(query: (sql: string) => Promise<pg.QueryResult>): Promise<void> {
  const both = async () => [(await query(use)).rows[0].n, (await query(days)).rows[0].n];
  await expect.poll(both, { timeout: 60_000, interval: 200 }).toEqual([2, 2]);
}

describeWithPostgres('the platform without Kafka', () => {
  it('reads events where they are: each is billed and counted once', async () => {
    await withPlatform(undefined, async (platform, query) => {
      await madeOnce(query);
      expect(platform.kafkaBrokers).toBeNull();
      const { rows } = await query(
        "select payload from outbox where topic in ('workflow.events', 'notifications.email')",
      );
      // What is written today is what was published as version 1.0.
      const ajv = new Ajv2020({ strict: false });
      const envelope = ajv.compile(published.envelope);
      const payloads: Record<string, object> = published.payloads;
      const types = new Set<string>();
      for (const { payload } of rows) {
        const text = payload.slice(2);
        expect(parseEvent(text)).toMatchObject({ kind: 'event' });
        const event = JSON.parse(text);
        expect([envelope(event), envelope.errors]).toEqual([true, null]);
        const check = ajv.compile(payloads[event.event_type] ?? false);
        expect([event.event_type, check(event.payload), check.errors]).toEqual([
          event.event_type,
          true,
          null,
        ]);
        types.add(event.event_type);
      }
      expect([...types]).toEqual(
        expect.arrayContaining([
          'workflow.execution.created',
          'workflow.execution.started',
          'workflow.execution.completed',
        ]),
      );
    });
  }, 180_000);
});

describeWithKafka('the platform with Kafka', () => {
  it('relays events to topics that it made, and reads them there', async () => {
    const brokers = (await startKafka()).map(({ address }) => address);
    await withPlatform(brokers, async (platform, query) => {
      await madeOnce(query);
      expect(platform.kafkaBrokers).toEqual(brokers);
      const { rows } = await query(
        'select consumer_group, topic from outbox_offsets order by consumer_group, topic',
      );
      // Groups read Kafka; of the outbox only the relay has a place.
      expect(new Set(rows.map(({ consumer_group }) => consumer_group))).toEqual(new Set(['relay']));
    });
  }, 240_000);
});
