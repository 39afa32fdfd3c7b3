import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPostgresEventLog } from '#adapters/postgres/event-log.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import type { EventLog } from '#ports/event-log.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import type { LogAddress } from './process.ts';

/** With times that let a test see a dead reader replaced within seconds. */
export function openEventLog(address: LogAddress): EventLog {
  const clock = createSystemClock();
  const log = createSilentLog();
  if (address.kind === 'kafka') {
    const { brokers } = address;
    return createKafkaEventLog(
      { brokers: async () => brokers, login: null, clientId: 'test' },
      { clock, log, metrics: NO_METRICS, times: { sessionMs: 6_000, rebalanceMs: 10_000 } },
    );
  }
  const pool = createPool({ url: address.url, role: 'cloudflow_relay', max: 4, name: 'test', log });
  const made = createPostgresEventLog({
    pool,
    codec: createPlainCodec(),
    partitions: createPartitions(pool),
    clock,
    log,
    times: { leaseMs: 3_000, pollMs: 20 },
  });
  return {
    ...made,
    async close() {
      await made.close();
      await pool.end();
    },
  };
}
