import { afterEach, beforeEach, expect, it } from 'vitest';
import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { reconcileTopics } from '#adapters/kafka/topics.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createCommandedSignals } from '#adapters/postgres/commanded-signals.ts';
import { createCommands } from '#adapters/postgres/commands.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { COMMANDS_TOPIC } from '#config/topics.ts';
import type { Program } from '#core/plan/program.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { NO_TRACER } from '#ports/tracer.ts';
import { listenForCommands } from '#services/events/commands.ts';
import { createObedience } from '#services/events/obey-commands.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';
import { describeWithKafka, type KafkaBroker, startKafka } from '#test/support/kafka.ts';
import {
  createTestPlatform,
  programOf,
  TENANT,
  type TestPlatform,
} from '#test/support/platform.ts';
import { openRelay } from './relay-process.ts';

const HOUR_MS = 3_600_000;

/** Engines that would not look by themselves while a test lasts. */
describeWithKafka('commands through Kafka', () => {
  let database: TestDatabase;
  let broker: KafkaBroker;
  let program: Program;
  let closers: (() => Promise<void>)[];

  beforeEach(async () => {
    database = await createTestDatabase();
    [broker] = (await startKafka()) as [KafkaBroker];
    await reconcileTopics(
      { brokers: async () => [broker.address], login: null, clientId: 'test' },
      [{ name: COMMANDS_TOPIC, partitions: 4, retentionDays: 1 }],
      { factor: 1, minInSync: 1 },
    );
    program = programOf({
      workflow_id: 'one',
      version: '1.0.0',
      steps: [{ id: 'only', type: 'transform', config: { value: { done: true } } }],
    });
    closers = [];
  }, 120_000);
  afterEach(async () => {
    for (const close of closers.reverse()) await close();
  }, 60_000);

  async function openEngine(): Promise<TestPlatform> {
    const platform = createTestPlatform({
      url: database.url,
      programs: [program],
      performer: {
        call: () => Promise.reject(new Error('nothing here calls out')),
        compensate: () => Promise.reject(new Error('nothing here calls out')),
      },
      limits: { pollMs: HOUR_MS },
      adopt: false,
    });
    await platform.engine.start();
    const kafka = createKafkaEventLog(
      { brokers: async () => [broker.address], login: null, clientId: 'engine' },
      { clock: createSystemClock(), log: createSilentLog(), metrics: NO_METRICS },
    );
    const pool = database.pool('cloudflow_app');
    const obedience = createObedience({
      signals: createCommandedSignals({ pool, codec: createPlainCodec() }),
      ...{ hints: platform.engine.hints, replies: kafka },
      ...{ clock: createSystemClock(), log: createSilentLog(), tracer: NO_TRACER },
    });
    listenForCommands(kafka, platform.engine, obedience);
    closers.push(async () => {
      await kafka.close();
      await platform.close();
    });
    return platform;
  }
  function openCommands() {
    const pool = database.pool('cloudflow_app');
    return createCommands({
      pool,
      codec: createPlainCodec(),
      partitions: createPartitions(pool),
      clock: createSystemClock(),
      ids: createIds(),
      log: createSilentLog(),
    });
  }
  function relay(): void {
    const open = openRelay({
      url: database.url,
      brokers: [broker.address],
      topics: [COMMANDS_TOPIC],
    });
    closers.push(() => open.close());
  }
  const ended = async (): Promise<number> => {
    const { rows } = await database.admin.query<{ n: number }>(
      "select count(*)::integer as n from workflow_executions where outcome = 'COMPLETED'",
    );
    return rows[0]?.n ?? 0;
  };

  it('wake one of the engines, which runs what was accepted elsewhere', async () => {
    const [platform] = await Promise.all([openEngine(), openEngine()]);
    relay();
    const commands = openCommands();
    for (let i = 0; i < 40; i++) {
      const request = (platform as TestPlatform).request(program);
      await (platform as TestPlatform).access.accept(request);
      commands.hints.accepted({ tenant: TENANT, executionId: request.id, runtime: 'engine' });
    }
    await commands.settled();
    await expect.poll(ended, { timeout: 60_000, interval: 100 }).toBe(40);
  }, 120_000);

  it('wait for brokers that are away, and nothing else does', async () => {
    const platform = await openEngine();
    relay();
    const commands = openCommands();
    await broker.kill();
    const request = platform.request(program);
    await platform.access.accept(request);
    commands.hints.accepted({ tenant: TENANT, executionId: request.id, runtime: 'engine' });
    await commands.settled();
    expect(await ended()).toBe(0);
    // Looking needs no broker.
    platform.engine.wake();
    await expect.poll(ended, { timeout: 30_000, interval: 50 }).toBe(1);
    const late = platform.request(program);
    await platform.access.accept(late);
    commands.hints.accepted({ tenant: TENANT, executionId: late.id, runtime: 'engine' });
    await commands.settled();
    await broker.start();
    await expect.poll(ended, { timeout: 60_000, interval: 100 }).toBe(2);
  }, 150_000);
});
