/**
 * Durable workflows through the accept path and the engine, on a PostgreSQL of our own with fsync on:
 * row-level security, projections and the outbox are on, and every step's result is recorded before
 * the next starts. The steps themselves do nothing, so that what is measured is the engine.
 *
 *   node test/bench/engine.ts [--steps 4] [--closed 2000] [--in-flight 100] [--open 10000]
 *                             [--single 200] [--rounds 1] [--no-bare] [--json]
 */
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { migrate } from '#adapters/postgres/migrate.ts';
import type { Program } from '#core/plan/program.ts';
import { startEmbeddedPostgres } from '#local/embedded-postgres.ts';
import { chainOf, createTestPlatform, type TestPlatform } from '#test/support/platform.ts';
import { measureBareLoop } from './bare-loop.ts';

const { values: args } = parseArgs({
  options: {
    steps: { type: 'string', default: '4' },
    closed: { type: 'string', default: '2000' },
    'in-flight': { type: 'string', default: '100' },
    open: { type: 'string', default: '10000' },
    single: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '1' },
    'no-bare': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** Where the server's time goes, by statement. */
    statements: { type: 'boolean', default: false },
  },
});

const WARM_UP = 300;
const SUBMITTERS = 64;

export interface Measured {
  readonly shape: string;
  readonly count: number;
  readonly perSecond: number;
  /** The quickest twentieth: what is left of a busy machine's noise. */
  readonly p5: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU seconds per 1,000 workflows. */
  readonly nodeCpu: number;
  readonly postgresCpu: number;
  /** Of this process at the end, in MB. */
  readonly rss: number;
}

