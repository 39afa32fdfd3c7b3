import type { Pool } from 'pg';
import type { KafkaAccess } from '#adapters/kafka/connection.ts';
import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { createKafkaRequests } from '#adapters/kafka/requests.ts';
import { reconcileTopics } from '#adapters/kafka/topics.ts';
import { createCommandedSignals } from '#adapters/postgres/commanded-signals.ts';
import { createDeadLetterBox } from '#adapters/postgres/dead-letters.ts';
import { watchEventBacklog } from '#adapters/postgres/event-backlog.ts';
import { createPostgresEventLog, POSTGRES_LOG_TIMES } from '#adapters/postgres/event-log.ts';
import { createMailTries } from '#adapters/postgres/mail-tries.ts';
import type { OutboxGroup } from '#adapters/postgres/outbox.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { readersOfOutbox } from '#config/consumers.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import { relayedTopics, TOPICS, topicNames } from '#config/topics.ts';
import { createConsumers } from '#functions/shared/consumers.ts';
import { subscribeReaders } from '#functions/shared/readers.ts';
import { RELAY_POLL_MS } from '#functions/shared/relay.ts';
import type { Cache } from '#ports/cache.ts';
import type { Clock } from '#ports/clock.ts';
import type { EngineControl } from '#ports/engine-control.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Mailer } from '#ports/mail.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import type { Tracer } from '#ports/tracer.ts';
import { createEngineControl } from '#services/events/ask-engines.ts';
import { startRelay } from '#services/events/relay.ts';
import { createMailSender } from '#services/notifications/send-mail.ts';

/** A laptop's brokers have no use for the partitions of production. */
const MOST_PARTITIONS = 12;
const MOST_COPIES = 3;
/** Real milliseconds between looks for brokers that were away when the platform started. */
const BROKERS_LOOK_MS = 2_000;

export interface LocalEvents {
  /** Who reads the outbox, and what of it. */
  readonly reads: readonly OutboxGroup[];
  /** Looks how much waits, for the metrics. */
  look(now: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * The readers of events, which are functions of their own where the platform is deployed. They read the log
 * in the database, or Kafka where brokers are named; the outbox is then relayed there.
 */
export async function startEvents(deps: {
  /** Role `cloudflow_relay`. */
  readonly pool: Pool;
  readonly brokers: readonly string[] | null;
  readonly codec: PayloadCodec;
  /** What has changed is forgotten in. */
  readonly cache: Cache;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  /** Where mail goes, which nobody delivers here. */
  readonly mailer: Mailer;
  readonly publicUrl: () => string;
}): Promise<LocalEvents> {
  const { pool, brokers, codec, clock, log, metrics } = deps;
  const partitions = createPartitions(pool);
  const pollMs = brokers === null ? POSTGRES_LOG_TIMES.pollMs : RELAY_POLL_MS;
  const outbox = createPostgresEventLog({
    pool,
    codec,
    partitions,
    clock,
    log,
    times: { ...POSTGRES_LOG_TIMES, pollMs },
  });
  const kafka =
    brokers === null ? null : createKafkaEventLog(kafkaAccess(brokers), { clock, log, metrics });
  const mail = createMailSender({ ...deps, tries: createMailTries(pool) });
  const consumers = createConsumers({ ...deps, mail, partitions });
  let relay: { close(): Promise<void> } | null = null;
  const begin = (): void => {
    if (kafka !== null) {
      relay = startRelay({
        from: outbox,
        to: kafka,
        topics: relayedTopics,
        deadLetters: createDeadLetterBox({ ...deps, partitions }),
        clock,
        log,
        metrics,
      });
    }
    subscribeReaders(kafka ?? outbox, consumers);
  };
  // Whoever wrote to a topic before it is as it must be would find its keys elsewhere afterwards.
  const stopLooking = await onceTopicsAre(brokers, deps, begin);
  const reads = readersOfOutbox({ kafka: kafka !== null });
  return {
    reads,
    look: watchEventBacklog(metrics, pool, reads),
    async close() {
      await stopLooking();
      await relay?.close();
      await kafka?.close();
      await outbox.close();
    },
  };
}

/** A laptop's brokers ask nobody who they are. */
export function kafkaAccess(brokers: readonly string[]): KafkaAccess {
  return { brokers: async () => brokers, login: null, clientId: 'cloudflow' };
}

/**
 * Begins once the topics are as they must be: at once where the brokers answer, and later where they are away,
 * for all that is acknowledged meanwhile waits in the outbox. Answers how to stop waiting for them. Throws where
 * brokers have topics that cannot become what they must be.
 */
async function onceTopicsAre(
  brokers: readonly string[] | null,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  begin: () => void,
): Promise<() => Promise<void>> {
  const done = async (): Promise<void> => undefined;
  if (brokers !== null) {
    try {
      await makeTopics(brokers, log);
    } catch (error) {
      if (error instanceof TypeError) throw error;
      log.error('EVENT_LOG_AWAY', { error });
      return lookAgain(brokers, { clock, log }, begin);
    }
  }
  begin();
  return done;
}

/** Resolves what it answers when the look under way has ended. */
function lookAgain(
  brokers: readonly string[],
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  begin: () => void,
): () => Promise<void> {
  let closed = false;
  let timer: { cancel(): void } | null = null;
  let turn: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    try {
      await makeTopics(brokers, log);
    } catch (error) {
      log.warn('EVENT_LOG_AWAY', { error });
      if (!closed) wait();
      return;
    }
    // Outside of what is tried again: nobody reads twice.
    if (!closed) begin();
  };
  const wait = (): void => {
    timer = clock.after(BROKERS_LOOK_MS, () => {
      turn = look();
    });
  };
  wait();
  return async () => {
    closed = true;
    timer?.cancel();
    await turn;
  };
}

async function makeTopics(brokers: readonly string[], log: Log): Promise<void> {
  const factor = Math.min(MOST_COPIES, brokers.length);
  const { made, grown, changed } = await reconcileTopics(
    kafkaAccess(brokers),
    topicNames.map((name) => ({
      name,
      partitions: Math.min(TOPICS[name].partitions, MOST_PARTITIONS),
      retentionDays: TOPICS[name].retentionDays,
    })),
    { factor, minInSync: Math.max(1, factor - 1) },
  );
  if (made.length + grown.length + changed.length > 0) {
    log.info('TOPICS_RECONCILED', { applied: [...made, ...grown, ...changed] });
  }
}

/** Asks engines in other processes over Kafka; nothing is connected before the first question. */
export function openEngineControl(
  brokers: readonly string[],
  deps: {
    /** Role `cloudflow_app`. */
    readonly pool: Pool;
    readonly codec: PayloadCodec;
    readonly hints: RuntimeHints;
    readonly clock: Clock;
    readonly ids: Ids;
    readonly log: Log;
    readonly metrics: Metrics;
    readonly onStop: (undo: () => Promise<void>) => void;
  },
): EngineControl {
  const requests = createKafkaRequests(kafkaAccess(brokers), {
    ...deps,
    random: Math.random,
    timeoutMs: TIME_LIMITS.reply,
  });
  deps.onStop(() => requests.close());
  return createEngineControl({ ...deps, requests, signals: createCommandedSignals(deps) });
}
