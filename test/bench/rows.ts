/**
 * What the size of the log costs: statements of the API, and an execution, on a database that holds little and on one
 * that holds a lot, spread over the partitions of a year.
 *
 *   node test/bench/rows.ts [--rows 0,1000000,10000000] [--samples 2000] [--rounds 3]
 *
 * Rows are events of the log; each execution of 4 steps has ten of them, and its rows elsewhere besides. They are copies of
 * executions that the engine ran, under ids of their own.
 */
import { parseArgs } from 'node:util';
import pg from 'pg';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { migrate } from '#adapters/postgres/migrate.ts';
import { createPool, withTenant } from '#adapters/postgres/pool.ts';
import { chainOf, TENANT } from '#test/support/platform.ts';
import { cpuSecondsOf, describeMachine, untilQuiet } from './machine.ts';
import { type Ours, openOurs } from './ours.ts';
import { percentile } from './percentile.ts';
import { spreadOf } from './report.ts';
import { drive } from './shapes.ts';
import { startStores } from './stores.ts';

const { values: args } = parseArgs({
  options: {
    rows: { type: 'string', default: '0,1000000,10000000' },
    samples: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '3' },
    'quiet-seconds': { type: 'string', default: '40' },
  },
});
const SEEDS = 500;
const MONTHS = 12;
const MONTH_MS = 30 * 86_400_000;
const PAGE = 50;
/** Executions in one insert. */
const PART = 100_000;
const CLONED = [
  { table: 'workflow_executions', ids: ['id', 'root_id'] },
  { table: 'execution_events', ids: ['execution_id'] },
  { table: 'workflow_steps', ids: ['execution_id'] },
] as const;

const stores = await startStores({ max_wal_size: '16GB' });
try {
  console.log(`${describeMachine()}\n`);
  console.log('| rows of the log | what | p50 ms | p99 ms |\n|---|---|---|---|');
  const summaries: string[] = [];
  for (const rows of args.rows.split(',').map(Number)) summaries.push(await measure(rows));
  console.log(
    '\n| rows of the log | bytes an execution, with indexes | workflows/s, 100 in flight | p99 ms | CPU s per 1,000: Node + PostgreSQL |\n|---|---|---|---|---|',
  );
  for (const line of summaries) console.log(line);
} finally {
  await stores.close();
}

/** Prints the statements' lines; answers the one of an execution. */
async function measure(rows: number): Promise<string> {
  const url = await stores.createDatabase();
  await migrate(url);
  const ours = openOurs(url, chainOf(4));
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  const app = createPool({
    ...{ url, role: 'cloudflow_app', max: 4, name: 'bench', log: createSilentLog() },
  });
  try {
    await ours.platform.engine.start();
    await drive(ours, { kind: 'closed', count: SEEDS, inFlight: 50 });
    const bytes = rows === 0 ? null : await fill(admin, rows);
    await admin.query('vacuum (analyze)');
    await admin.query('checkpoint');
    await untilQuiet(Number(args['quiet-seconds']));
    for (const [what, times] of await statements(ours, admin, app)) {
      console.log(
        `| ${rows} | ${what} | ${percentile(times, 50).toFixed(2)} | ${percentile(times, 99).toFixed(2)} |`,
      );
    }
    const runs: { perSecond: number; p99: number; node: number; store: number }[] = [];
    for (let round = 0; round < Number(args.rounds); round++) {
      const node = process.cpuUsage();
      const store = cpuSecondsOf(stores.postgres.pid);
      const begun = performance.now();
      const count = 4_000;
      const latencies = await drive(ours, { kind: 'closed', count, inFlight: 100 });
      const used = process.cpuUsage(node);
      runs.push({
        perSecond: count / ((performance.now() - begun) / 1_000),
        p99: percentile(latencies, 99),
        node: ((used.user + used.system) / 1e6 / count) * 1_000,
        store: ((cpuSecondsOf(stores.postgres.pid) - store) / count) * 1_000,
      });
    }
    const of = (read: (one: (typeof runs)[number]) => number) => spreadOf(runs.map(read)).median;
    return `| ${rows} | ${bytes ?? '-'} | ${Math.round(of((one) => one.perSecond))} | ${of((one) => one.p99).toFixed(1)} | ${of((one) => one.node).toFixed(2)} + ${of((one) => one.store).toFixed(2)} |`;
  } finally {
    await ours.platform.close();
    await app.end();
    await admin.end();
    await stores.dropDatabase(url);
  }
}

