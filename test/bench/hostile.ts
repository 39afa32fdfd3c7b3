// What hostile expressions do to other tenants: `node test/bench/hostile.ts [seconds]`.
// One tenant sends the hostile corpus without pause while a neighbour evaluates a small expression
// every few milliseconds; prints the neighbour's latency alone and beside it.

import { createEvaluatorPool } from '#evaluator/pool.ts';
import { percentile } from '#test/bench/percentile.ts';
import corpus from '../evaluator/hostile-expressions.json' with { type: 'json' };

const seconds = Number(process.argv[2] ?? 15);
const pool = createEvaluatorPool({ processes: 2 });
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

function report(label: string, measured: readonly number[]): void {
  const [p50, p99, max] = [50, 99, 100].map((rank) => percentile(measured, rank).toFixed(2));
  console.log(
    `${label.padEnd(16)} n ${measured.length}  p50 ${p50} ms  p99 ${p99} ms  max ${max} ms`,
  );
}

await measure(2_000); // code warms up
const rssBefore = process.memoryUsage().rss;
const alone = await measure(seconds * 1_000);
report('alone', alone);

let attacking = true;
let attacks = 0;
// Each alone first, as a tenant of its own: how long until it is stopped.
const stops: number[] = [];
for (const { name, source } of corpus) {
  const start = performance.now();
  await pool.evaluate({ tenant: name, expressions: [source], bindings, dialect });
  stops.push(performance.now() - start);
}
const late = stops.filter((ms) => ms > 300).length;
console.log(
  `${stops.length} expressions, stopped within ${percentile(stops, 100).toFixed(0)} ms, ${late} over 300 ms`,
);

let slowest = 0;
const attack = (async () => {
  for (let i = 0; attacking; i++) {
    const source = corpus[i % corpus.length]?.source ?? '';
    const start = performance.now();
    await pool.evaluate({ tenant: 'hostile', expressions: [source], bindings, dialect });
    slowest = Math.max(slowest, performance.now() - start);
    attacks += 1;
  }
})();
const beside = await measure(seconds * 1_000);
attacking = false;
await attack;
report('beside attacks', beside);
console.log(`p99 ratio ${(percentile(beside, 99) / percentile(alone, 99)).toFixed(2)}`);
const grown = (process.memoryUsage().rss - rssBefore) / 1_048_576;
console.log(
  `${attacks} attacks, slowest answer ${slowest.toFixed(0)} ms (the tenant's waits included), ` +
    `${pool.stats().killed} processes killed, this process grew by ${grown.toFixed(0)} MiB`,
);
await pool.close();
