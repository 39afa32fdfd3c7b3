// What hostile expressions do to other tenants: `node test/bench/hostile.ts [--rounds 5] [--seconds 4]`.
//
// A neighbour evaluates a small expression every few milliseconds, alone, then beside attackers who
// send the hostile corpus without pause: one tenant, then five; and beside nobody, which tells how much of
// a ratio is the machine's own noise. Phases take turns in one run, since the
// machine is never quite still, and the median of the ratios counts. Attackers are other tenants in
// each round, so that each round has their first offence in it.

import { parseArgs } from 'node:util';
import { createEvaluatorPool } from '#evaluator/pool.ts';
import { busySeconds, cpuSecondsOf, untilQuiet } from '#test/bench/machine.ts';
import { percentile } from '#test/bench/percentile.ts';
import corpus from '../evaluator/hostile-expressions.json' with { type: 'json' };

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    'quiet-seconds': { type: 'string', default: '40' },
  },
});
const IN_FLIGHT = 16;
const lanes: { [lane: string]: number } = {};
const pool = createEvaluatorPool({
  processes: 2,
  onRun({ tenant, lane }) {
    const who = tenant === 'neighbour' ? tenant : 'others';
    lanes[`${who} ${lane}`] = (lanes[`${who} ${lane}`] ?? 0) + 1;
  },
});
const bindings = { input: { items: [{ price: 1 }, { price: 2 }] } };
const dialect = 'portable' as const;
const neighbour = {
  tenant: 'neighbour',
  expressions: ['$sum($input.items[price > 0].price) & " EUR"'],
  bindings,
  dialect,
};

async function measure(durationMs: number): Promise<number[]> {
  const measured: number[] = [];
  const end = performance.now() + durationMs;
  while (performance.now() < end) {
    const start = performance.now();
    const [result] = await pool.evaluate(neighbour);
    measured.push(performance.now() - start);
    if (result?.ok !== true) throw new Error(`the neighbour failed: ${JSON.stringify(result)}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return measured;
}

/** Attacks until stopped; answers how many of its expressions were. */
function attack(tenants: readonly string[]): { stop(): Promise<number> } {
  let going = true;
  let stopped = 0;
  let next = 0;
  const one = async (tenant: string): Promise<void> => {
    while (going) {
      const source = corpus[next++ % corpus.length]?.source ?? '';
      const [result] = await pool.evaluate({ tenant, expressions: [source], bindings, dialect });
      if (result?.ok !== false) throw new Error(`was not stopped: ${source}`);
      stopped += 1;
    }
  };
  const all = tenants.flatMap((tenant) => Array.from({ length: IN_FLIGHT }, () => one(tenant)));
  return {
    async stop() {
      going = false;
      const count = stopped;
      await Promise.all(all);
      return count;
    },
  };
}

function row(measured: readonly number[]): string {
  return [50, 99, 100].map((rank) => percentile(measured, rank).toFixed(2).padStart(7)).join('');
}

const ms = Number(args.seconds) * 1_000;
const rounds = Number(args.rounds);
await measure(2_000); // code warms up
const rssBefore = process.memoryUsage().rss;

// Each alone first, as a tenant of its own: how long until it is stopped.
const stops: [number, string][] = [];
for (const { name, source } of corpus) {
  const start = performance.now();
  await pool.evaluate({ tenant: name, expressions: [source], bindings, dialect });
  stops.push([performance.now() - start, name]);
}
stops.sort(([a], [b]) => b - a);
console.log(
  `${stops.length} expressions, ${stops.filter(([took]) => took > 300).length} over 300 ms, slowest: ` +
    stops
      .slice(0, 5)
      .map(([took, name]) => `${name} ${took.toFixed(0)} ms`)
      .join(', '),
);
console.log(`${pool.stats().killed} processes killed`);

const ratios: {
  [attackers: string]: { p50: number[]; p99: number[]; alone: number[]; beside: number[] };
} = {};
for (let round = 1; round <= rounds; round++) {
  for (const attackers of [0, 1, 5]) {
    await untilQuiet(Number(args['quiet-seconds']));
    const [busy, own] = [busySeconds(), cpuSecondsOf(process.pid)];
    const before = await measure(ms / 2);
    const killedBefore = pool.stats().killed;
    const hostile = attack(Array.from({ length: attackers }, (_, i) => `hostile ${round} ${i}`));
    const beside = await measure(ms);
    const killed = pool.stats().killed - killedBefore;
    const stopped = await hostile.stop();
    const alone = [...before, ...(await measure(ms / 2))];
    const outside = busySeconds() - busy - (cpuSecondsOf(process.pid) - own);
    const each = ratios[attackers] ?? { p50: [], p99: [], alone: [], beside: [] };
    ratios[attackers] = each;
    each.alone.push(...alone);
    each.beside.push(...beside);
    const ratio = (rank: number) => percentile(beside, rank) / percentile(alone, rank);
    each.p50.push(ratio(50));
    each.p99.push(ratio(99));
    console.log(
      `round ${round}, ${attackers} hostile  alone p50 p99 max${row(alone)}  beside${row(beside)}  ` +
        `p99 x ${ratio(99).toFixed(2)}  ${stopped} stopped, ${killed} killed, others used ${outside.toFixed(1)} s ${JSON.stringify(lanes)}`,
    );
  }
}
for (const [attackers, { p50, p99, alone, beside }] of Object.entries(ratios)) {
  const all = p99.map((ratio) => ratio.toFixed(2)).join(' ');
  console.log(
    `${attackers} hostile: median p99 ratio ${percentile(p99, 50).toFixed(2)} (${all}), p50 ${percentile(p50, 50).toFixed(2)}, of all samples together ${(percentile(beside, 99) / percentile(alone, 99)).toFixed(2)}`,
  );
}
console.log(lanes);
const grown = (process.memoryUsage().rss - rssBefore) / 1_048_576;
console.log(
  `${pool.stats().killed} processes killed, this process grew by ${grown.toFixed(0)} MiB`,
);
await pool.close();
