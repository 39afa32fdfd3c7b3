import { createHotWorkflows } from '#adapters/postgres/hot-workflows.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import { readEnv } from '#config/env.ts';
import { type Warmed, warmCaches } from '#services/caches/warm.ts';
import { openCache } from '../shared/cache.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { openPlatformKeys } from '../shared/platform-keys.ts';
import { createBasics } from '../shared/process.ts';
import { within } from '../shared/within.ts';

const CONNECT_MS = 10_000;

const env = readEnv('warm-caches', process.env);
const basics = createBasics('warm-caches', env);
const keys = await openPlatformKeys(basics, env.CURSOR_KEY_SECRET);
const { cache, connected } = openCache(basics, env, keys);
const open = openPools(basics, env);
const hot = createHotWorkflows(open('cloudflow_relay', 1));
const store = createPostgresWorkflowStore({ ...basics, pool: open('cloudflow_app', 8) });

/** Writes into the cache what is started most. */
export const handler = invoked(
  { ...basics, fresh: () => keys.fresh() },
  async (): Promise<Warmed> => {
    const late = () => new Error(`the cache is not there after ${CONNECT_MS} ms`);
    await within(basics.clock, CONNECT_MS, connected(), late);
    const warmed = await warmCaches({ hot, store, cache, clock: basics.clock });
    basics.log.info('CACHES_WARMED', { ...warmed });
    return warmed;
  },
);
