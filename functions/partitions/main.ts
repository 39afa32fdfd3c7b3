import { makePartitions } from '#adapters/postgres/partitions.ts';
import { type Purged, purgeExpired } from '#adapters/postgres/purge.ts';
import { readEnv } from '#config/env.ts';
import { openPools } from '../shared/database.ts';
import { createBasics } from '../shared/process.ts';

const basics = createBasics('partitions');
const open = openPools(basics, readEnv('partitions', process.env));
const pools = { engine: open('cloudflow_engine', 1), relay: open('cloudflow_relay', 1) };

/** Makes partitions months ahead, and deletes rows that nothing can ask for any more. */
export async function handler(): Promise<{ readonly made: number; readonly purged: Purged }> {
  const now = basics.clock.now();
  const made = await makePartitions(pools.engine, now);
  const purged = await purgeExpired(pools.relay, now);
  basics.log.info('partitions made, expired rows deleted', { made, ...purged });
  return { made, purged };
}
