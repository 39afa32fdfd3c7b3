import { setTimeout as pause } from 'node:timers/promises';
import { Consumer, type RecordsBatch } from '@platformatic/kafka';
import { beforeAll, describe, expect, it } from 'vitest';
import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { reconcileTopics } from '#adapters/kafka/topics.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { BREAKERS } from '#config/breakers.ts';
import type { EventLog } from '#ports/event-log.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { openEventLog } from '#test/adapters/event-log/open.ts';
import { describeWithKafka, type KafkaBroker, startKafka } from '#test/support/kafka.ts';
import { TENANT } from '#test/support/platform.ts';

const numbered = (n: number) => ({
  tenant: TENANT,
  key: `k${n % 7}`,
  value: JSON.stringify({ n }),
  headers: {},
});

/** Appends one after the other, each as often as it takes. */
async function appendAll(log: EventLog, topic: string, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    for (let tries = 0; ; tries++) {
      try {
        await log.append(topic, [numbered(n)]);
        break;
      } catch (error) {
        if (tries === 100) throw error;
        expect(error).toMatchObject({ code: 'EVENT_LOG_AWAY' });
        // Brokers that failed again and again are left alone for a while: at once would be too soon.
        await pause(250);
      }
    }
  }
}

/** What a broker holds of the one partition of a topic, as it holds it. */
async function batchesOf(broker: KafkaBroker, topic: string): Promise<readonly RecordsBatch[]> {
  const consumer = new Consumer<Buffer, Buffer, Buffer, Buffer>({
    ...{ clientId: 'raw', groupId: 'raw', bootstrapBrokers: [broker.address], autocommit: false },
  });
  try {
    consumer.topics.track(topic);
    const { topics } = await consumer.metadata({ topics: [topic], forceUpdate: true });
    const found = topics.get(topic);
    const partition = {
      ...{ partition: 0, fetchOffset: 0n, currentLeaderEpoch: -1, lastFetchedEpoch: -1 },
      partitionMaxBytes: 1_000_000,
    };
    const { responses } = await consumer.fetch({
      ...{ node: found?.partitions[0]?.leader ?? -1, maxWaitTime: 5_000, minBytes: 1 },
      ...{ maxBytes: 1_000_000, topics: [{ topicId: found?.id ?? '', partitions: [partition] }] },
    });
    return responses.flatMap((each) => each.partitions.flatMap(({ records }) => records ?? []));
  } finally {
    await consumer.close(true);
  }
}

