import { parseArgs } from 'node:util';
import { simulate } from './seeds.ts';

// npm run simulate -- --seed 42            one run: its timeline and verdict
// npm run simulate -- --from 1 --count 20000   many, printing only those that fail

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
  },
});

if (values.seed === undefined) {
  const from = Number(values.from);
  let failed = 0;
  for (let seed = from; seed < from + Number(values.count); seed++) {
    const verdict = await simulate(seed);
    if (verdict.violations.length === 0) continue;
    failed += 1;
    console.log(`seed ${seed}: ${verdict.violations.slice(0, 3).join('; ')}`);
  }
  console.log(`${values.count} seeds from ${from}: ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} else {
  const { run, violations } = await simulate(Number(values.seed));
  for (const line of run.timeline) console.log(line);
  const { status, seq } = run.final;
  console.log(`seed ${values.seed}: ${status}, ${seq} events, ${run.crashes} crashes`);
  for (const violation of violations) console.log(`BROKEN ${violation}`);
  console.log(violations.length === 0 ? 'every invariant holds' : 'replay with the same --seed');
  process.exitCode = violations.length === 0 ? 0 : 1;
}
