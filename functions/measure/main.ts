import { watchBacklog } from '#adapters/postgres/backlog.ts';
import { watchEventBacklog } from '#adapters/postgres/event-backlog.ts';
import { watchHeldBacklog } from '#adapters/postgres/held-backlog.ts';
import { readersOfOutbox } from '#config/consumers.ts';
import { readEnv } from '#config/env.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('measure', process.env);
const basics = createBasics('measure', env);
const open = openPools(basics, env);
const engine = open('cloudflow_engine', 1);
const looks = [
  watchBacklog(basics.metrics, engine),
  watchHeldBacklog(basics.metrics, engine),
  watchEventBacklog(
    basics.metrics,
    open('cloudflow_relay', 1),
    readersOfOutbox({ kafka: env.KAFKA_CLUSTER_ARN !== '' }),
  ),
];

/** Measures what no program can see by itself: how much waits, and for how long. */
export const handler = invoked(basics, async () => {
  const now = basics.clock.now();
  await Promise.all(looks.map((look) => look(now)));
});
