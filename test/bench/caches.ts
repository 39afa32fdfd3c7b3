/**
 * What is kept besides, and what it is kept from: commands of a real Redis through our own adapter, a trace
 * replayed against it, and single statements of a real PostgreSQL with fsync on. Never a test.
 *
 *   npm run bench:caches
 *   npm run bench:caches -- --only redis,trace,postgres --rounds 3 --quiet-seconds 60 --json
 *
 * Calls are made one after the other but for those of «many at a time», where 256 wait for their answers on
 * one connection, as one process of ours has it.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { migrate } from '#adapters/postgres/migrate.ts';
import { createOutboxPublisher } from '#adapters/postgres/outbox-publisher.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool, withTenant } from '#adapters/postgres/pool.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import { connectRedis, type Redis } from '#adapters/redis/connect.ts';
import { createValueSeal } from '#adapters/redis/seal-values.ts';
import { createSharedValues } from '#adapters/redis/shared-values.ts';
import { CACHES } from '#config/caches.ts';
import { checkWorkflow } from '#core/check-workflow.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { DAYS_TRACE, replayTrace } from '#test/support/cache-trace.ts';
import { describeMachine } from './machine.ts';
import { startRedis, startStores } from './stores.ts';
import { report, type Timed, timed } from './timed.ts';

const { values: args } = parseArgs({
  options: {
    only: { type: 'string', default: 'redis,trace,postgres' },
    rounds: { type: 'string', default: '3' },
    'quiet-seconds': { type: 'string', default: '40' },
    /** Shrinks every count, to try the bench itself. */
    scale: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const chosen = args.only.split(',');
const scaled = (count: number): number => Math.max(10, Math.round(count * Number(args.scale)));
const measure = (count: number, call: (i: number) => Promise<unknown>): Promise<Timed> =>
  timed(scaled(count), call, Number(args['quiet-seconds']));
const say = (text: string): void => void process.stdout.write(text);

const TENANT = '0199c1aa-0000-7000-8000-000000000001';
const CALLS = 20_000;
const AT_A_TIME = 256;
const NAMES = 1_000;
const VALUE = JSON.stringify({ value: randomBytes(3_000).toString('base64') });

async function commands(redis: Redis): Promise<Record<string, Timed>> {
  const key = (i: number) => `bench:${i % NAMES}`;
  const kind = CACHES['workflow-version'];
  const name = (i: number) => ({ tenant: TENANT, parts: ['live', `w${i % NAMES}`, '1', '1.0.0'] });
  const values = createSharedValues({
    redis,
    seal: createValueSeal(oneKey(randomBytes(32))),
    random: () => 0.5,
  });
  const latest = CACHES.workflow;
  const found: Record<string, Timed> = {};
  const set = (i: number) => redis.send(key(i), ['SET', key(i), VALUE, 'PX', '3600000']);
  const get = (i: number) => redis.send(key(i), ['GET', key(i)]);
  found['SET of 4 kB'] = await measure(CALLS, set);
  found['GET of 4 kB'] = await measure(CALLS, get);
  found['UNLINK of one key'] = await measure(CALLS, (i) => redis.send(key(i), ['UNLINK', key(i)]));
  for (let i = 0; i < NAMES; i++) await set(i);
  const together = await measure(CALLS / AT_A_TIME, (n) =>
    Promise.all(Array.from({ length: AT_A_TIME }, (_, i) => get(n * AT_A_TIME + i))),
  );
  found[`GET of 4 kB, ${AT_A_TIME} at a time (each)`] = {
    ...together,
    cpu: together.cpu / AT_A_TIME,
    perSecond: together.perSecond * AT_A_TIME,
  };
  found['a sealed value put'] = await measure(CALLS, (i) =>
    values.put(kind, name(i), { revision: null, text: VALUE }),
  );
  found['a sealed value read'] = await measure(CALLS, (i) => values.get(kind, name(i)));
  found['a value with a revision put'] = await measure(CALLS, (i) =>
    values.put(latest, name(i), { revision: i, text: VALUE }),
  );
  found['a value with a revision forgotten'] = await measure(CALLS, (i) =>
    values.forget(latest, name(i), CALLS + i),
  );
  return found;
}

async function trace(redis: Redis): Promise<void> {
  const scaledTrace = { ...DAYS_TRACE, reads: scaled(DAYS_TRACE.reads) };
  const { reads, workflows, exponent, processes, seconds } = scaledTrace;
  say(
    `\n${reads} reads of ${workflows} workflows (Zipf ${exponent}) by ${processes} processes in ${seconds} s\n\n` +
      '| kind | found without the database % | in the process % | calls to Redis | of those without what processes hold % | s |\n|---|---|---|---|---|---|\n',
  );
  for (const kind of ['workflow-version', 'workflow'] as const) {
    const made: Record<string, { hits: number; own: number; calls: number; s: number }> = {};
    for (const own of [true, false]) {
      await redis.send('flush', ['FLUSHALL']);
      const values = createSharedValues({
        redis,
        seal: createValueSeal(oneKey(randomBytes(32))),
        random: () => 0.5,
      });
      const begun = performance.now();
      const { from } = await replayTrace(scaledTrace, kind, () => values, own);
      const all = from.process + from.shared + from.source;
      made[String(own)] = {
        hits: (100 * (from.process + from.shared)) / all,
        own: (100 * from.process) / all,
        // One to ask, and one more to keep what was not there.
        calls: from.shared + 2 * from.source,
        s: (performance.now() - begun) / 1_000,
      };
    }
    const [held, not] = [made['true'], made['false']];
    if (held === undefined || not === undefined) throw new TypeError('a trace was not replayed');
    const cells = [held.hits.toFixed(1), held.own.toFixed(1), String(held.calls)];
    say(
      `| ${kind} | ${[...cells, ((100 * held.calls) / not.calls).toFixed(0), held.s.toFixed(1)].join(' | ')} |\n`,
    );
  }
}

