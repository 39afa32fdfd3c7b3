/**
 * What events cost, and how late they come: the outbox relayed to a real Kafka beside an engine that fills it.
 *
 *   node test/bench/events.ts [--messages 100000] [--seconds 30] [--per-second 50] [--rounds 3]
 *
 *  relay   so many events lie in the outbox; one relay takes them to a broker. Beside it: how many the engine writes
 *          at its fastest, which the relay must not be slower than
 *  late    from the commit of an execution's end to a reader of the topic, at a steady rate
 *  on/off  the engine's speed with the relay in its process, and without
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { reconcileTopics } from '#adapters/kafka/topics.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createDeadLetterBox } from '#adapters/postgres/dead-letters.ts';
import { createPostgresEventLog, POSTGRES_LOG_TIMES } from '#adapters/postgres/event-log.ts';
import { migrate } from '#adapters/postgres/migrate.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { RELAY_GROUP } from '#config/consumers.ts';
import { WORKFLOW_EVENTS_TOPIC } from '#core/event-envelope.ts';
import { RELAY_POLL_MS } from '#functions/shared/relay.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { startRelay } from '#services/events/relay.ts';
import { startBrokers } from '#test/support/kafka/brokers.ts';
import { kafkaJars } from '#test/support/kafka/jars.ts';
import { chainOf } from '#test/support/platform.ts';
import { describeMachine, untilQuiet } from './machine.ts';
import { openOurs } from './ours.ts';
import { percentile } from './percentile.ts';
import { spreadOf } from './report.ts';
import { drive } from './shapes.ts';
import { startStores } from './stores.ts';

const { values: args } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '30' },
    'per-second': { type: 'string', default: '50' },
    count: { type: 'string', default: '6000' },
    rounds: { type: 'string', default: '3' },
    'quiet-seconds': { type: 'string', default: '40' },
  },
});
const PARTITIONS = 32;
const GIVE_UP_MS = 300_000;
const rounds = Number(args.rounds);
const clock = createSystemClock();
const log = createSilentLog();

const jars = kafkaJars();
if (!('folder' in jars)) throw new Error(`no Kafka: it needs ${jars.missing}`);
const stores = await startStores();
const cluster = await startBrokers(jars.folder, 1);
const brokers = cluster.brokers.map(({ address }) => address);
const access = { brokers: async () => brokers, login: null, clientId: 'bench' };
try {
  await reconcileTopics(
    access,
    [{ name: WORKFLOW_EVENTS_TOPIC, partitions: PARTITIONS, retentionDays: 1 }],
    { factor: 1, minInSync: 1 },
  );
  console.log(`${describeMachine()}\n`);
  await measureRelay();
  await measureLate();
  await measureOnAndOff();
} finally {
  await stores.close();
  await cluster.close();
}

function openRelay(url: string): { close(): Promise<void> } {
  const pool = createPool({ url, role: 'cloudflow_relay', max: 4, name: 'bench', log });
  const partitions = createPartitions(pool);
  const codec = createPlainCodec();
  const from = createPostgresEventLog({
    ...{ pool, codec, partitions, clock, log },
    times: { ...POSTGRES_LOG_TIMES, pollMs: RELAY_POLL_MS },
  });
  const to = createKafkaEventLog(access, { clock, log, metrics: NO_METRICS });
  const deadLetters = createDeadLetterBox({ pool, codec, partitions, ids: createIds() });
  const topics = [WORKFLOW_EVENTS_TOPIC];
  const relay = startRelay({ from, to, topics, deadLetters, clock, log, metrics: NO_METRICS });
  return {
    async close() {
      await relay.close();
      await from.close();
      await to.close();
      await pool.end();
    },
  };
}

async function onNewDatabase<T>(act: (url: string, admin: pg.Client) => Promise<T>): Promise<T> {
  const url = await stores.createDatabase();
  await migrate(url);
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    await untilQuiet(Number(args['quiet-seconds']));
    return await act(url, admin);
  } finally {
    await admin.end();
    await stores.dropDatabase(url);
  }
}

/** Events that no relay has taken yet. */
async function leftIn(admin: pg.Client): Promise<number> {
  const { rows } = await admin.query<{ n: number }>(
    `select count(*)::integer as n from outbox o
     left join outbox_offsets p on p.consumer_group = $1 and p.topic = o.topic
     where o.topic = $2 and (p.xid is null or (o.xid, o.id) > (p.xid, p.id))`,
    [RELAY_GROUP, WORKFLOW_EVENTS_TOPIC],
  );
  return rows[0]?.n ?? 0;
}

async function relayed(admin: pg.Client): Promise<void> {
  const begun = performance.now();
  while ((await leftIn(admin)) > 0) {
    if (performance.now() - begun > GIVE_UP_MS) throw new Error('the relay takes too long');
    await pause(20);
  }
}

