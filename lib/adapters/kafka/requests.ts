import { Consumer, ListOffsetTimestamps } from '@platformatic/kafka';
import { REPLIES_TOPIC } from '#config/topics.ts';
import type { Clock } from '#ports/clock.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import { type Question, REQUEST_HEADERS, type Requests } from '#ports/requests.ts';
import { clientOptions, type KafkaAccess } from './connection.ts';
import { createKafkaWriter, TENANT_HEADER } from './writer.ts';

/** Questions of a process that wait for an answer at a time; more are not asked. */
const MOST_WAITING = 1_000;
/** How long brokers hold a look at which there is nothing yet. */
const LOOK_MS = 250;
const ANSWER_BYTES = 1_048_576;

interface Waiting {
  readonly tenant: string;
  settle(value: string | null): void;
}

/** One partition of answers, from where it ended when its reading began. */
interface Place {
  readonly consumer: Consumer<Buffer, Buffer, Buffer, Buffer>;
  readonly partition: number;
  offset: bigint;
}

/**
 * Questions over Kafka. A process reads the partition of answers that its name leads to, without a group, so that
 * there is nothing to join or to clean up, and only while it waits for one: between questions it may be frozen.
 * Two processes may share a partition, and each passes over what is not its own (Q1).
 */
export function createKafkaRequests(
  access: KafkaAccess,
  deps: {
    readonly clock: Clock;
    readonly log: Log;
    readonly metrics: Metrics;
    /** Between 0 and 1: which partition this process reads. */
    readonly random: () => number;
    /** Real milliseconds that a question waits for its answer. */
    readonly timeoutMs: number;
  },
): Requests {
  const { clock, log, metrics, random, timeoutMs } = deps;
  const to = createKafkaWriter(access, { clock, metrics, lingerMs: () => 0 });
  const waiting = new Map<string, Waiting>();
  const share = random();
  let reading: Promise<Place> | null = null;
  let closed = false;

  async function begin(): Promise<Place> {
    const consumer = new Consumer<Buffer, Buffer, Buffer, Buffer>({
      ...(await clientOptions(access)),
      // Named, as every consumer must be, and never joined.
      groupId: `${access.clientId}-asks`,
      autocommit: false,
    });
    consumer.on('error', () => undefined);
    try {
      consumer.topics.track(REPLIES_TOPIC);
      const { topics } = await consumer.metadata({ topics: [REPLIES_TOPIC], forceUpdate: true });
      const partition = Math.floor(share * (topics.get(REPLIES_TOPIC)?.partitionsCount ?? 0));
      const ends = await consumer.listOffsets({
        topics: [REPLIES_TOPIC],
        partitions: { [REPLIES_TOPIC]: [partition] },
        timestamp: ListOffsetTimestamps.LATEST,
      });
      const offset = ends.get(REPLIES_TOPIC)?.[partition];
      if (offset === undefined) throw new Error(`${REPLIES_TOPIC} does not say where it ends`);
      return { consumer, partition, offset };
    } catch (error) {
      letGo(consumer);
      throw error;
    }
  }

  /** It may not close while its brokers are away, and nobody waits for it. */
  function letGo(consumer: Place['consumer']): void {
    consumer.close(true).catch(() => undefined);
  }

  async function read(place: Place, end: () => void): Promise<void> {
    const { consumer, partition } = place;
    while (waiting.size > 0) {
      const metadata = await consumer.metadata({ topics: [REPLIES_TOPIC] });
      const topic = metadata.topics.get(REPLIES_TOPIC);
      const leader = topic?.partitions[partition]?.leader;
      if (topic === undefined || leader === undefined) throw new Error('nobody leads the answers');
      const { responses } = await consumer.fetch({
        node: leader,
        maxWaitTime: LOOK_MS,
        minBytes: 1,
        maxBytes: ANSWER_BYTES,
        topics: [
          {
            topicId: topic.id,
            partitions: [
              {
                partition,
                fetchOffset: place.offset,
                currentLeaderEpoch: -1,
                lastFetchedEpoch: -1,
                partitionMaxBytes: ANSWER_BYTES,
              },
            ],
          },
        ],
      });
      for (const { firstOffset, records } of responses.flatMap((each) =>
        each.partitions.flatMap(({ records: batches }) => batches ?? []),
      )) {
        for (const { offsetDelta, headers, value } of records) {
          const offset = firstOffset + BigInt(offsetDelta);
          if (offset < place.offset) continue;
          place.offset = offset + 1n;
          hear(headers, value);
        }
      }
    }
    // Before anybody else runs: whoever asks from here on begins a reading of their own.
    end();
  }

  function hear(headers: readonly [Buffer | null, Buffer | null][], value: Buffer | null): void {
    const texts = new Map(headers.map(([name, text]) => [name?.toString(), text?.toString()]));
    const id = texts.get(REQUEST_HEADERS.id);
    const own = id === undefined ? undefined : waiting.get(id);
    if (own === undefined || own.tenant !== texts.get(TENANT_HEADER)) return;
    own.settle(value?.toString() ?? null);
  }

  /** One reading for all who wait. When it fails, or nobody waits any more, the next one begins anew. */
  function place(): Promise<Place> {
    if (reading !== null) return reading;
    const begun = begin();
    reading = begun;
    const end = (): void => {
      if (reading === begun) reading = null;
    };
    begun
      .then(async (found) => {
        try {
          await read(found, end);
        } finally {
          end();
          letGo(found.consumer);
        }
      })
      .catch((error: unknown) => {
        end();
        // Answers of this reading reach nobody now; what waits does what it asked for by itself.
        for (const each of [...waiting.values()]) each.settle(null);
        if (!closed) log.warn('REPLIES_NOT_READ', { topic: REPLIES_TOPIC, error });
      });
    return begun;
  }

  async function put(topic: string, { id, tenant, key, value }: Question, deadline: number) {
    const { partition } = await place();
    // It may have waited for brokers until nobody waited for it.
    if (!waiting.has(id)) return;
    const headers = {
      [REQUEST_HEADERS.id]: id,
      [REQUEST_HEADERS.replyTo]: String(partition),
      [REQUEST_HEADERS.deadline]: String(deadline),
    };
    await to.append(topic, [{ tenant, key, value, headers }]);
  }

  return {
    ask(topic, question) {
      const { id, tenant } = question;
      if (closed || waiting.size >= MOST_WAITING || waiting.has(id)) return Promise.resolve(null);
      return new Promise((resolve) => {
        const timer = clock.after(timeoutMs, () => settle(null));
        const settle = (value: string | null): void => {
          timer.cancel();
          waiting.delete(id);
          resolve(value);
        };
        waiting.set(id, { tenant, settle });
        put(topic, question, clock.now() + timeoutMs).catch((error: unknown) => {
          log.warn('QUESTION_NOT_ASKED', { topic, error });
          settle(null);
        });
      });
    },
    async close() {
      closed = true;
      for (const each of [...waiting.values()]) each.settle(null);
      const found = await reading?.catch(() => null);
      if (found !== undefined && found !== null) letGo(found.consumer);
      await to.close();
    },
  };
}
