/**
 * `npm run chaos -- --minutes N --seed S`: the platform under faults, and an independent judge of what was left.
 * Ends with 1 where an invariant was violated, with 3 where too few faults came about to say anything.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from './run.ts';
import { longRun, shortRun } from './scale.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    faults: { type: 'string' },
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    root: { type: 'string', default: fileURLToPath(new URL('../..', import.meta.url)) },
  },
});
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const common = { seed: Number(values.seed), root: values.root, say };
const scaled = values.short ? shortRun(common) : longRun(common, Number(values.minutes));
const report = await run({
  ...scaled,
  ...(values.only === undefined ? {} : { only: values.only.split(',') }),
  ...(values.faults === undefined ? {} : { faults: Number(values.faults) }),
});
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else {
  for (const { id, looked, violations } of report.verdicts)
    say(`${id}: ${looked} looked at, ${violations} wrong`);
  for (const log of report.logs) say(log);
  for (const failure of report.failures) say(`FAILED ${failure}`);
  const { calm, faults, after } = report.rate;
  say(`${report.executions} executions, ${report.faults.length} faults in ${report.seconds} s`);
  say(
    `${calm.toFixed(1)} executions a second, ${faults.toFixed(1)} under faults, ${after.toFixed(1)} after them`,
  );
  if (report.void !== null) say(`VOID: ${report.void}`);
}
// What a broker that was killed left open would keep this process for a while.
process.exit(report.failures.length > 0 ? 1 : report.void === null ? 0 : 3);
