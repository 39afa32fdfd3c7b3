import { Admin, ListOffsetTimestamps } from '@platformatic/kafka';
import { TOPICS, type TopicName } from '#config/topics.ts';
import type { Clock } from '#ports/clock.ts';
import { type EventLog, EventLogError, type LogSubscription } from '#ports/event-log.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import { checkMost } from '../event-log/messages.ts';
import { clientOptions, type KafkaAccess } from './connection.ts';
import { READER_TIMES, type ReaderTimes, readTopic } from './reader.ts';
import { createKafkaWriter } from './writer.ts';

/** The event log on Kafka; nothing is connected before it is used. */
export function createKafkaEventLog(
  access: KafkaAccess,
  deps: {
    readonly clock: Clock;
    readonly log: Log;
    readonly metrics: Metrics;
    /** Default: what topics of the registry say, 0 for others. */
    readonly lingerMs?: (topic: string) => number;
    readonly times?: ReaderTimes;
  },
): EventLog {
  const { clock, log, metrics, times = READER_TIMES, lingerMs = lingerOf } = deps;
  const writer = createKafkaWriter(access, { clock, metrics, lingerMs });
  const open = new Set<LogSubscription>();
  return {
    append: writer.append,

    subscribe(reader) {
      checkMost(reader.most);
      const reading = readTopic(access, reader, { clock, log, times });
      const subscription: LogSubscription = {
        async close() {
          await reading.close();
          open.delete(subscription);
        },
      };
      open.add(subscription);
      return subscription;
    },

    async seek(group, topic, at) {
      const admin = new Admin(await clientOptions(access));
      try {
        const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
        const count = topics.get(topic)?.partitionsCount ?? 0;
        const placesAt = async (timestamp: bigint) => {
          const partitions = Array.from({ length: count }, (_, i) => ({
            partitionIndex: i,
            timestamp,
          }));
          const listed = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
          return listed.flatMap((each) => each.partitions);
        };
        const wanted = await placesAt(at === 0 ? ListOffsetTimestamps.EARLIEST : BigInt(at));
        const ends = await placesAt(ListOffsetTimestamps.LATEST);
        const partitionOffsets = wanted.map(({ partitionIndex, offset }) => ({
          partition: partitionIndex,
          // None so late: what comes next.
          offset:
            offset >= 0n
              ? offset
              : (ends.find((end) => end.partitionIndex === partitionIndex)?.offset ?? 0n),
        }));
        await admin.alterConsumerGroupOffsets({
          groupId: group,
          topics: [{ name: topic, partitionOffsets }],
        });
      } catch (cause) {
        if (!isBusy(cause)) throw cause;
        throw new EventLogError(
          'GROUP_IS_READING',
          `${group} reads ${topic} at the moment; stop its readers first`,
          { cause },
        );
      } finally {
        await admin.close().catch(() => undefined);
      }
    },

    async close() {
      await Promise.all([...open].map((each) => each.close()));
      await writer.close();
    },
  };
}

function lingerOf(topic: string): number {
  return topic in TOPICS ? TOPICS[topic as TopicName].lingerMs : 0;
}

function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (
    'apiId' in error &&
    (error.apiId === 'NON_EMPTY_GROUP' || error.apiId === 'UNKNOWN_MEMBER_ID')
  ) {
    return true;
  }
  if ('errors' in error && Array.isArray(error.errors) && error.errors.some(isBusy)) return true;
  return error.cause !== undefined && isBusy(error.cause);
}
