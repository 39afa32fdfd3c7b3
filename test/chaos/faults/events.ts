/** The broker and what is delivered. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Consumer, ProduceAcks, Producer } from '@platformatic/kafka';
import { readTopic } from '../checker/read-topic.ts';
import { until } from '../world/children.ts';
import type { World } from '../world/world.ts';
import { type Fault, type FaultContext, hit, missed } from './fault.ts';

const TOPIC = 'workflow.events';
export const GROUPS = ['analytics-pipeline', 'audit-processor', 'billing'] as const;
const SENT_AGAIN = 200;
/** Of each partition, out of which they are drawn: the whole topic of a long run takes too long to read. */
const DRAWN_FROM = 200;
/** How keys of records begin that are none of the platform's. */
const SPOILT = 'spoilt-';
const MEMBER_MS = 40_000;

function brokerOf({ kafka }: World): string {
  const [broker] = kafka?.brokers ?? [];
  if (broker === undefined) throw new TypeError('the run has no Kafka');
  return broker.address;
}

const away = (name: string, ms: (context: FaultContext) => number): Fault => ({
  needs: 'kafka',
  ...(name === 'broker-down' ? { beside: true as const } : {}),
  async run(context) {
    const [broker] = context.world.kafka?.brokers ?? [];
    if (broker === undefined) return missed('there is no broker');
    await broker.kill();
    const begun = performance.now();
    await pause(ms(context));
    await broker.start();
    return hit(`was away for ${Math.round(performance.now() - begun)} ms`);
  },
});

async function send(
  world: World,
  records: readonly { readonly key: string; readonly text: string; readonly tenant: string }[],
): Promise<void> {
  const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
    clientId: 'chaos',
    bootstrapBrokers: [brokerOf(world)],
    acks: ProduceAcks.ALL,
  });
  try {
    await producer.send({
      messages: records.map(({ key, text, tenant }) => ({
        topic: TOPIC,
        key: Buffer.from(key),
        value: Buffer.from(text),
        headers: new Map([[Buffer.from('tenant'), Buffer.from(tenant)]]),
      })),
    });
  } finally {
    await producer.close(true);
  }
}

/** Events that were delivered come again, in any order. */
const duplicates: Fault = {
  needs: 'kafka',
  async run({ world, dice }) {
    const records = await readTopic(brokerOf(world), TOPIC, DRAWN_FROM);
    const chosen = dice
      .shuffled(records.filter(({ key, tenant }) => tenant !== null && !key.includes(SPOILT)))
      .slice(0, SENT_AGAIN);
    const again = dice.shuffled([...chosen, ...chosen]);
    if (again.length === 0) return missed('there is nothing to deliver again');
    await send(
      world,
      again.map((each) => ({ ...each, tenant: each.tenant ?? '' })),
    );
    return hit(`${again.length} records were delivered again, shuffled`);
  },
};

/** Joins a group, does nothing with what it is given, and leaves. */
async function asMember(
  world: World,
  group: string,
  act: (consumer: Consumer, partitions: readonly number[]) => Promise<string>,
): Promise<string | null> {
  const consumer = new Consumer({
    clientId: 'chaos',
    bootstrapBrokers: [brokerOf(world)],
    groupId: group,
    autocommit: false,
    sessionTimeout: 10_000,
    heartbeatInterval: 1_000,
  });
  consumer.on('error', () => undefined);
  try {
    const stream = await consumer.consume({
      topics: [TOPIC],
      mode: 'committed',
      fallbackMode: 'earliest',
    });
    stream.on('error', () => undefined);
    const own = (): readonly number[] =>
      consumer.assignments?.find(({ topic }) => topic === TOPIC)?.partitions ?? [];
    if (!(await until(MEMBER_MS, () => own().length > 0))) return null;
    return await act(consumer, own());
  } finally {
    await consumer.close(true).catch(() => undefined);
  }
}

const rebalance: Fault = {
  needs: 'kafka',
  async run({ world, dice }) {
    const group = dice.pick(GROUPS);
    const told = await asMember(world, group, async (_, partitions) => {
      await pause(500 + dice.below(1_500));
      return `${partitions.length} partitions of ${group} went to another member and back`;
    });
    return told === null ? missed(`${group} gave no partition away`) : hit(told);
  },
};

/** A member says that nothing of its partitions was handled yet, and leaves: all of it comes again. */
const replay: Fault = {
  needs: 'kafka',
  async run({ world, dice }) {
    const group = dice.pick(GROUPS);
    const told = await asMember(world, group, async (consumer, partitions) => {
      await consumer.commit({
        offsets: partitions.map((partition) => ({
          ...{ topic: TOPIC, partition, offset: 0n, leaderEpoch: 0 },
        })),
      });
      return `${group} reads ${partitions.length} partitions again from 0`;
    });
    return told === null ? missed(`${group} gave no partition away`) : hit(told);
  },
};

/** An event that is none, as far as its schema says. */
const poison: Fault = {
  needs: 'kafka',
  async run({ world, notes }) {
    const [tenant] = world.tenants;
    const event_id = randomUUID();
    const text = JSON.stringify({
      ...{ event_id, event_type: 'workflow.execution.completed', tenant_id: tenant?.id },
      ...{ timestamp: new Date().toISOString(), correlation_id: null },
      payload: { spoilt: true },
      metadata: { source_service: 'chaos', schema_version: '1.0' },
    });
    const key = `${SPOILT}${event_id}`;
    await send(world, [{ key: `${tenant?.id}:${key}`, text, tenant: tenant?.id ?? '' }]);
    notes.poisoned.push(key);
    return hit(`${event_id} was delivered`);
  },
};

export const EVENT_FAULTS = {
  'broker-kill': away('broker-kill', ({ dice }) => 500 + dice.below(3_000)),
  'broker-down': away('broker-down', ({ times }) => times.brokerDownMs),
  duplicates,
  rebalance,
  replay,
  poison,
} as const satisfies { readonly [name: string]: Fault };