/** Answers how many bytes an execution takes in its tables. */
async function fill(admin: pg.Client, rows: number): Promise<number> {
  const { rows: counted } = await admin.query<{ events: number; executions: number }>(
    `select (select count(*)::float8 from execution_events) as events,
            (select count(*)::float8 from workflow_executions) as executions`,
  );
  const { events, executions } = counted[0] as { events: number; executions: number };
  const copies = Math.ceil(rows / events);
  const until = Date.now() - 86_400_000;
  await admin.query("select ensure_partitions(to_timestamp($1), now() + interval '1 day')", [
    (until - MONTHS * MONTH_MS) / 1_000,
  ]);
  await admin.query(`
    create function pg_temp.v7(ms bigint) returns uuid language sql volatile as $$
      select encode(set_byte(r, 6, (get_byte(r, 6) & 15) | 112), 'hex')::uuid
      from (select overlay(uuid_send(gen_random_uuid()) placing substring(int8send(ms) from 3) from 1 for 6) as r) x
    $$`);
  const before = await sizeOf(admin);
  const perPart = Math.max(1, Math.floor(PART / executions));
  for (let done = 0; done < copies; done += perPart) {
    const most = Math.min(perPart, copies - done);
    await admin.query('begin');
    await admin.query(
      `create temp table copied on commit drop as
       select e.id as source, pg_temp.v7(($1::float8 + (($2::float8 - $1) * (n + random()) / $3))::bigint) as target
       from workflow_executions e, generate_series($4::int, $5::int - 1) as n
       where e.workflow_id = 'chain' and e.id in (select id from workflow_executions order by id desc limit $6)`,
      [until - MONTHS * MONTH_MS, until, copies, done, done + most, executions],
    );
    await admin.query('create index on copied (source)');
    for (const { table, ids } of CLONED) {
      const columns = await columnsOf(admin, table);
      const values = columns.map((name) =>
        (ids as readonly string[]).includes(name) ? 'c.target' : `t.${name}`,
      );
      await admin.query(
        `insert into ${table} (${columns.join(', ')})
         select ${values.join(', ')} from copied c join ${table} t on t.${ids[0]} = c.source`,
      );
    }
    await admin.query('commit');
  }
  return Math.round(((await sizeOf(admin)) - before) / (copies * executions));
}

async function columnsOf(admin: pg.Client, table: string): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `select column_name as name from information_schema.columns
     where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER' and is_identity = 'NO'
     order by ordinal_position`,
    [table],
  );
  return rows.map(({ name }) => name);
}

async function sizeOf(admin: pg.Client): Promise<number> {
  const { rows } = await admin.query<{ bytes: number }>(
    `select coalesce(sum(pg_total_relation_size(i.inhrelid)), 0)::float8 as bytes
     from pg_inherits i where i.inhparent::regclass::text = any($1)`,
    [CLONED.map(({ table }) => table)],
  );
  return rows[0]?.bytes ?? 0;
}

/** Milliseconds of each call, one after the other, as the API makes them. */
async function statements(
  { platform }: Ours,
  admin: pg.Client,
  app: pg.Pool,
): Promise<readonly (readonly [string, readonly number[]])[]> {
  const samples = Number(args.samples);
  const { rows } = await admin.query<{ id: string }>(
    `select id from workflow_executions where outcome is not null order by md5(id::text) limit 1000`,
  );
  const some = (): string => rows[Math.floor(Math.random() * rows.length)]?.id ?? '';
  const { access, request } = platform;
  const program = chainOf(4);
  const time = async (times: number, work: () => Promise<unknown>): Promise<number[]> => {
    const taken: number[] = [];
    for (let i = 0; i < times; i++) {
      const begun = performance.now();
      await work();
      taken.push(performance.now() - begun);
    }
    return taken;
  };
  const oneRow = () =>
    withTenant(app, TENANT, (client) =>
      client.query({
        name: 'bench_one_row',
        text: 'select status from workflow_executions where tenant_id = $1 and id = $2',
        values: [TENANT, some()],
      }),
    );
  const page = () =>
    access.listExecutions(TENANT, { workflowId: 'chain' }, { limit: PAGE, after: some() });
  // Of the other runtime, whose driver is not here: what is measured is the statement and nothing behind it.
  const accepted = () => request(program, { runtime: 'step_functions' });
  const waiting = accepted();
  await access.accept(waiting);
  return [
    ['one row, by its key, in a transaction of its tenant', await time(samples, oneRow)],
    [
      'an execution, joined with its first event',
      await time(samples, () => access.getExecution(TENANT, some())),
    ],
    [
      'all events of an execution, to be folded',
      await time(samples, () => access.loadExecution(TENANT, some(), true)),
    ],
    [`a page of ${PAGE} executions of a workflow, from anywhere`, await time(samples, page)],
    [
      'accept one: three rows, in a transaction of its tenant',
      await time(samples, () => access.accept(accepted())),
    ],
    [
      'accept a hundred at once',
      await time(Math.ceil(samples / 20), () =>
        Promise.all(Array.from({ length: 100 }, () => access.accept(accepted()))),
      ),
    ],
    [
      'a signal: one row, and an update of another',
      await time(samples, () =>
        access.signal(TENANT, waiting.id, { kind: 'cancel' } as never, Date.now()),
      ),
    ],
  ];
}
