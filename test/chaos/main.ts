/**
 * `npm run chaos -- --minutes N --seed S`: the platform under faults, and an independent judge of what was left.
 * `--report FILE` writes what it found into the document, `--planted` runs with bugs that must be named. What
 * did not end is explained in a folder under `.cloudflow/chaos`, or `--keep DIR`.
 * Ends with 1 where an invariant was violated, with 3 where too few faults came about to say anything.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runPlanted, unnoticed } from './planted.ts';
import { plantedText, putIn, reportText } from './report.ts';
import { run } from './run.ts';
import { longRun, shortRun } from './scale.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    faults: { type: 'string' },
    from: { type: 'string', default: '1' },
    planted: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    report: { type: 'string' },
    keep: { type: 'string' },
    json: { type: 'boolean', default: false },
    root: { type: 'string', default: fileURLToPath(new URL('../..', import.meta.url)) },
  },
});
const say = (text: string): void => void process.stderr.write(`${text}\n`);
if (values.planted) {
  const results = await runPlanted(
    values.only ?? '',
    Number(values.seed),
    Number(values.from),
    say,
  );
  if (values.report !== undefined)
    putIn(values.report, 'planted', plantedText(results, new Date()));
  const missed = unnoticed(results);
  for (const { name } of missed) say(`NOT NOTICED: ${name}`);
  say(`${results.length - missed.length} of ${results.length} planted bugs are noticed`);
  process.exit(missed.length > 0 ? 1 : 0);
}
const seed = Number(values.seed);
const begun = new Date().toISOString().replaceAll(':', '');
const keep = values.keep ?? join(values.root, '.cloudflow/chaos', `${seed}-${begun}`);
const common = { seed, root: values.root, keep, say };
const scaled = values.short ? shortRun(common) : longRun(common, Number(values.minutes));
const report = await run({
  ...scaled,
  ...(values.only === undefined ? {} : { only: values.only.split(',') }),
  ...(values.faults === undefined ? {} : { faults: Number(values.faults) }),
});
if (values.report !== undefined) putIn(values.report, 'run', reportText(report, new Date()));
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else {
  for (const { id, looked, violations } of report.verdicts)
    say(`${id}: ${looked} looked at, ${violations} wrong`);
  for (const log of report.logs) say(log);
  for (const failure of report.failures) say(`FAILED ${failure}`);
  for (const { name, times, lostSeconds, standstillMs } of report.costs) {
    const lost = `${lostSeconds.toFixed(1)} s of the calm rate are missing`;
    say(`${name} x ${times}: ${lost}, nothing for ${standstillMs} ms at the longest`);
  }
  const { calm, faults, after } = report.rate;
  say(`${report.executions} executions, ${report.faults.length} faults in ${report.seconds} s`);
  say(`the checks took ${(report.judgedMs / 1_000).toFixed(1)} s`);
  say(
    `${calm.toFixed(1)} executions a second, ${faults.toFixed(1)} under faults, ${after.toFixed(1)} after them`,
  );
  if (report.void !== null) say(`VOID: ${report.void}`);
}
// What a broker that was killed left open would keep this process for a while.
process.exit(report.failures.length > 0 ? 1 : report.void === null ? 0 : 3);
