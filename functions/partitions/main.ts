import { makePartitions } from '#adapters/postgres/partitions.ts';
import { letGo, type Upkeep } from '#adapters/postgres/upkeep.ts';
import { readersOfOutbox } from '#config/consumers.ts';
import { readEnv } from '#config/env.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('partitions', process.env);
const basics = createBasics('partitions', env);
const open = openPools(basics, env);
const readers = readersOfOutbox({ kafka: env.KAFKA_CLUSTER_ARN !== '' });
const pools = { engine: open('cloudflow_engine', 1), relay: open('cloudflow_relay', 1) };

/** Makes partitions months ahead, and lets go of rows that nothing can ask for any more. */
export const handler = invoked(basics, async (): Promise<Upkeep & { readonly made: number }> => {
  const now = basics.clock.now();
  const made = await makePartitions(pools.engine, now);
  const gone = await letGo({ ...basics, relay: pools.relay, readers }, now);
  basics.log.info('UPKEEP_DONE', { count: made });
  return { made, ...gone };
});
