/** Reads a topic of Kafka up to the end it has now, as a reader of nobody's group. */
import { Admin, Consumer, ListOffsetTimestamps } from '@platformatic/kafka';
import type { TopicRecord } from './evidence.ts';

const MOST_MS = 180_000;

/** `newest`: so many of each partition; absent: all that was ever written. */
export async function readTopic(
  broker: string,
  topic: string,
  newest = Number.MAX_SAFE_INTEGER,
): Promise<TopicRecord[]> {
  const ends = await endsOf(broker, topic);
  const offsets = [...ends].map(([partition, end]) => ({
    ...{ topic, partition },
    offset: end > BigInt(newest) ? end - BigInt(newest) : 0n,
  }));
  const wanted = offsets.reduce(
    (sum, { partition, offset }) => sum + Number((ends.get(partition) ?? 0n) - offset),
    0,
  );
  const consumer = new Consumer({
    clientId: 'checker',
    bootstrapBrokers: [broker],
    groupId: `checker-${process.pid}-${Date.now()}`,
    autocommit: false,
    maxWaitTime: 250,
  });
  const records: TopicRecord[] = [];
  try {
    const stream = await consumer.consume({ topics: [topic], mode: 'manual', offsets });
    const late = setTimeout(() => void stream.close(), MOST_MS);
    const open = new Set([...ends].filter(([, end]) => end > 0n).map(([partition]) => partition));
    if (open.size > 0) {
      for await (const { partition, offset, key, value, headers } of stream) {
        const text = String(value);
        records.push({
          ...{ partition, offset: Number(offset), key: String(key), text },
          eventId: eventIdOf(text),
          tenant: tenantOf(headers as ReadonlyMap<unknown, unknown>),
        });
        if (offset + 1n >= (ends.get(partition) ?? 0n)) open.delete(partition);
        if (open.size === 0) break;
      }
    }
    clearTimeout(late);
  } finally {
    await consumer.close(true);
  }
  if (records.length < wanted)
    throw new Error(`${topic}: read ${records.length} of ${wanted} records`);
  return records;
}

function eventIdOf(text: string): string | null {
  try {
    return (JSON.parse(text) as { event_id?: string }).event_id ?? null;
  } catch {
    return null; // Spoilt on purpose.
  }
}

function tenantOf(headers: ReadonlyMap<unknown, unknown>): string | null {
  for (const [name, value] of headers) if (String(name) === 'tenant') return String(value);
  return null;
}

/** Where each partition ends. */
export async function endsOf(broker: string, topic: string): Promise<Map<number, bigint>> {
  const admin = new Admin({ clientId: 'checker', bootstrapBrokers: [broker] });
  try {
    const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
    const count = topics.get(topic)?.partitionsCount ?? 0;
    const partitions = Array.from({ length: count }, (_, partitionIndex) => ({
      partitionIndex,
      timestamp: ListOffsetTimestamps.LATEST,
    }));
    const listed = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
    return new Map(
      listed.flatMap((each) => each.partitions.map((own) => [own.partitionIndex, own.offset])),
    );
  } finally {
    await admin.close();
  }
}

/** How many records groups have not handled yet. */
export async function lagOf(
  broker: string,
  topic: string,
  groups: readonly string[],
): Promise<number> {
  const ends = await endsOf(broker, topic);
  const admin = new Admin({ clientId: 'checker', bootstrapBrokers: [broker] });
  try {
    let lag = 0;
    const partitionIndexes = [...ends.keys()];
    for (const groupId of groups) {
      const found = await admin.listConsumerGroupOffsets({
        groups: [{ groupId, topics: [{ name: topic, partitionIndexes }] }],
      });
      const done = new Map(
        found.flatMap(({ topics }) =>
          topics.flatMap(({ partitions }) =>
            partitions.map((own) => [own.partitionIndex, own.committedOffset] as const),
          ),
        ),
      );
      for (const [partition, end] of ends) {
        const at = done.get(partition) ?? 0n;
        lag += Number(end - (at < 0n ? 0n : at));
      }
    }
    return lag;
  } finally {
    await admin.close();
  }
}
