// What expressions cost: `node test/bench/expressions.ts`. Prints nanoseconds per evaluation in
// process, then the round trip to the evaluator process.

import { evaluateSimple } from '#core/expr/evaluate-simple.ts';
import { parseExpression } from '#core/expr/parse.ts';
import { createEvaluatorPool } from '#evaluator/pool.ts';
import { percentile } from '#test/bench/percentile.ts';

const bindings = {
  input: { order: { total: 250, currency: 'EUR', items: [{ price: 1 }, { price: 2 }] } },
  execution: { id: 'x', workflow_id: 'w', version: '1.0.0', started_at: '2026-01-01T00:00:00Z' },
  steps: {
    'verify-identity': {
      status: 'SUCCESS',
      output: { verified: true, score: 87 },
      error: null,
      attempts: 1,
    },
  },
};

const SIMPLE = [
  '$input.order.total',
  '$steps.`verify-identity`.output.verified = true',
  '$input.order.total > 100 and $input.order.currency = "EUR"',
  '$exists($input.order.discount) ? $input.order.discount : 0',
  '$input.order.items.price',
  '$input.order.currency in ["EUR", "USD"]',
  '{"total": $input.order.total, "currency": $input.order.currency}',
];

const RUNS = 500_000;
console.log('in process, ns per evaluation (best of 5)');
for (const source of SIMPLE) {
  const parsed = parseExpression(source);
  if (!parsed.ok || !parsed.expression.simple) throw new Error(`not simple: ${source}`);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    for (let i = 0; i < RUNS; i++) evaluateSimple(parsed.expression, bindings);
    best = Math.min(best, ((performance.now() - start) * 1e6) / RUNS);
  }
  console.log(`${best.toFixed(0).padStart(8)}  ${source}`);
}

const start = performance.now();
for (let i = 0; i < 2_000; i++) parseExpression(SIMPLE[i % SIMPLE.length] ?? '');
console.log(`parse and check: ${((performance.now() - start) / 2).toFixed(0)} µs per expression`);

const pool = createEvaluatorPool({ processes: 1 });
const expression =
  '$sum($input.order.items[price > 1].price) & " " & $uppercase($input.order.currency)';
const request = { tenant: 't', expressions: [expression], bindings, dialect: 'portable' as const };
for (let i = 0; i < 500; i++) await pool.evaluate(request);
const alone: number[] = [];
for (let i = 0; i < 3_000; i++) {
  const from = performance.now();
  await pool.evaluate(request);
  alone.push(performance.now() - from);
}
console.log(
  `evaluator round trip, one at a time: p50 ${percentile(alone, 50).toFixed(3)} ms, p99 ${percentile(alone, 99).toFixed(3)} ms`,
);
const burst = performance.now();
for (let i = 0; i < 20; i++) {
  await Promise.all(
    Array.from({ length: 100 }, (_, t) => pool.evaluate({ ...request, tenant: `t${t}` })),
  );
}
console.log(
  `100 tenants at once: ${(2_000 / ((performance.now() - burst) / 1_000)).toFixed(0)} a second`,
);
await pool.close();
