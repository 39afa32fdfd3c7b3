/**
 * How long executions are nobody's when their engine is killed or ends in order, and what many at once
 * cost one process. Leases and polls are those that are deployed; PostgreSQL is durable.
 *
 *   node test/bench/take-over.ts [--executions 500] [--rounds 3] [--many 8000] [--json]
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { migrate } from '#adapters/postgres/migrate.ts';
import { DEFAULT_LIMITS } from '#engine/deps.ts';
import { chainOf, createTestPlatform, programOf } from '#test/support/platform.ts';
import { startEngineProcess, startLedger } from '#test/support/processes.ts';
import { percentile } from './percentile.ts';
import { startStores } from './stores.ts';

const { values: args } = parseArgs({
  options: {
    executions: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '3' },
    many: { type: 'string', default: '8000' },
    json: { type: 'boolean', default: false },
  },
});
const EXECUTIONS = Number(args.executions);
const MANY = Number(args.many);
const LOOK_MS = 10;
const GIVE_UP_MS = 120_000;
const { leaseMs, heartbeatMs } = DEFAULT_LIMITS;

const stores = await startStores();

/** Milliseconds until each of the executions that `before` had is somebody else's, or has ended. */
async function watch(database: pg.Client, before: string, begun: number): Promise<number[]> {
  const waited: number[] = [];
  for (let had = EXECUTIONS; performance.now() - begun < GIVE_UP_MS; ) {
    const { rows } = await database.query<{ n: number }>(
      `select count(*)::integer as n from workflow_executions
       where outcome is null and (owner is null or owner = $1)`,
      [before],
    );
    const left = Math.min(had, rows[0]?.n ?? 0);
    const ms = performance.now() - begun;
    for (; had > left; had--) waited.push(ms);
    if (had === 0) return waited;
    await pause(LOOK_MS);
  }
  throw new Error(`after ${GIVE_UP_MS} ms some executions are nobody's still`);
}

async function onNewDatabase<T>(act: (url: string, database: pg.Client) => Promise<T>): Promise<T> {
  const url = await stores.createDatabase();
  await migrate(url);
  const database = new pg.Client({ connectionString: url });
  await database.connect();
  try {
    return await act(url, database);
  } finally {
    await database.end();
    await stores.dropDatabase(url);
  }
}

async function ownerOf(database: pg.Client): Promise<string> {
  for (let i = 0; i < 3_000; i++) {
    const { rows } = await database.query<{ owner: string }>(
      `select owner from workflow_executions where owner is not null and status = 'RUNNING'
       group by owner having count(*) = $1`,
      [EXECUTIONS],
    );
    if (rows[0] !== undefined) return rows[0].owner;
    await pause(20);
  }
  throw new Error('the first engine did not get all executions to run');
}

/** Each execution has a call under way that is never answered. */
function killed(): Promise<number[]> {
  return onNewDatabase(async (url, database) => {
    const ledger = await startLedger(() => new Promise(() => undefined));
    const options = { url, ledger: ledger.url, program: chainOf(2), leaseMs, heartbeatMs };
    const first = await startEngineProcess({ ...options, blind: false });
    first.accept(EXECUTIONS);
    const owner = await ownerOf(database);
    const second = await startEngineProcess({ ...options, blind: false });
    // Somewhere between two heartbeats.
    await pause(Math.random() * heartbeatMs);
    const begun = performance.now();
    await first.kill();
    const waited = await watch(database, owner, begun);
    await second.kill();
    await ledger.close();
    return waited;
  });
}

/** Each execution is in memory, between two steps: a timer is due soon. */
function handedOver(): Promise<number[]> {
  return onNewDatabase(async (url, database) => {
    const program = programOf({
      workflow_id: 'naps',
      version: '1.0.0',
      steps: [{ id: 'nap', type: 'wait', config: { duration: '60s' } }],
    });
    const performer = {
      call: () => Promise.reject(new Error('no calls')),
      compensate: async () => ({ ok: true }) as const,
    };
    // Parked executions are nobody's, and there is nothing to hand over.
    const limits = { parkBeyondMs: 120_000 };
    const start = () => createTestPlatform({ url, programs: [program], performer, limits });
    const first = start();
    await first.engine.start();
    const requests = Array.from({ length: EXECUTIONS }, () => first.request(program));
    await Promise.all(requests.map((request) => first.access.accept(request)));
    const owner = await ownerOf(database);
    const second = start();
    await second.engine.start();
    const begun = performance.now();
    const [waited] = await Promise.all([watch(database, owner, begun), first.engine.stop()]);
    await first.close();
    await second.close();
    return waited;
  });
}

/** So many with a call under way, all in one process. */
function many() {
  return onNewDatabase(async (url, database) => {
    const program = chainOf(2);
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let running = 0;
    const platform = createTestPlatform({
      url,
      programs: [program],
      limits: { slots: () => ({ perKind: MANY, perTenant: MANY }) },
      performer: {
        async call() {
          running += 1;
          await gate;
          return { ok: true, output: { done: true }, compensation: null };
        },
        compensate: async () => ({ ok: true }),
      },
    });
    await platform.engine.start();
    global.gc?.();
    const before = process.memoryUsage().rss;
    const lag = monitorEventLoopDelay({ resolution: 5 });
    lag.enable();
    const begun = performance.now();
    for (let at = 0; at < MANY; at += 200) {
      const part = Array.from({ length: Math.min(200, MANY - at) }, () =>
        platform.request(program),
      );
      await Promise.all(part.map((request) => platform.access.accept(request)));
    }
    while (running < MANY) await pause(LOOK_MS);
    const started = performance.now() - begun;
    const busy = lagOf(lag);
    lag.reset();
    await pause(5_000);
    const idle = lagOf(lag);
    const concurrent = platform.engine.stats.callsRunning;
    const rss = process.memoryUsage().rss;
    lag.reset();
    const released = performance.now();
    open();
    for (let left = MANY; left > 0; ) {
      const { rows } = await database.query<{ n: number }>(
        `select count(*)::integer as n from workflow_executions where outcome is null`,
      );
      left = rows[0]?.n ?? 0;
      await pause(50);
    }
    const ended = performance.now() - released;
    const ending = lagOf(lag);
    await platform.close();
    return {
      concurrent,
      started_ms: Math.round(started),
      ended_ms: Math.round(ended),
      kib_each: Math.round((rss - before) / 1_024 / MANY),
      rss_mib: Math.round(rss / 1_048_576),
      lag_p99_ms: { starting: busy, waiting: idle, ending },
    };
  });
}

function lagOf(lag: ReturnType<typeof monitorEventLoopDelay>): number {
  return Math.round(lag.percentile(99) / 1e5) / 10;
}

const summary = (waited: readonly number[]) => ({
  executions: waited.length,
  p50_ms: Math.round(percentile(waited, 50)),
  p99_ms: Math.round(percentile(waited, 99)),
});

const kills: number[] = [];
const hands: number[] = [];
for (let round = 0; round < Number(args.rounds); round++) {
  kills.push(...(await killed()));
  hands.push(...(await handedOver()));
}
const result = { killed: summary(kills), handed_over: summary(hands), many: await many() };
await stores.close();
if (args.json) process.stdout.write(`${JSON.stringify(result)}\n`);
else console.dir(result, { depth: null });
