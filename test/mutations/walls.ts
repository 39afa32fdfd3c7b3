/**
 * Takes one check away at a time (the tenant of a statement, a permission, the policies of a table, a test
 * of a credential) and sees that a test of the walls turns red. `npm run test:walls`; `-- --only <text>` for those
 * whose name holds the text, `-- --from <n>` to go on where it was stopped, `-- --until <n>` to stop there.
 *
 * A check whose removal nothing notices ends the script with 1 and is named. With each that is noticed stands
 * which test did, and at what.
 */
import { parseArgs } from 'node:util';
import { REMOVALS } from './removals.ts';
import { startWithout } from './without.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    from: { type: 'string', default: '1' },
    until: { type: 'string', default: String(REMOVALS.length) },
  },
});
const removals = REMOVALS.map((removal, i) => ({ ...removal, n: i + 1 })).filter(
  ({ name, n }) =>
    name.includes(values.only) && n >= Number(values.from) && n <= Number(values.until),
);
const say = (text: string) => process.stdout.write(`${text}\n`);
const begun = performance.now();
const without = await startWithout();
const missed: string[] = [];
try {
  const green = new Set<string>();
  for (const { n, ...removal } of removals) {
    // A file must be green without a removal, or red would say nothing.
    for (const test of removal.tests.filter((each) => !green.has(each))) {
      const red = await without.redAlready(test);
      if (red !== null)
        throw new Error(`${test} is red with nothing taken away: ${red.title}: ${red.says}`);
      green.add(test);
    }
    let by = 'NOBODY NOTICES';
    try {
      const notice = await without.noticedBy(removal);
      if (notice === null) missed.push(removal.name);
      else by = `${notice.title} | ${notice.says}`;
    } catch (error) {
      missed.push(removal.name);
      by = `SAYS NOTHING: ${(error as Error).message}`;
    }
    say(`${n}/${REMOVALS.length} ${removal.name}: ${by}`);
  }
} finally {
  await without.close();
}
const seconds = Math.round((performance.now() - begun) / 1_000);
say(
  `${removals.length - missed.length} of ${removals.length} removals are noticed, in ${seconds} s`,
);
for (const name of missed) say(`nobody notices: ${name}`);
// Servers that tests have started may linger in this process.
process.exit(missed.length > 0 ? 1 : 0);
