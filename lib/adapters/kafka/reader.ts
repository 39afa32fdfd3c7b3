import { Consumer, type Message, type MessagesStream } from '@platformatic/kafka';
import type { Clock } from '#ports/clock.ts';
import type { LogMessage, LogReader, LogSubscription } from '#ports/event-log.ts';
import type { Log } from '#ports/log.ts';
import { conduct, createPauses, type Pauses } from '../event-log/conduct.ts';
import { clientOptions, type KafkaAccess } from './connection.ts';
import { TENANT_HEADER } from './writer.ts';

export interface ReaderTimes {
  /** A reader that says nothing for so long is taken for dead. */
  readonly sessionMs: number;
  /** How long members of a group may take to come together. */
  readonly rebalanceMs: number;
}

export const READER_TIMES: ReaderTimes = { sessionMs: 30_000, rebalanceMs: 60_000 };

const WAIT_MS = 250;
const AGAIN_MS = 500;
const MOST_AGAIN_MS = 10_000;

type Stream = MessagesStream<Buffer, Buffer, Buffer, Buffer>;
type Record = Message<Buffer, Buffer, Buffer, Buffer>;

/** Answers that say that the group is being divided anew: what was handled comes again. */
const DIVIDING: ReadonlySet<string> = new Set([
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
]);

/** Reads one topic for one group until it is closed; a broker that is away is tried again. */
export function readTopic(
  access: KafkaAccess,
  reader: LogReader,
  deps: { readonly clock: Clock; readonly log: Log; readonly times: ReaderTimes },
): LogSubscription {
  const { clock, log } = deps;
  const { group, topic } = reader;
  const pauses = createPauses(clock);

  async function run(): Promise<void> {
    for (let failures = 0; !pauses.closed; ) {
      const began = clock.monotonic();
      try {
        await readWhileGood(access, reader, deps, pauses);
      } catch (error) {
        if (pauses.closed) return;
        log.warn('EVENT_LOG_AWAY', { group, topic, error });
        failures = clock.monotonic() - began > MOST_AGAIN_MS ? 0 : failures + 1;
        await pauses.wait(Math.min(MOST_AGAIN_MS, AGAIN_MS * 2 ** Math.min(failures, 10)));
      }
    }
  }

  const running = run();
  return {
    close() {
      pauses.close();
      return running;
    },
  };
}

async function readWhileGood(
  access: KafkaAccess,
  reader: LogReader,
  { log, times }: { readonly log: Log; readonly times: ReaderTimes },
  pauses: Pauses,
): Promise<void> {
  const { group, topic, most } = reader;
  const consumer = new Consumer({
    ...(await clientOptions(access)),
    groupId: group,
    sessionTimeout: times.sessionMs,
    rebalanceTimeout: times.rebalanceMs,
    heartbeatInterval: Math.floor(times.sessionMs / 5),
    autocommit: false,
    maxWaitTime: WAIT_MS,
    highWaterMark: most,
  });
  // Told to whoever waits for its answer; nobody else has to hear of it.
  consumer.on('error', () => undefined);
  try {
    const stream = await consumer.consume({
      topics: [topic],
      mode: 'committed',
      fallbackMode: 'earliest',
    });
    const source = sourceOf(stream, pauses);
    while (!pauses.closed) {
      const records = await source.take(most);
      const owned = new Set(consumer.assignments?.find((each) => each.topic === topic)?.partitions);
      const byPartition = Map.groupBy(records, ({ partition }) => partition);
      await Promise.all(
        [...byPartition].map(([partition, own]) => {
          const places = new Map(own.map((record) => [String(record.offset), record]));
          const ours = (): boolean =>
            consumer.assignments
              ?.find((each) => each.topic === topic)
              ?.partitions.includes(partition) === true;
          // What lay here when the partition went to another is the other's.
          if (!owned.has(partition)) return undefined;
          return conduct(
            reader,
            { topic, partition, messages: own.map(toMessage) },
            {
              pauses,
              log,
              ours,
              async commit(last) {
                const { offset, leaderEpoch } = places.get(last.offset) as Record;
                try {
                  await consumer.commit({
                    offsets: [{ topic, partition, offset: offset + 1n, leaderEpoch }],
                  });
                } catch (error) {
                  if (!isDividing(error)) throw error;
                }
              },
            },
          );
        }),
      );
    }
  } finally {
    // It may not close while its brokers are away; what it had is taken over then.
    await Promise.race([consumer.close(true), pauseOf(CLOSE_MS)]).catch(() => undefined);
  }
}

const CLOSE_MS = 5_000;
function pauseOf(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** Takes what is there, waiting for the first; throws what ended the stream. */
function sourceOf(stream: Stream, pauses: Pauses): { take(most: number): Promise<Record[]> } {
  let failed: Error | null = null;
  let wake: (() => void) | null = null;
  const told = (): void => wake?.();
  stream.on('readable', told);
  stream.on('end', told);
  stream.on('close', told);
  stream.on('error', (error: Error) => {
    failed = error;
    told();
  });
  return {
    async take(most) {
      for (;;) {
        const records: Record[] = [];
        while (records.length < most) {
          const record = stream.read() as Record | null;
          if (record === null) break;
          records.push(record);
        }
        if (records.length > 0 || pauses.closed) return records;
        if (failed !== null) throw failed;
        if (stream.destroyed || stream.readableEnded) throw new Error('the stream has ended');
        await Promise.race([
          new Promise<void>((resolve) => {
            wake = resolve;
          }),
          pauses.wait(WAIT_MS),
        ]);
      }
    },
  };
}

function isDividing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('apiId' in error && DIVIDING.has(String(error.apiId))) return true;
  if ('errors' in error && Array.isArray(error.errors) && error.errors.some(isDividing))
    return true;
  return error.cause !== undefined && isDividing(error.cause);
}

function toMessage({ key, value, headers, offset, timestamp }: Record): LogMessage {
  const texts: { [name: string]: string } = {};
  let tenant: string | null = null;
  for (const [name, text] of headers) {
    if (name.toString() === TENANT_HEADER) tenant = text.toString();
    else texts[name.toString()] = text.toString();
  }
  const whole = key?.toString() ?? '';
  const prefix = `${tenant}:`;
  return {
    tenant,
    key: tenant !== null && whole.startsWith(prefix) ? whole.slice(prefix.length) : whole,
    value: value?.toString() ?? '',
    headers: texts,
    offset: String(offset),
    at: Number(timestamp),
  };
}
