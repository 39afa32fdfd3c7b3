import { randomBytes, randomUUID } from 'node:crypto';
import { KafkaClient } from '@aws-sdk/client-kafka';
import { guarded } from '#adapters/aws/guarded.ts';
import type { KafkaAccess } from '#adapters/kafka/connection.ts';
import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { createMskLogin } from '#adapters/kafka/msk-login.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPostgresEventLog } from '#adapters/postgres/event-log.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { CONSUMERS, type ConsumerName } from '#config/consumers.ts';
import { METRICS } from '#config/metrics.ts';
import { KAFKA_LIMITS } from '#config/triggers.ts';
import { openCache } from '#functions/shared/cache.ts';
import { createConsumers, NO_MAIL } from '#functions/shared/consumers.ts';
import { NO_CACHE } from '#ports/cache.ts';
import { type Metrics, NO_METRICS } from '#ports/metrics.ts';
import { NO_TRACER } from '#ports/tracer.ts';
import { replay } from '#services/events/replay.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { CliError } from '../cli-error.ts';
import type { Terminal } from '../output/terminal.ts';
import { count } from '../output/text.ts';
import { readStack } from '../session.ts';

export interface ReplayOptions {
  /** RFC 3339, or `earliest`. */
  readonly from: string;
}

/**
 * `cloudflow replay`: hands the events of a topic from a time on to one reader again, beside those who read it
 * anyway. The database is the one of DATABASE_URL, which is not an option because it holds a password; else
 * the local stack's. Events come from Kafka where `kafkaFor` finds one, else from the database.
 */
export async function replayTopic(
  terminal: Terminal,
  dataDir: string,
  reader: ConsumerName,
  options: ReplayOptions,
): Promise<boolean> {
  const from = options.from === 'earliest' ? 0 : Date.parse(options.from);
  if (!Number.isFinite(from) || from < 0) {
    throw new CliError(
      'usage',
      'USAGE',
      `--from is '${options.from.slice(0, 64)}'; use earliest or an instant such as 2026-11-26T08:00:00.000Z`,
    );
  }
  const stack = readStack(dataDir);
  const url = process.env['DATABASE_URL'] ?? stack?.postgres_url;
  if (url === undefined) {
    throw new CliError(
      'usage',
      'NO_PLATFORM',
      'no database: start a local stack with `cloudflow dev`, or name one with DATABASE_URL',
    );
  }
  const { topic } = CONSUMERS[reader];
  const clock = createSystemClock();
  const log = createJsonLog({
    write: (line) => terminal.err(line),
    level: 'warn',
    time: () => new Date().toISOString(),
  });
  const codec = createPlainCodec();
  const pool = createPool({ url, role: 'cloudflow_relay', max: 4, name: 'cloudflow replay', log });
  const partitions = createPartitions(pool);
  const access = kafkaFor(process.env, stack?.kafka_brokers ?? '', { clock, metrics: NO_METRICS });
  let fresh = 0;
  const metrics: Metrics = {
    ...NO_METRICS,
    add(metric, _dimensions, value) {
      if (metric.name === METRICS.EventsHandled.name) fresh += value ?? 1;
    },
  };
  const redisUrl = process.env['REDIS_URL'] ?? stack?.redis_url ?? '';
  const opened =
    reader === 'cache-invalidation' && redisUrl !== ''
      ? openCache(
          { name: 'replay', clock, log, metrics },
          { STAGE: 'local', CACHE_URL: redisUrl, CACHE_AUTH: 'url' },
          // Nothing is sealed or opened here.
          oneKey(randomBytes(32)),
        )
      : null;
  const handle = createConsumers({
    pool,
    cache: opened?.cache ?? NO_CACHE,
    mail: NO_MAIL,
    codec,
    partitions,
    clock,
    ids: createIds(),
    log,
    metrics,
    // It is no part of what caused them, which may be long ago.
    tracer: NO_TRACER,
  })[reader];
  const events =
    access === null
      ? createPostgresEventLog({ pool, codec, partitions, clock, log })
      : createKafkaEventLog(access, { clock, log, metrics: NO_METRICS });
  const group = `replay-${randomUUID()}`;
  try {
    const { read, left } = await replay(
      { log: events, clock },
      { topic, group, from, most: KAFKA_LIMITS.batchSize },
      handle,
    );
    if (terminal.json) terminal.document({ reader, topic, read, new: fresh, complete: !left });
    else {
      terminal.out(
        `${count(read, 'event')} of ${topic} read again, ${fresh} of them new to ${reader}\n`,
      );
      if (left) terminal.out('a part of the platform is away, so it stopped there: run it again\n');
    }
    return !left;
  } finally {
    await events.close();
    await opened?.close();
    await pool.query('delete from outbox_offsets where consumer_group = $1', [group]);
    await pool.query('delete from outbox_leases where consumer_group = $1', [group]);
    await pool.end();
  }
}

const CLIENT_ID = 'cloudflow-replay';

/**
 * The cluster of MSK that KAFKA_CLUSTER_ARN names, with a token of IAM signed by the credentials at hand; else the
 * brokers of KAFKA_BROKERS or of the local stack, without either. Null: none is named.
 */
export function kafkaFor(
  env: Readonly<Record<string, string | undefined>>,
  ofStack: string,
  deps: Parameters<typeof guarded>[2],
): KafkaAccess | null {
  const clusterArn = env['KAFKA_CLUSTER_ARN'];
  if (clusterArn !== undefined && clusterArn !== '') {
    const client = guarded('brokers', new KafkaClient({ region: clusterArn.split(':')[3] }), deps);
    const login = createMskLogin({ client, clusterArn });
    return { brokers: () => login.brokers(), login, clientId: CLIENT_ID };
  }
  const brokers = env['KAFKA_BROKERS'] ?? ofStack;
  if (brokers === '') return null;
  return { brokers: async () => brokers.split(','), login: null, clientId: CLIENT_ID };
}
