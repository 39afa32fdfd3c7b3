/**
 * The load that every contender gets, and what is written down about it. A contender is a process of
 * its own: it reads its task from the environment and prints one JSON line per measured shape.
 *
 *  closed  a number of workflows is kept in flight; latency runs from submit to end
 *  open    submitted as fast as 64 submitters get them accepted, then drained; latency includes the
 *          backlog, so throughput is compared here and latency in `closed`
 *
 * What is alone is `closed` with one in flight.
 */
import pg from 'pg';
import { busySeconds, cpuSecondsOf, durableWriteMs, untilQuiet } from './machine.ts';
import { percentile } from './percentile.ts';

export interface Shape {
  readonly kind: 'closed' | 'open';
  readonly count: number;
  readonly inFlight: number;
}

export interface Task {
  readonly contender: string;
  readonly steps: number;
  readonly shapes: readonly Shape[];
  readonly warmUp: number;
  /** A database of its own, as superuser. */
  readonly postgresUrl: string;
  readonly postgresPid: number;
  readonly redis: { readonly port: number; readonly pid: number } | null;
  /** Scratch space on the disk that holds the stores. */
  readonly directory: string;
  readonly quietSeconds: number;
  /** How often a shape is repeated when others disturbed it. */
  readonly repeats: number;
}

export interface Measured {
  readonly contender: string;
  readonly shape: string;
  readonly steps: number;
  readonly count: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU seconds per 1,000 workflows. */
  readonly nodeCpu: number;
  readonly storeCpu: number;
  /** Written to Postgres' log per workflow; null where the store is another. */
  readonly walBytes: number | null;
  /** Cores that neither the contender nor its store used. */
  readonly outside: number;
  readonly durableWriteMs: number;
  readonly rssMiB: number;
  /** What lives after a collection; null where the process may not collect (--expose-gc). */
  readonly heapMiB: number | null;
}

export interface Contender {
  /** Resolves when it is durably accepted, with what resolves when its end is. */
  readonly submit: () => Promise<{ readonly ended: Promise<unknown> }>;
  readonly storePid: number | null;
}

const DISTURBED_CORES = 0.3;

export function readTask(): Task {
  return JSON.parse(process.env['BENCH_TASK'] ?? 'null') as Task;
}

export const shapeName = ({ kind, count, inFlight }: Shape): string =>
  kind === 'open' ? `open ${count}` : `closed ${count}, ${inFlight} in flight`;

/** The work of a peer's step: next to nothing, so that what is measured is the machinery around it. */
export const trivialStep = async (step: number, input: { total?: number } | undefined) => ({
  step,
  ok: true,
  total: (input?.total ?? 0) + step,
});

/** Who waits for which workflow's end. */
export class Endings {
  private readonly waiting = new Map<string, () => void>();

  expect(id: string): Promise<void> {
    return new Promise((resolve) => this.waiting.set(id, resolve));
  }

  reached(id: string): void {
    this.waiting.get(id)?.();
    this.waiting.delete(id);
  }
}

let made = 0;
/** Names a workflow; unique in the contender's database, which is its own. */
export const nextId = (): string => `w${made++}`;

export async function drive(
  { submit }: Pick<Contender, 'submit'>,
  { kind, count, inFlight }: Shape,
): Promise<number[]> {
  const latencies: number[] = [];
  const ends: Promise<unknown>[] = [];
  let left = count;
  const submitter = async (): Promise<void> => {
    while (left-- > 0) {
      const from = performance.now();
      const { ended } = await submit();
      const counted = ended.then(() => latencies.push(performance.now() - from));
      if (kind === 'open') ends.push(counted);
      else await counted;
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, submitter));
  await Promise.all(ends);
  return latencies;
}

export async function measureAll(task: Task, contender: Contender): Promise<void> {
  const warmUp: Shape = { kind: 'closed', count: task.warmUp, inFlight: 50 };
  if (task.warmUp > 0) await drive(contender, warmUp);
  for (const shape of task.shapes) {
    // Of a shape that was repeated the least disturbed one counts, never the fastest.
    let kept: Measured | null = null;
    for (let i = 0; i <= task.repeats; i++) {
      const measured = await measure(task, contender, shape);
      if (kept === null || measured.outside < kept.outside) kept = measured;
      if (kept.outside <= DISTURBED_CORES) break;
    }
    process.stdout.write(`${JSON.stringify(kept)}\n`);
  }
}

async function measure(task: Task, contender: Contender, shape: Shape): Promise<Measured> {
  await untilQuiet(task.quietSeconds);
  const { storePid } = contender;
  const inPostgres = storePid === task.postgresPid;
  const writeMs = durableWriteMs(task.directory);
  const wal = inPostgres ? await walPosition(task) : 0;
  const machine = busySeconds();
  const store = cpuSecondsOf(storePid);
  const node = process.cpuUsage();
  const from = performance.now();
  const latencies = await drive(contender, shape);
  const seconds = (performance.now() - from) / 1_000;
  const used = process.cpuUsage(node);
  const nodeSeconds = (used.user + used.system) / 1e6;
  const storeSeconds = cpuSecondsOf(storePid) - store;
  const busy = busySeconds() - machine;
  return {
    contender: task.contender,
    shape: shapeName(shape),
    steps: task.steps,
    count: shape.count,
    perSecond: shape.count / seconds,
    p50: percentile(latencies, 50),
    p99: percentile(latencies, 99),
    nodeCpu: (nodeSeconds / shape.count) * 1_000,
    storeCpu: (storeSeconds / shape.count) * 1_000,
    walBytes: inPostgres ? ((await walPosition(task)) - wal) / shape.count : null,
    outside: Math.max(0, (busy - nodeSeconds - storeSeconds) / seconds),
    durableWriteMs: writeMs,
    ...memory(),
  };
}

function memory(): { readonly rssMiB: number; readonly heapMiB: number | null } {
  const rssMiB = process.memoryUsage.rss() / 2 ** 20;
  if (globalThis.gc === undefined) return { rssMiB, heapMiB: null };
  globalThis.gc();
  return { rssMiB, heapMiB: process.memoryUsage().heapUsed / 2 ** 20 };
}

async function walPosition(task: Task): Promise<number> {
  const client = new pg.Client({ connectionString: task.postgresUrl });
  await client.connect();
  const { rows } = await client.query<{ at: number }>(
    `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as at`,
  );
  await client.end();
  return rows[0]?.at ?? 0;
}