const directory = await mkdtemp(join(tmpdir(), 'cloudflow-bench-'));
await chmod(directory, 0o755);
const server = await startEmbeddedPostgres({
  directory,
  settings: {
    shared_buffers: '512MB',
    ...(args.statements
      ? { shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.track': 'all' }
      : {}),
  },
});
const results: Measured[] = [];
try {
  for (let round = 0; round < Number(args.rounds); round++) {
    if (Number(args.single) > 0) await fresh((p, w) => single(p, w, Number(args.single)));
    if (Number(args.closed) > 0) {
      await fresh((p, w) => closed(p, w, Number(args.closed), Number(args['in-flight'])));
    }
    if (Number(args.open) > 0) await fresh((p, w) => open(p, w, Number(args.open)));
    if (!args['no-bare']) {
      const database = await createDatabase();
      await report('bare loop, same rows', Number(args.open), (latencies) =>
        measureBareLoop(server.urlOf(database), Number(args.open), Number(args.steps), latencies),
      );
    }
  }
} finally {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}
if (args.json) process.stdout.write(`${JSON.stringify(results)}\n`);

async function createDatabase(): Promise<string> {
  const name = `bench_${process.hrtime.bigint()}`;
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  await migrate(server.urlOf(name));
  return name;
}

/** A platform on a database of its own, warmed up. */
async function fresh(shape: (platform: Waiting, program: Program) => Promise<void>): Promise<void> {
  const database = await createDatabase();
  const program = chainOf(Number(args.steps));
  const waiting = createWaiting(server.urlOf(database), program);
  await waiting.platform.engine.start();
  await Promise.all(Array.from({ length: WARM_UP }, () => waiting.run(program)));
  await shape(waiting, program);
  await waiting.platform.close();
  if (args.statements) await printStatements(database);
}

interface Waiting {
  readonly platform: TestPlatform;
  /** Resolves when it is accepted, with what resolves when its end is durable. */
  submit(program: Program): Promise<{ readonly ended: Promise<void> }>;
  /** Accepts one execution and resolves when its end is durable. */
  run(program: Program): Promise<void>;
}

function createWaiting(url: string, program: Program): Waiting {
  const ends = new Map<string, () => void>();
  const platform = createTestPlatform({
    url,
    programs: [program],
    performer: {
      call: async ({ attempt }) => ({
        ok: true,
        output: { attempt, ok: true },
        compensation: null,
      }),
      compensate: async () => ({ ok: true }),
    },
    decorateStore: (store) => ({
      ...store,
      async append(request) {
        const answer = await store.append(request);
        if (request.execution?.endedAt != null) {
          ends.get(request.executionId)?.();
          ends.delete(request.executionId);
        }
        return answer;
      },
    }),
  });
  async function submit(one: Program): Promise<{ readonly ended: Promise<void> }> {
    const request = platform.request(one, { input: { key: 'value', n: 1 } });
    const ended = new Promise<void>((resolve) => ends.set(request.id, resolve));
    await platform.access.accept(request);
    return { ended };
  }
  return {
    platform,
    submit,
    async run(one) {
      await (await submit(one)).ended;
    },
  };
}

async function single({ run }: Waiting, program: Program, count: number): Promise<void> {
  await report('single', count, async (latencies) => {
    for (let i = 0; i < count; i++) await timed(latencies, () => run(program));
  });
}

async function closed(
  { run }: Waiting,
  program: Program,
  count: number,
  inFlight: number,
): Promise<void> {
  await report(`closed, ${inFlight} in flight`, count, async (latencies) => {
    let left = count;
    const worker = async (): Promise<void> => {
      while (left-- > 0) await timed(latencies, () => run(program));
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
  });
}

/** Submitted as fast as the accept path takes them by 64 submitters, then drained. */
async function open({ submit }: Waiting, program: Program, count: number): Promise<void> {
  await report('open', count, async (latencies) => {
    let left = count;
    const ends: Promise<void>[] = [];
    const submitter = async (): Promise<void> => {
      while (left-- > 0) {
        const from = performance.now();
        const { ended } = await submit(program);
        ends.push(ended.then(() => void latencies.push(performance.now() - from)));
      }
    };
    await Promise.all(Array.from({ length: SUBMITTERS }, submitter));
    await Promise.all(ends);
  });
}

async function timed(latencies: number[], work: () => Promise<unknown>): Promise<void> {
  const from = performance.now();
  await work();
  latencies.push(performance.now() - from);
}

async function report(
  shape: string,
  count: number,
  work: (latencies: number[]) => Promise<void>,
): Promise<void> {
  const latencies: number[] = [];
  const node = process.cpuUsage();
  const postgres = await postgresCpuSeconds();
  const from = performance.now();
  await work(latencies);
  const seconds = (performance.now() - from) / 1_000;
  const used = process.cpuUsage(node);
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => latencies[Math.floor(latencies.length * q)] ?? Number.NaN;
  const measured: Measured = {
    shape,
    count,
    perSecond: count / seconds,
    p5: at(0.05),
    p50: at(0.5),
    p99: at(0.99),
    nodeCpu: ((used.user + used.system) / 1e6 / count) * 1_000,
    postgresCpu: (((await postgresCpuSeconds()) - postgres) / count) * 1_000,
    rss: process.memoryUsage().rss / 2 ** 20,
  };
  results.push(measured);
  if (!args.json) {
    const n = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
    process.stdout.write(
      `${shape.padEnd(24)} ${String(count).padStart(6)} wf  ${n(measured.perSecond).padStart(6)} wf/s  p5 ${n(measured.p5)}  p50 ${n(measured.p50)}  p99 ${n(measured.p99)} ms  CPU/1000: node ${n(measured.nodeCpu)} s, postgres ${n(measured.postgresCpu)} s  RSS ${n(measured.rss)} MB\n`,
    );
  }
}

async function printStatements(database: string): Promise<void> {
  const client = new pg.Client({ connectionString: server.urlOf(database) });
  await client.connect();
  await client.query('create extension if not exists pg_stat_statements');
  const { rows } = await client.query<{ ms: number; calls: string; rows: string; query: string }>(
    `select round(total_exec_time)::float8 as ms, calls, rows,
            left(regexp_replace(query, '\\s+', ' ', 'g'), 90) as query
     from pg_stat_statements s join pg_database d on d.oid = s.dbid
     where d.datname = current_database() order by total_exec_time desc limit 16`,
  );
  for (const row of rows) {
    process.stdout.write(`  ${row.ms} ms  ${row.calls} calls  ${row.rows} rows  ${row.query}\n`);
  }
  await client.query('select pg_stat_statements_reset()');
  await client.end();
}

/** User and system time of the server's processes, also of those that ended. */
async function postgresCpuSeconds(): Promise<number> {
  let ticks = 0;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(entry) === server.pid) {
      for (const i of [11, 12, 13, 14]) ticks += Number(fields[i]);
    } else if (Number(fields[1]) === server.pid) {
      ticks += Number(fields[11]) + Number(fields[12]);
    }
  }
  return ticks / 100;
}
