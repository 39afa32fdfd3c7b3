import { type MessageToProduce, ProduceAcks, Producer } from '@platformatic/kafka';
import { createBreaker } from '#adapters/breaker/breaker.ts';
import type { Clock } from '#ports/clock.ts';
import { EVENT_LOG_LIMITS, EventLogError, type NewMessage } from '#ports/event-log.ts';
import type { Metrics } from '#ports/metrics.ts';
import { checkMessages, messageBytes } from '../event-log/messages.ts';
import { clientOptions, type KafkaAccess } from './connection.ts';

/** What waits this long in bytes is written before its linger is over. */
const FULL_BYTES = 100_000;
/** Of one request to one topic: all of it may be of one partition, and is then one batch there. */
const REQUEST_BYTES = 900_000;
const REQUEST_MESSAGES = 2_000;
/** The header by which readers know whose a message is; its text is also how keys begin. */
export const TENANT_HEADER = 'tenant';

/**
 * Writes to topics: all replicas in sync, each message once for as long as the producer lives, LZ4.
 *
 *  W1 one request at a time for each topic: what comes meanwhile is the next, so keys keep their order;
 *  W2 after a failure whatever waits for that topic fails too, so that a caller who writes again does not
 *     write behind what came later;
 *  W3 after a failure the producer is another: the numbers of the old one may have a gap;
 *  W4 brokers that fail again and again are left alone for a while: whoever writes then fails at once, as the
 *     last one did.
 */
export interface KafkaWriter {
  append(topic: string, messages: readonly NewMessage[]): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  readonly messages: readonly NewMessage[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  queue: Waiting[];
  bytes: number;
  timer: { cancel(): void } | null;
  writing: Promise<void> | null;
}

type Client = Producer<Buffer, Buffer, Buffer, Buffer>;

export function createKafkaWriter(
  access: KafkaAccess,
  {
    clock,
    metrics,
    lingerMs,
  }: {
    readonly clock: Clock;
    readonly metrics: Metrics;
    readonly lingerMs: (topic: string) => number;
  },
): KafkaWriter {
  const breaker = createBreaker('event_log', { clock, metrics });
  const lanes = new Map<string, Lane>();
  let waitingBytes = 0;
  let closed = false;
  let producer: Promise<Client> | null = null;

  function client(): Promise<Client> {
    producer ??= clientOptions(access).then(
      (base) =>
        new Producer({
          ...base,
          acks: ProduceAcks.ALL,
          idempotent: true,
          compression: 'lz4',
        }),
    );
    return producer;
  }

  function dropClient(): void {
    const dropped = producer;
    producer = null;
    // It may not close while its brokers are away, and nobody waits for it.
    dropped?.then((old) => old.close(true)).catch(() => undefined);
  }

  async function send(topic: string, parts: readonly Waiting[]): Promise<void> {
    const messages = parts.flatMap((part) => part.messages.map((each) => toRecord(topic, each)));
    await breaker.run(async () => (await client()).send({ messages }));
  }

  function takeFrom(lane: Lane): Waiting[] {
    let bytes = 0;
    let count = 0;
    let taken = 0;
    for (const part of lane.queue) {
      bytes += part.bytes;
      count += part.messages.length;
      if (taken > 0 && (bytes > REQUEST_BYTES || count > REQUEST_MESSAGES)) break;
      taken += 1;
    }
    const parts = lane.queue.slice(0, taken);
    lane.queue = lane.queue.slice(taken);
    for (const part of parts) lane.bytes -= part.bytes;
    return parts;
  }

  async function write(topic: string, lane: Lane): Promise<void> {
    while (lane.queue.length > 0) {
      const parts = takeFrom(lane);
      try {
        await send(topic, parts);
        for (const part of parts) part.resolve();
      } catch (cause) {
        parts.push(...lane.queue);
        lane.queue = [];
        lane.bytes = 0;
        dropClient();
        const error = new EventLogError(
          'EVENT_LOG_AWAY',
          `messages to ${topic} could not be written, or their answer was lost`,
          { cause },
        );
        for (const part of parts) part.reject(error);
      } finally {
        for (const { bytes } of parts) waitingBytes -= bytes;
      }
    }
  }

  function begin(topic: string, lane: Lane): void {
    lane.timer?.cancel();
    lane.timer = null;
    lane.writing ??= write(topic, lane).finally(() => {
      lane.writing = null;
    });
  }

  function add(topic: string, messages: readonly NewMessage[], bytes: number): Promise<void> {
    let lane = lanes.get(topic);
    if (lane === undefined) {
      lane = { queue: [], bytes: 0, timer: null, writing: null };
      lanes.set(topic, lane);
    }
    const { queue } = lane;
    const added = new Promise<void>((resolve, reject) =>
      queue.push({ messages, bytes, resolve, reject }),
    );
    lane.bytes += bytes;
    waitingBytes += bytes;
    const own = lane;
    if (lane.bytes >= FULL_BYTES) begin(topic, lane);
    else if (lane.writing === null && lane.timer === null) {
      lane.timer = clock.after(lingerMs(topic), () => begin(topic, own));
    }
    return added;
  }

  return {
    async append(topic, messages) {
      checkMessages(topic, messages);
      if (closed) throw new EventLogError('EVENT_LOG_AWAY', 'the event log is closed');
      const parts = inParts(messages);
      const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
      if (waitingBytes + bytes > EVENT_LOG_LIMITS.waitingBytes) {
        throw new EventLogError(
          'EVENT_LOG_FULL',
          `${waitingBytes} bytes wait to be written; come again when they are`,
        );
      }
      await Promise.all(parts.map((part) => add(topic, part.messages, part.bytes)));
    },
    async close() {
      closed = true;
      for (const [topic, lane] of lanes) {
        if (lane.queue.length > 0) begin(topic, lane);
      }
      await Promise.all([...lanes.values()].map(({ writing }) => writing));
      const open = producer;
      producer = null;
      await (await open)?.close(true);
    },
  };
}

/** In order, each small enough for one request. */
function inParts(messages: readonly NewMessage[]): { messages: NewMessage[]; bytes: number }[] {
  const parts: { messages: NewMessage[]; bytes: number }[] = [];
  for (const message of messages) {
    const bytes = messageBytes(message);
    const last = parts.at(-1);
    if (
      last === undefined ||
      last.bytes + bytes > REQUEST_BYTES ||
      last.messages.length >= REQUEST_MESSAGES
    ) {
      parts.push({ messages: [message], bytes });
    } else {
      last.messages.push(message);
      last.bytes += bytes;
    }
  }
  return parts;
}

function toRecord(
  topic: string,
  { tenant, key, value, headers, partition }: NewMessage,
): MessageToProduce<Buffer, Buffer, Buffer, Buffer> {
  const entries = Object.entries({ ...headers, [TENANT_HEADER]: tenant });
  return {
    topic,
    ...(partition === undefined ? {} : { partition }),
    key: Buffer.from(`${tenant}:${key}`),
    value: Buffer.from(value),
    headers: new Map(entries.map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
  };
}
