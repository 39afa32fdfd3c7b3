/**
 * How the engine grows with processes, with parallel branches, and with steps that need nobody.
 *
 *   node test/bench/scale.ts [--only processes,branches,zero-work] [--processes 1,2,4] [--count 8000] [--rounds 3]
 *
 *  processes  so many engines, each in a process of its own with its own accept path, on one database, 100
 *             executions of 4 steps in flight in each: all begin at one word, and the last end counts
 *  branches   1 to 10 steps of 20 ms side by side: one after the other they would take 20 ms each
 *  zero-work  20 `transform` steps in a chain, 500 executions in flight
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { migrate } from '#adapters/postgres/migrate.ts';
import { programOf } from '#test/support/platform.ts';
import { busySeconds, cpuSecondsOf, describeMachine, untilQuiet } from './machine.ts';
import { IDLE, openOurs } from './ours.ts';
import { percentile } from './percentile.ts';
import { spreadOf } from './report.ts';
import type { Part } from './scale-engine.ts';
import { drive } from './shapes.ts';
import { startStores } from './stores.ts';

const { values: args } = parseArgs({
  options: {
    only: { type: 'string', default: 'processes,branches,zero-work' },
    processes: { type: 'string', default: '1,2,4' },
    count: { type: 'string', default: '8000' },
    rounds: { type: 'string', default: '3' },
    'quiet-seconds': { type: 'string', default: '40' },
  },
});
const rounds = Number(args.rounds);
const WARM_UP = 300;
const BRANCH_MS = 20;
const ENGINE = fileURLToPath(new URL('./scale-engine.ts', import.meta.url));

await measure();

async function measure(): Promise<void> {
  const stores = await startStores();
  const chosen = args.only.split(',');
  console.log(`${describeMachine()}\n`);
  try {
    if (chosen.includes('processes')) await measureProcesses();
    if (chosen.includes('branches')) await measureBranches();
    if (chosen.includes('zero-work')) await measureZeroWork();
  } finally {
    await stores.close();
  }

  async function onNewDatabase<T>(act: (url: string) => Promise<T>): Promise<T> {
    const url = await stores.createDatabase();
    await migrate(url);
    try {
      await untilQuiet(Number(args['quiet-seconds']));
      return await act(url);
    } finally {
      await stores.dropDatabase(url);
    }
  }

  async function measureProcesses(): Promise<void> {
    const counts = args.processes.split(',').map(Number);
    const seen = new Map(counts.map((count) => [count, [] as Scaled[]]));
    for (let round = 0; round < rounds; round++) {
      // Every other round backwards: nobody always follows the same one.
      for (const count of round % 2 === 0 ? counts : counts.toReversed()) {
        seen.get(count)?.push(await onNewDatabase((url) => together(url, count)));
      }
    }
    console.log(
      '| processes | workflows/s (spread) | of one process | p50 ms | p99 ms | CPU s per 1,000: Node + PostgreSQL | cores busy | outside cores |\n|---|---|---|---|---|---|---|---|',
    );
    const alone = seen.get(counts[0] ?? 1) ?? [];
    for (const [count, all] of seen) {
      const of = (read: (one: Scaled) => number) => spreadOf(all.map(read));
      const speed = of(({ perSecond }) => perSecond);
      const ratio = spreadOf(
        all.map((one, i) => one.perSecond / (alone[i]?.perSecond ?? Number.NaN)),
      );
      console.log(
        `| ${[
          count,
          `${Math.round(speed.median)} (${Math.round(speed.min)}-${Math.round(speed.max)})`,
          ratio.median.toFixed(2),
          of(({ p50 }) => p50).median.toFixed(1),
          of(({ p99 }) => p99).median.toFixed(1),
          `${of(({ node }) => node).median.toFixed(2)} + ${of(({ postgres }) => postgres).median.toFixed(2)}`,
          of(({ busy }) => busy).median.toFixed(2),
          of(({ outside }) => outside).median.toFixed(2),
        ].join(' | ')} |`,
      );
    }
  }

  async function together(url: string, count: number): Promise<Scaled> {
    const total = Number(args.count);
    const children: ChildProcess[] = Array.from({ length: count }, () =>
      fork(ENGINE, {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    );
    const heard = () => Promise.all(children.map((child) => once(child, 'message')));
    const tell = (message: object | string) => {
      for (const child of children) child.send(message);
    };
    const ready = heard();
    tell({ url, count: Math.ceil(total / count) } satisfies Part);
    await ready;
    const before = {
      machine: busySeconds(),
      store: cpuSecondsOf(stores.postgres.pid),
      node: nodeSeconds(children),
    };
    const begun = performance.now();
    const done = heard();
    tell('go');
    const latencies = (await done).flatMap(
      ([message]) => (message as { latencies: number[] }).latencies,
    );
    const seconds = (performance.now() - begun) / 1_000;
    const store = cpuSecondsOf(stores.postgres.pid) - before.store;
    const node = nodeSeconds(children) - before.node;
    const busy = busySeconds() - before.machine;
    const ended = Promise.all(children.map((child) => once(child, 'exit')));
    tell('end');
    await ended;
    return {
      perSecond: latencies.length / seconds,
      p50: percentile(latencies, 50),
      p99: percentile(latencies, 99),
      node: (node / latencies.length) * 1_000,
      postgres: (store / latencies.length) * 1_000,
      busy: busy / seconds,
      outside: Math.max(0, (busy - node - store) / seconds),
    };
  }

  async function measureBranches(): Promise<void> {
    console.log(
      `\n| branches of ${BRANCH_MS} ms side by side | p50 ms | p99 ms | one after the other | gain |\n|---|---|---|---|---|`,
    );
    for (let branches = 1; branches <= 10; branches++) {
      const program = programOf({
        workflow_id: 'branches',
        version: '1.0.0',
        steps: Array.from({ length: branches }, (_, i) => ({
          id: `branch-${i + 1}`,
          type: 'http_request',
          config: { url: 'https://example.com/', method: 'POST' },
        })),
      });
      const latencies = await onNewDatabase(async (url) => {
        const { platform, submit } = openOurs(url, program, {
          ...IDLE,
          async call(call) {
            await pause(BRANCH_MS);
            return IDLE.call(call);
          },
        });
        await platform.engine.start();
        await drive({ submit }, { kind: 'closed', count: 50, inFlight: 10 });
        const taken = await drive({ submit }, { kind: 'closed', count: 100, inFlight: 1 });
        await platform.close();
        return taken;
      });
      const p50 = percentile(latencies, 50);
      const serial = branches * BRANCH_MS;
      console.log(
        `| ${branches} | ${p50.toFixed(1)} | ${percentile(latencies, 99).toFixed(1)} | ${serial} | ${(serial / p50).toFixed(2)} |`,
      );
    }
  }

  async function measureZeroWork(): Promise<void> {
    const program = programOf({
      workflow_id: 'zero-work',
      version: '1.0.0',
      steps: Array.from({ length: 20 }, (_, i) => ({
        id: `step-${i + 1}`,
        type: 'transform',
        depends_on: i === 0 ? [] : [`step-${i}`],
        config: { value: { done: i + 1 } },
      })),
    });
    console.log(
      '\n| 20 steps, executions in flight | workflows/s | p50 ms | p99 ms |\n|---|---|---|---|',
    );
    for (const inFlight of [1, 100, 500]) {
      const found: { perSecond: number; p50: number; p99: number }[] = [];
      for (let round = 0; round < rounds; round++) {
        found.push(
          await onNewDatabase(async (url) => {
            const { platform, submit } = openOurs(url, program);
            await platform.engine.start();
            await drive({ submit }, { kind: 'closed', count: WARM_UP, inFlight: 50 });
            const count = inFlight === 1 ? 200 : 5_000;
            const begun = performance.now();
            const latencies = await drive({ submit }, { kind: 'closed', count, inFlight });
            const perSecond = count / ((performance.now() - begun) / 1_000);
            await platform.close();
            return { perSecond, p50: percentile(latencies, 50), p99: percentile(latencies, 99) };
          }),
        );
      }
      const of = (read: (one: (typeof found)[number]) => number) =>
        spreadOf(found.map(read)).median;
      console.log(
        `| ${inFlight} | ${Math.round(of(({ perSecond }) => perSecond))} | ${of(({ p50 }) => p50).toFixed(1)} | ${of(({ p99 }) => p99).toFixed(1)} |`,
      );
    }
  }
}

interface Scaled {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU seconds per 1,000 workflows. */
  readonly node: number;
  readonly postgres: number;
  /** Cores. */
  readonly busy: number;
  readonly outside: number;
}

function nodeSeconds(children: readonly ChildProcess[]): number {
  return children.reduce((sum, { pid }) => sum + cpuSecondsOf(pid ?? null), 0);
}