async function statements(url: string): Promise<Record<string, Timed>> {
  const log = createSilentLog();
  const clock = createSystemClock();
  const [codec, ids] = [createPlainCodec(), createIds()];
  const pool = createPool({ url, role: 'cloudflow_app', max: 4, name: 'bench', log });
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  await owner.query(`insert into tenants (id, name, created_at) values ($1, 'bench', now())`, [
    TENANT,
  ]);
  const store = createPostgresWorkflowStore({ pool, codec, ids });
  const partitions = createPartitions(pool);
  const outbox = createOutboxPublisher({ pool, codec, partitions, clock });
  try {
    const definition = {
      workflow_id: 'w',
      version: '1.0.0',
      steps: [{ id: 's', type: 'transform', config: { value: { hello: 'world' } } }],
    };
    const checked = checkWorkflow(definition);
    if (!checked.ok) throw new TypeError('the bench’s own definition is none');
    for (let i = 0; i < NAMES; i++) {
      await store.storeVersion({
        ...{ tenant: TENANT, mode: 'live', workflowId: `w${i}`, version: '1.0.0' },
        ...{ definition, definitionHash: 'x'.repeat(64), program: checked.program },
        ...{
          warnings: [],
          report: {},
          createdBy: 'bench',
          now: clock.now(),
          expectedRevision: null,
        },
        runtime: { choice: 'auto', auto: 'engine', reason: 'bench', stepFunctionsProblems: [] },
      });
    }
    await owner.query('analyze');
    const found: Record<string, Timed> = {};
    found['SELECT by key (a workflow)'] = await measure(CALLS / 4, (i) =>
      store.find(TENANT, 'live', `w${i % NAMES}`),
    );
    found['JOIN (50 workflows and their gates)'] = await measure(CALLS / 10, () =>
      store.list(TENANT, 'live', {}, { limit: 50, after: null }),
    );
    found['INSERT (a message, with its memory)'] = await measure(CALLS / 20, (i) =>
      outbox.publish({
        ...{ tenant: TENANT, mode: 'live', topic: 'notifications.email', key: `k${i}` },
        ...{ id: ids.next(clock.now()), payload: { n: i } },
      }),
    );
    found['UPDATE (a pause, in a transaction of five statements)'] = await measure(
      CALLS / 20,
      (i) =>
        store.setPause(TENANT, 'live', 'w1', {
          pause: i % 2 === 0 ? { at: clock.now(), by: 'bench', reason: null } : null,
          ...{ revision: null, now: clock.now() },
        }),
    );
    found['100 rows inserted by one statement'] = await measure(CALLS / 100, (n) =>
      withTenant(pool, TENANT, (client) =>
        client.query(
          `insert into outbox (tenant_id, topic, key, at, payload)
           select $1, 'notifications.email', k, now(), $3 from unnest($2::text[]) as u (k)`,
          [TENANT, Array.from({ length: 100 }, (_, i) => `${n}-${i}`), codec.encode({}, TENANT)],
        ),
      ),
    );
    return found;
  } finally {
    await pool.end();
    await owner.end();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'cloudflow-bench-'));
const server = await startRedis(folder, { durable: false });
if (server === null) throw new Error('there is no redis-server on the path');
const redis = connectRedis(
  {
    ...{ url: `redis://127.0.0.1:${server.port}`, cluster: false, login: null, name: 'bench' },
    answerMs: 20_000,
  },
  { log: createSilentLog(), metrics: NO_METRICS, deadlines: createRealDeadlines() },
);
const stores = chosen.includes('postgres') ? await startStores() : null;
try {
  await redis.connected();
  const rounds: Record<string, Timed>[] = [];
  for (let i = 0; i < Number(args.rounds); i++) {
    const round: Record<string, Timed> = {};
    if (chosen.includes('redis')) Object.assign(round, await commands(redis));
    if (stores !== null) {
      const url = await stores.createDatabase();
      await migrate(url);
      Object.assign(round, await statements(url));
      await stores.dropDatabase(url);
    }
    rounds.push(round);
    process.stderr.write(`round ${i + 1} of ${args.rounds}\n`);
  }
  if (Object.keys(rounds[0] ?? {}).length > 0) say(report(rounds, args.json));
  else say(`${describeMachine()}\n`);
  if (chosen.includes('trace')) await trace(redis);
} finally {
  await redis.close();
  await server.close();
  await stores?.close();
  rmSync(folder, { recursive: true, force: true });
}
