import { differences, violations } from './compare.ts';
import { type RunResult, runScenario, type Scenario } from './harness.ts';
import type { Seams } from './process.ts';
import { isTimed, keepsTimes } from './timed.ts';

export interface Comparison {
  /** Empty: both mean the same. */
  readonly problems: readonly string[];
  readonly engine: RunResult | null;
  readonly machine: RunResult | null;
}

/** Runs a scenario on both runtimes. A fault of meaning may be planted on either side. */
export async function compareRuntimes(
  scenario: Scenario,
  seams: { readonly engine?: Seams; readonly step_functions?: Seams } = {},
): Promise<Comparison> {
  const problems: string[] = [];
  const results: (RunResult | null)[] = [];
  for (const runtime of ['engine', 'step_functions'] as const) {
    try {
      const run = await runScenario(scenario, { runtime, seams: seams[runtime] ?? {} });
      problems.push(...violations(run).map((line) => `on ${runtime}: ${line}`));
      results.push(run);
    } catch (error) {
      problems.push(`on ${runtime}: ${error instanceof Error ? error.message : String(error)}`);
      results.push(null);
    }
  }
  const [engine = null, machine = null] = results;
  if (engine !== null && machine !== null) {
    const timed = isTimed(scenario) && keepsTimes(engine);
    problems.push(...differences(engine, machine, { timed }));
  }
  return { problems, engine, machine };
}