async function measureRelay(): Promise<void> {
  const relays: number[] = [];
  const fills: number[] = [];
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    await onNewDatabase(async (url, admin) => {
      const ours = openOurs(url, chainOf(4));
      await ours.platform.engine.start();
      await drive(ours, { kind: 'closed', count: 300, inFlight: 50 });
      const before = await leftIn(admin);
      const begun = performance.now();
      await drive(ours, { kind: 'open', count: Number(args.count), inFlight: 64 });
      fills.push(((await leftIn(admin)) - before) / ((performance.now() - begun) / 1_000));
      await ours.platform.close();
      const { rows } = await admin.query<{ bytes: number }>(
        'select avg(octet_length(payload))::float8 as bytes from outbox where topic = $1',
        [WORKFLOW_EVENTS_TOPIC],
      );
      bytes = rows[0]?.bytes ?? 0;
      // As many more as were asked for, copies of those.
      const have = await leftIn(admin);
      await admin.query(
        `insert into outbox (tenant_id, topic, key, at, payload)
         select tenant_id, topic, key || (n::text), at, payload
         from outbox, generate_series(1, $1::int) as n where topic = $2`,
        [Math.max(0, Math.ceil(Number(args.messages) / have) - 1), WORKFLOW_EVENTS_TOPIC],
      );
      const lie = await leftIn(admin);
      const taken = performance.now();
      const relay = openRelay(url);
      await relayed(admin);
      relays.push(lie / ((performance.now() - taken) / 1_000));
      await relay.close();
    });
  }
  const [relay, fill] = [spreadOf(relays), spreadOf(fills)];
  console.log('| what | events/s (spread) | bytes each |\n|---|---|---|');
  console.log(
    `| relayed from the outbox to a broker | ${Math.round(relay.median)} (${Math.round(relay.min)}-${Math.round(relay.max)}) | ${Math.round(bytes)} |`,
  );
  console.log(
    `| written by the engine at its fastest, open | ${Math.round(fill.median)} (${Math.round(fill.min)}-${Math.round(fill.max)}) | ${Math.round(bytes)} |`,
  );
}

async function measureLate(): Promise<void> {
  await onNewDatabase(async (url, admin) => {
    const ours = openOurs(url, chainOf(4));
    await ours.platform.engine.start();
    const relay = openRelay(url);
    const reader = createKafkaEventLog(access, { clock, log, metrics: NO_METRICS });
    const ends = new Map<string, number>();
    const late: number[] = [];
    reader.subscribe({
      group: `bench-${process.pid}`,
      topic: WORKFLOW_EVENTS_TOPIC,
      most: 500,
      async handle({ messages }) {
        const now = performance.now();
        for (const { value } of messages) {
          const event = JSON.parse(value) as {
            event_type: string;
            payload: { execution_id: string };
          };
          const ended = ends.get(event.payload.execution_id);
          if (event.event_type !== 'workflow.execution.completed' || ended === undefined) continue;
          ends.delete(event.payload.execution_id);
          late.push(now - ended);
        }
        return messages.length;
      },
    });
    const steady = async (seconds: number, count: boolean): Promise<void> => {
      const perSecond = Number(args['per-second']);
      const begun = performance.now();
      const all: Promise<unknown>[] = [];
      for (let i = 0; i < seconds * perSecond; i++) {
        await pause(Math.max(0, begun + (i * 1_000) / perSecond - performance.now()));
        all.push(
          ours.submit().then(async ({ id, ended }) => {
            await ended;
            if (count) ends.set(id, performance.now());
          }),
        );
      }
      await Promise.all(all);
    };
    // Groups are divided, code warms up.
    await steady(5, false);
    await relayed(admin);
    await steady(Number(args.seconds), true);
    await relayed(admin);
    await pause(1_000);
    console.log(
      `\n| from the commit to a reader of Kafka, ${args['per-second']} executions a second | ms |\n|---|---|\n| p50 | ${percentile(late, 50).toFixed(1)} |\n| p99 | ${percentile(late, 99).toFixed(1)} |\n| events that came | ${late.length}, ${ends.size} did not |`,
    );
    await relay.close();
    await reader.close();
    await ours.platform.close();
  });
}

async function measureOnAndOff(): Promise<void> {
  const found = { off: [] as number[], on: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    for (const kafka of round % 2 === 0 ? (['off', 'on'] as const) : (['on', 'off'] as const)) {
      await onNewDatabase(async (url, admin) => {
        const relay = kafka === 'on' ? openRelay(url) : null;
        const ours = openOurs(url, chainOf(4));
        await ours.platform.engine.start();
        await drive(ours, { kind: 'closed', count: 300, inFlight: 50 });
        const begun = performance.now();
        await drive(ours, { kind: 'closed', count: Number(args.count), inFlight: 100 });
        found[kafka].push(Number(args.count) / ((performance.now() - begun) / 1_000));
        if (relay !== null) await relayed(admin);
        await relay?.close();
        await ours.platform.close();
      });
    }
  }
  const ratio = spreadOf(found.on.map((on, i) => on / (found.off[i] ?? Number.NaN)));
  console.log(
    `\n| 100 in flight | workflows/s |\n|---|---|\n| without Kafka | ${Math.round(spreadOf(found.off).median)} |\n| with Kafka on the same cores, relayed by the engine's process | ${Math.round(spreadOf(found.on).median)} |\n| ratio within a round | ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)}) |`,
  );
}