describeWithKafka('the event log and its brokers', () => {
  describe('one', () => {
    let broker: KafkaBroker;
    beforeAll(async () => {
      [broker] = (await startKafka()) as [KafkaBroker];
      await reconcileTopics(
        { brokers: async () => [broker.address], login: null, clientId: 'test' },
        [{ name: 't', partitions: 3, retentionDays: 1 }],
        { factor: 1, minInSync: 1 },
      );
    });

    it('loses nothing that was acknowledged when it is killed and comes back', async () => {
      const log = openEventLog({ kind: 'kafka', brokers: [broker.address] });
      const got = new Set<number>();
      log.subscribe({
        group: 'g',
        topic: 't',
        most: 100,
        async handle({ messages }) {
          for (const { value } of messages) got.add((JSON.parse(value) as { n: number }).n);
          return messages.length;
        },
      });
      await appendAll(log, 't', 0, 50);
      await expect.poll(() => got.size, { timeout: 30_000 }).toBe(50);
      await broker.kill();
      const more = appendAll(log, 't', 50, 100);
      await pause(3_000);
      await broker.start();
      await more;
      await expect.poll(() => got.size, { timeout: 50_000 }).toBe(100);
      await log.close();
    });

    it('is written in batches of what came within its linger, in LZ4, by a producer whose repeats brokers know', async () => {
      const brokers = async () => [broker.address];
      const access = { brokers, login: null, clientId: 'test' };
      const wanted = [{ name: 'raw', partitions: 1, retentionDays: 1 }];
      await reconcileTopics(access, wanted, { factor: 1, minInSync: 1 });
      const log = createKafkaEventLog(access, {
        ...{ clock: createSystemClock(), log: createSilentLog(), metrics: NO_METRICS },
        lingerMs: () => 300,
      });
      const value = JSON.stringify('x'.repeat(2_000));
      const calls = Array.from({ length: 20 }, () =>
        log.append('raw', [{ ...numbered(1), value }]),
      );
      await Promise.all(calls);
      await log.close();
      const held = await batchesOf(broker, 'raw');
      expect(held.map(({ records }) => records.length)).toEqual([20]);
      const [batch] = held as [RecordsBatch];
      const LZ4 = 3;
      expect(batch.attributes & 0b111).toBe(LZ4);
      expect(batch.length).toBeLessThan(value.length);
      expect(batch.producerId).toBeGreaterThanOrEqual(0n);
      expect(batch.firstSequence).toBe(0);
    });

    it('says that it is away, within a bounded time, and lets its users close', async () => {
      const log = openEventLog({ kind: 'kafka', brokers: [broker.address] });
      const subscription = log.subscribe({
        group: 'h',
        topic: 't',
        most: 1,
        handle: async () => 1,
      });
      await broker.kill();
      await expect(log.append('t', [numbered(1)])).rejects.toMatchObject({
        code: 'EVENT_LOG_AWAY',
      });
      await subscription.close();
      await log.close();
      await expect(log.append('t', [numbered(1)])).rejects.toThrow('the event log is closed');
    });
  });

  it('holds no more than a bounded amount while it cannot write', async () => {
    const log = createKafkaEventLog(
      { brokers: () => new Promise(() => undefined), login: null, clientId: 'test' },
      { clock: createSystemClock(), log: createSilentLog(), metrics: NO_METRICS },
    );
    const value = JSON.stringify('x'.repeat(900_000));
    const waiting = Array.from({ length: 71 }, () =>
      log.append('t', [{ tenant: TENANT, key: 'k', value, headers: {} }]),
    );
    for (const each of waiting) each.catch(() => undefined);
    await expect(
      log.append('t', [{ tenant: TENANT, key: 'k', value, headers: {} }]),
    ).rejects.toMatchObject({ code: 'EVENT_LOG_FULL' });
  });

  it('leaves brokers alone that fail again and again, and says so at once, as they did', async () => {
    const clock = createSystemClock();
    const time = { now: 0 };
    const metrics = createLocalMetrics();
    let asked = 0;
    const log = createKafkaEventLog(
      {
        brokers: () => {
          asked += 1;
          return Promise.reject(new Error('nobody says where they are'));
        },
        login: null,
        clientId: 'test',
      },
      {
        clock: { ...clock, monotonic: () => time.now },
        ...{ log: createSilentLog(), metrics, lingerMs: () => 0 },
      },
    );
    const write = () => log.append('t', [numbered(1)]).catch((error: Error) => error);
    const { failures, openMs } = BREAKERS.event_log;
    let last: unknown;
    for (let i = 0; i < failures; i++) last = await write();
    expect(asked).toBe(failures);
    const refused = await write();
    expect(refused).toMatchObject({ code: 'EVENT_LOG_AWAY', cause: (last as Error).cause });
    expect(asked).toBe(failures);
    expect(metrics.text()).toMatch(/breakers_opened\S*event_log\S* 1$/m);
    time.now += openMs;
    await write();
    expect(asked).toBe(failures + 1);
    await log.close();
  });

  it('goes on while one of three is killed, with two copies of every message', async () => {
    const brokers = await startKafka(3);
    const addresses = brokers.map(({ address }) => address);
    const access = { brokers: async () => addresses, login: null, clientId: 'test' };
    // A cluster of three takes a moment until all of them may hold a copy.
    await expect
      .poll(
        () =>
          reconcileTopics(access, [{ name: 't', partitions: 3, retentionDays: 1 }], {
            factor: 3,
            minInSync: 2,
          }).then(
            () => 'made',
            (error: unknown) => String(error),
          ),
        { timeout: 60_000, interval: 500 },
      )
      .toBe('made');
    const log = openEventLog({ kind: 'kafka', brokers: addresses });
    const got = new Set<number>();
    log.subscribe({
      group: 'g',
      topic: 't',
      most: 100,
      async handle({ messages }) {
        for (const { value } of messages) got.add((JSON.parse(value) as { n: number }).n);
        return messages.length;
      },
    });
    await appendAll(log, 't', 0, 30);
    await brokers[1]!.kill();
    await appendAll(log, 't', 30, 60);
    await expect.poll(() => got.size, { timeout: 60_000 }).toBe(60);
    await brokers[1]!.start();
    await appendAll(log, 't', 60, 90);
    await expect.poll(() => got.size, { timeout: 60_000 }).toBe(90);
    await log.close();
  }, 240_000);
});
