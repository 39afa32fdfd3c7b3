/**
 * Takes one check away at a time (the tenant of a statement, a permission, the policies of a table, a test
 * of a credential) and sees that a test of the walls turns red. `npm run test:walls`; `-- --only <text>` for those
 * whose name holds the text, `-- --from <n>` to go on where it was stopped.
 *
 * Each runs in a copy of the repository, whose files are links until one is written anew. A check whose
 * removal nothing notices ends the script with 1 and is named.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Removal, ROOT } from './removal.ts';
import { REMOVALS, spoilt } from './removals.ts';

/** `told`: what the test says is shown, for whoever wonders why it is red. */
async function noticed(removal: Removal, told = false): Promise<string | null> {
  const copy = mkdtempSync(join(tmpdir(), 'cloudflow-walls-'));
  try {
    for (const name of [
      'lib',
      'functions',
      'test',
      'bin',
      'docs',
      'statemachines',
      'package.json',
      'vitest.config.ts',
      'tsconfig.json',
    ]) {
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    writeFileSync(join(copy, removal.file), spoilt(removal));
    for (const test of removal.tests) if ((await run(copy, test, told)) !== 0) return test;
    return null;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** The exit code of one file of tests: 1 where a test has failed. */
function run(cwd: string, test: string, told: boolean): Promise<number> {
  const vitest = join(cwd, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', test, '--bail=1', '--reporter=dot'];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: told ? 'inherit' : 'ignore' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, from: { type: 'string', default: '1' } },
});
const removals = REMOVALS.filter(({ name }) => name.includes(values.only)).slice(
  Number(values.from) - 1,
);
// A copy without a removal must be green, or red would say nothing.
for (const test of new Set(removals.flatMap(({ tests }) => tests))) {
  const nothing: Removal = {
    name: 'nothing',
    file: 'package.json',
    spoil: (text: string) => `${text}\n`,
    tests: [test],
  };
  if ((await noticed(nothing, true)) !== null)
    throw new Error(`${test} is red with nothing taken away`);
}
const missed: string[] = [];
for (const [i, removal] of removals.entries()) {
  const by = await noticed(removal);
  if (by === null) missed.push(removal.name);
  process.stdout.write(`${i + 1}/${removals.length} ${removal.name}: ${by ?? 'NOBODY NOTICES'}\n`);
}
process.stdout.write(
  `${removals.length - missed.length} of ${removals.length} removals are noticed\n`,
);
if (missed.length > 0) process.exitCode = 1;
