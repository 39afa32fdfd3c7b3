import { describe, expect, it } from 'vitest';
import type { Runtime } from '#core/plan/program.ts';
import type { ConformanceCase } from './case.ts';
import { allCases } from './cases.ts';
import { differences, violations } from './compare.ts';
import { generate } from './generator.ts';
import { type Crash, type RunResult, runScenario, type Scenario } from './harness.ts';
import { FIRST_SEED } from './seeds.ts';

/**
 * A runtime that is killed between two writes and started again over the same stores: the report is
 * that of a run without a crash, and what was called again bore the same key. (Processes that are
 * really killed, over PostgreSQL, are in test/engine.)
 */
const RUNTIMES: readonly Runtime[] = ['engine', 'step_functions'];
const MOST_POINTS = 10;

const written = allCases().filter(({ name }) => !name.startsWith('rule-table '));

describe.each(RUNTIMES)('killed at any write on %s', (runtime) => {
  it.each(written.map((one): [string, ConformanceCase] => [one.name, one]))(
    '%s',
    async (_, one) => {
      await expectUnchanged(one, runtime);
    },
  );

  it('random workflows', async () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + 25; seed++) {
      await expectUnchanged(generate(seed), runtime, 4);
    }
  });
});

async function expectUnchanged(
  scenario: Scenario,
  runtime: Runtime,
  most = MOST_POINTS,
): Promise<void> {
  const calm = await runScenario(scenario, { runtime });
  expect(violations(calm)).toEqual([]);
  for (const crash of crashesOf(calm, most)) {
    const run = await runScenario(scenario, { runtime, crash });
    expect(run.restarts).toBeGreaterThan(0);
    const problems = [...violations(run), ...differences(calm, run, { repeats: true })];
    expect({ crash, seed: scenario.name, problems }).toEqual({
      crash,
      seed: scenario.name,
      problems: [],
    });
  }
}

/** Every write where there are few, else evenly spread; each before and after it; and many in a row. */
function crashesOf({ writes }: RunResult, most: number): Crash[] {
  const points = Math.min(writes, most);
  const crashes: Crash[] = Array.from({ length: points }, (_, i) => {
    const at = 1 + Math.floor((i * writes) / points);
    return [
      { at, moment: 'before' as const },
      { at, moment: 'after' as const },
    ];
  }).flat();
  // A start writes again for each step that was under way: dying more often than that gets nowhere.
  crashes.push({ at: 2, moment: 'after', every: Math.max(7, Math.ceil(writes / 8)) });
  return crashes;
}
