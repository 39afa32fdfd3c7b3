/**
 * `npm run differential -- --cases N --seed S`: random workflows on both runtimes.
 *
 * `--seed S --cases 1` replays one; `--no-shrink` shows it as it was written.
 */
import { parseArgs } from 'node:util';
import { Census } from './census.ts';
import { type Comparison, compareRuntimes } from './compare-runtimes.ts';
import { generate } from './generator.ts';
import type { Scenario } from './harness.ts';
import { shrink } from './shrink.ts';

export interface Failure {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly scenario: Scenario;
}

/** Runs seeds `from`, `from + 1`, ...; stops after `most` failures. */
export async function runSeeds(
  from: number,
  cases: number,
  census: Census,
  options: { readonly most?: number; readonly onCase?: (seed: number) => void } = {},
): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (let seed = from; seed < from + cases; seed++) {
    options.onCase?.(seed);
    const scenario = generate(seed, census.refusals);
    const comparison = await compareRuntimes(scenario);
    census.add(scenario, comparison);
    if (comparison.problems.length === 0) continue;
    failures.push({ seed, problems: comparison.problems, scenario });
    if (failures.length >= (options.most ?? 1)) break;
  }
  return failures;
}

/** A failing case as somebody can take it up: what differs, the smallest definition, how to replay. */
export async function describeFailure(failure: Failure, small: boolean): Promise<string> {
  const fails = async (candidate: Scenario): Promise<boolean> =>
    (await compareRuntimes(candidate)).problems.length > 0;
  const scenario = small ? await shrink(failure.scenario, fails) : failure.scenario;
  const { problems }: Comparison = small
    ? await compareRuntimes(scenario)
    : { ...failure, engine: null, machine: null };
  return [
    `seed ${failure.seed}:`,
    ...problems.map((problem) => `  ${problem}`),
    JSON.stringify(scenario, null, 1),
    `replay: npm run differential -- --seed ${failure.seed} --cases 1`,
  ].join('\n');
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '1' },
      most: { type: 'string', default: '5' },
      'no-shrink': { type: 'boolean', default: false },
    },
  });
  const census = new Census();
  const began = performance.now();
  const failures = await runSeeds(Number(values.seed), Number(values.cases), census, {
    most: Number(values.most),
    onCase: (seed) => {
      if (process.stderr.isTTY) process.stderr.write(`\rseed ${seed}`);
    },
  });
  for (const failure of failures) {
    process.stdout.write(`${await describeFailure(failure, !values['no-shrink'])}\n\n`);
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(
    `${census.table()}\n${census.cases} workflows, ${failures.length} failures, ${seconds} s\n`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}
