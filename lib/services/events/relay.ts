/**
 * From the outbox to the topics of Kafka: the relay reads the log in the database as one more group, and
 * writes what it reads to the other log before it commits its place.
 *
 *  R1 nothing is lost: a place is committed when the brokers have the messages, so a crash in between
 *     writes some of them twice, and readers know events by their id;
 *  R2 messages of one key keep their order, for a topic has one relay at a time and one request under way;
 *  R3 topics wait for nobody but themselves, and within a topic a request goes to all its partitions at once.
 */

import { RELAY_GROUP } from '#config/consumers.ts';
import { METRICS } from '#config/metrics.ts';
import { parseEvent } from '#core/events/parse.ts';
import type { Clock } from '#ports/clock.ts';
import {
  EVENT_LOG_LIMITS,
  type EventLog,
  EventLogError,
  type LogBatch,
  type LogMessage,
  type NewMessage,
} from '#ports/event-log.ts';
import type { Log } from '#ports/log.ts';
import { type LayAsideDeps, layAside } from './lay-aside.ts';

export interface RelayDeps extends LayAsideDeps {
  /** The log in the database. */
  readonly from: EventLog;
  readonly to: EventLog;
  readonly topics: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Relays until it is closed; resolves then when what is under way is written and committed. */
export function startRelay(deps: RelayDeps): { close(): Promise<void> } {
  const subscriptions = deps.topics.map((topic) =>
    deps.from.subscribe({
      group: RELAY_GROUP,
      topic,
      most: EVENT_LOG_LIMITS.batch,
      handle: (batch) => relay(deps, batch),
    }),
  );
  return {
    async close() {
      await Promise.all(subscriptions.map((each) => each.close()));
    },
  };
}

async function relay(deps: RelayDeps, batch: LogBatch): Promise<number> {
  const { topic, messages } = batch;
  try {
    await write(deps, topic, messages);
    return messages.length;
  } catch (error) {
    if (!isTooLarge(error)) throw error;
  }
  // One of them is more than brokers take. Nothing of it would ever go, nor anything behind it.
  for (const [i, message] of messages.entries()) {
    try {
      await write(deps, topic, [message]);
    } catch (error) {
      if (!isTooLarge(error)) {
        if (i > 0) return i;
        throw error;
      }
      await giveUp(deps, batch, message, error);
    }
  }
  return messages.length;
}

async function write(
  { to, metrics }: RelayDeps,
  topic: string,
  messages: readonly LogMessage[],
): Promise<void> {
  await to.append(topic, messages.map(toNew));
  metrics.add(METRICS.EventsRelayed, { Topic: topic }, messages.length);
}

function toNew({ tenant, key, value, headers }: LogMessage): NewMessage {
  // Rows of the outbox name a tenant, always.
  return { tenant: tenant as string, key, value, headers };
}

function isTooLarge(error: unknown): boolean {
  return error instanceof EventLogError && error.code === 'MESSAGE_TOO_LARGE';
}

async function giveUp(
  deps: RelayDeps,
  batch: LogBatch,
  message: LogMessage,
  error: unknown,
): Promise<void> {
  await layAside(deps, batch, {
    ...{ group: RELAY_GROUP, critical: true, message, parsed: parseEvent(message.value) },
    // Sent again, it would be as large.
    ...{ error, attempts: 1, again: false },
  });
  deps.log.error('EVENT_NOT_RELAYED', { topic: batch.topic, error });
}
