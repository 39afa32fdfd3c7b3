import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, it } from 'vitest';
import { reconcileTopics } from '#adapters/kafka/topics.ts';
import { readEventBacklog } from '#adapters/postgres/event-backlog.ts';
import { RELAY_GROUP } from '#config/consumers.ts';
import type { EventLog } from '#ports/event-log.ts';
import { openEventLog } from '#test/adapters/event-log/open.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';
import { describeWithKafka, type KafkaBroker, startKafka } from '#test/support/kafka.ts';
import { TENANT } from '#test/support/platform.ts';
import { openRelay } from './relay-process.ts';

const PROCESS = fileURLToPath(new URL('./relay-process.ts', import.meta.url));
const TOPIC = 'workflow.events';

describeWithKafka('the relay from the outbox to Kafka', () => {
  let database: TestDatabase;
  let broker: KafkaBroker;
  let n = 0;

  beforeEach(async () => {
    database = await createTestDatabase();
    await database.admin.query("select ensure_partitions(now(), now() + interval '1 day')");
    [broker] = (await startKafka()) as [KafkaBroker];
    await reconcileTopics(
      { brokers: async () => [broker.address], login: null, clientId: 'test' },
      [
        { name: TOPIC, partitions: 4, retentionDays: 1 },
        { name: 'workflow.commands', partitions: 1, retentionDays: 1 },
      ],
      { factor: 1, minInSync: 1 },
    );
    n = 0;
  }, 120_000);

  /** Transactions as the engine's: several rows each, numbered in the order of their commits. */
  async function commit(rows: number, topic = TOPIC): Promise<void> {
    const values = Array.from({ length: rows }, () => {
      n += 1;
      return `('${TENANT}', '${topic}', 'k${n % 7}', now(), '0:{"n":${n}}')`;
    });
    await database.admin.query(
      `insert into outbox (tenant_id, topic, key, at, payload) values ${values.join(', ')}`,
    );
  }
  function collect(log: EventLog): { numbers: number[]; keys: Map<string, number[]> } {
    const numbers: number[] = [];
    const keys = new Map<string, number[]>();
    log.subscribe({
      group: 'seen',
      topic: TOPIC,
      most: 500,
      async handle({ messages }) {
        for (const { value, key } of messages) {
          const number = (JSON.parse(value) as { n: number }).n;
          if (numbers.includes(number)) continue;
          numbers.push(number);
          keys.set(key, [...(keys.get(key) ?? []), number]);
        }
        return messages.length;
      },
    });
    return { numbers, keys };
  }
  const options = () => ({
    url: database.url,
    brokers: [broker.address],
    topics: [TOPIC, 'workflow.commands'],
  });

  it('loses nothing and keeps the order of keys while relays are killed again and again', async () => {
    const log = openEventLog({ kind: 'kafka', brokers: [broker.address] });
    const { numbers, keys } = collect(log);
    const children: ChildProcess[] = [];
    async function start(): Promise<ChildProcess> {
      const child = fork(PROCESS, [JSON.stringify(options())], {
        execArgv: [],
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      await once(child, 'message');
      children.push(child);
      return child;
    }
    // Two at a time: one relays, the other waits for its lease.
    await start();
    await start();
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 10; i++) await commit(20);
      const dying = children.shift() as ChildProcess;
      const exited = once(dying, 'exit');
      dying.kill('SIGKILL');
      await exited;
      await commit(20);
      await start();
    }
    await expect.poll(() => numbers.length, { timeout: 90_000 }).toBe(n);
    for (const own of keys.values()) expect(own).toEqual([...own].sort((a, b) => a - b));
    for (const child of children) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await log.close();
  }, 180_000);

  it('goes on by itself when brokers come back, and tells meanwhile how far it is behind', async () => {
    const relay = openRelay(options());
    const log = openEventLog({ kind: 'kafka', brokers: [broker.address] });
    const { numbers } = collect(log);
    await commit(10);
    await expect.poll(() => numbers.length, { timeout: 30_000 }).toBe(10);
    const pool = database.pool('cloudflow_relay');
    const lag = async () =>
      (
        await readEventBacklog(pool, [{ group: RELAY_GROUP, topic: TOPIC }], Date.now())
      ).lagSeconds.get(TOPIC) ?? 0;
    await expect.poll(lag, { timeout: 30_000 }).toBe(0);
    await broker.kill();
    // Committed while nobody can take it: accepting executions waits for no broker.
    await commit(50);
    await expect.poll(lag, { timeout: 30_000, interval: 200 }).toBeGreaterThan(3);
    await broker.start();
    await expect.poll(() => numbers.length, { timeout: 90_000 }).toBe(60);
    await expect.poll(lag, { timeout: 30_000 }).toBe(0);
    await relay.close();
    await log.close();
  }, 180_000);

  it('lays one aside that no broker takes, and goes on with those behind it', async () => {
    const relay = openRelay(options());
    const log = openEventLog({ kind: 'kafka', brokers: [broker.address] });
    const { numbers } = collect(log);
    await database.admin.query(
      `insert into outbox (tenant_id, topic, key, at, payload)
       values ($1, $2, 'k', now(), '0:{"n":1}'), ($1, $2, 'k', now(), '0:"' || repeat('x', 1100000) || '"'),
              ($1, $2, 'k', now(), '0:{"n":2}')`,
      [TENANT, TOPIC],
    );
    await expect.poll(() => numbers, { timeout: 60_000 }).toEqual([1, 2]);
    const { rows } = await database.admin.query(
      'select consumer_group, error_code, payload, status from dead_letters',
    );
    expect(rows).toEqual([
      { consumer_group: 'relay', error_code: 'MESSAGE_TOO_LARGE', payload: null, status: 'open' },
    ]);
    await relay.close();
    await log.close();
  }, 120_000);
});
