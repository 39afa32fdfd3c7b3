import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createDeadLetterBox } from '#adapters/postgres/dead-letters.ts';
import { createPostgresEventLog } from '#adapters/postgres/event-log.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { startRelay } from '#services/events/relay.ts';

export interface RelayOptions {
  readonly url: string;
  readonly brokers: readonly string[];
  readonly topics: readonly string[];
}

/** A relay as the platform wires it, with a lease that a test can wait for. */
export function openRelay({ url, brokers, topics }: RelayOptions): { close(): Promise<void> } {
  const clock = createSystemClock();
  const log = createSilentLog();
  const codec = createPlainCodec();
  const pool = createPool({ url, role: 'cloudflow_relay', max: 4, name: 'test', log });
  const partitions = createPartitions(pool);
  const times = { leaseMs: 2_000, pollMs: 10 };
  const from = createPostgresEventLog({ pool, codec, partitions, clock, log, times });
  const to = createKafkaEventLog(
    { brokers: async () => brokers, login: null, clientId: 'relay' },
    { clock, log, metrics: NO_METRICS },
  );
  const deadLetters = createDeadLetterBox({ pool, codec, partitions, ids: createIds() });
  const relay = startRelay({ from, to, topics, deadLetters, clock, log, metrics: NO_METRICS });
  return {
    async close() {
      await relay.close();
      await from.close();
      await to.close();
      await pool.end();
    },
  };
}

// Run as a process: relays until it is killed.
if (process.argv[2] !== undefined && process.send !== undefined) {
  openRelay(JSON.parse(process.argv[2]) as RelayOptions);
  process.send('relaying');
}
