import { watchBacklog } from '#adapters/postgres/backlog.ts';
import { readEnv } from '#config/env.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('measure', process.env);
const basics = createBasics('measure', env);
const look = watchBacklog(basics.metrics, openPools(basics, env)('cloudflow_engine', 1));

/** Measures what no program can see by itself: how much waits, and for how long. */
export const handler = invoked(basics, () => look(basics.clock.now()));
