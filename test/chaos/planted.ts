/**
 * `npm run chaos -- --planted`: plants one bug at a time in a copy of the repository and sees that a run of it names
 * what the bug breaks. A bug that no invariant notices ends it with 1.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUGS, type Bug, planted, ROOT } from './bugs.ts';
import { type Report, run } from './run.ts';
import { shortRun } from './scale.ts';

const COPIED = [
  'lib',
  'functions',
  'bin',
  'statemachines',
  'test',
  'package.json',
  'tsconfig.json',
];
/** A bug that loses something for good is not worth a longer wait. */
const PATIENCE_MS = 60_000;

export interface PlantedResult {
  readonly bug: Bug;
  /** What the run says of it, of all that it breaks. */
  readonly by: readonly string[];
  readonly report: Report | null;
}

export async function runPlanted(
  only: string,
  seed: number,
  /** The first of them, counted from 1. */
  from: number,
  say: (text: string) => void,
): Promise<readonly PlantedResult[]> {
  const results: PlantedResult[] = [];
  for (const bug of BUGS.slice(from - 1).filter(({ name }) => name.includes(only))) {
    // A platform that does not even start with it is no run, and says nothing.
    const result = await runWith(bug, seed).catch((error: unknown): PlantedResult => {
      say(`${bug.name}: ${error}`);
      return { bug, by: [], report: null };
    });
    results.push(result);
    const by = result.by.join(', ') || 'NOTHING NOTICES';
    say(`${BUGS.indexOf(bug) + 1}. ${bug.name}: ${by} (wanted ${bug.breaks.join(' or ')})`);
  }
  return results;
}

async function runWith(bug: Bug, seed: number): Promise<PlantedResult> {
  const copy = mkdtempSync(join(tmpdir(), 'cloudflow-planted-'));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    // Not a symbolic link: processes that may read one folder alone would not get at what is behind it.
    const linked = spawnSync('cp', [
      '-al',
      realpathSync(join(ROOT, 'node_modules')),
      join(copy, 'node_modules'),
    ]);
    if (linked.status !== 0) throw new Error(`packages were not linked: ${linked.stderr}`);
    for (const [file, text] of planted(bug)) writeFileSync(join(copy, file), text);
    const lines: string[] = [];
    const keep = join(copy, '.cloudflow/chaos');
    const base = shortRun({ seed, root: copy, keep, say: (text) => lines.push(text) });
    const report = await run({
      ...base,
      faults: bug.count ?? bug.faults.length,
      only: bug.faults,
      kafka: bug.kafka === true,
      places: 8,
      mostActive: 100,
      phaseMs: 8_000,
      healMs: PATIENCE_MS,
      takeOverBoundMs: PATIENCE_MS,
    });
    const violated = report.verdicts.filter(({ violations }) => violations > 0);
    return { bug, by: violated.map(({ id, violations }) => `${id} ${violations}`), report };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Bugs of which the run did not say what they break. */
export function unnoticed(results: readonly PlantedResult[]): readonly Bug[] {
  return results
    .filter(({ bug, by }) => !bug.breaks.some((id) => by.some((each) => each.startsWith(`${id} `))))
    .map(({ bug }) => bug);
}
