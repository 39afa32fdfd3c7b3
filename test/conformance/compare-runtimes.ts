import { scopesOf as innerScopes, type Scope } from '#core/plan/program.ts';
import { differences, violations } from './compare.ts';
import { programOf, type RunResult, runScenario, type Scenario } from './harness.ts';
import type { Seams } from './process.ts';

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
    problems.push(...differences(engine, machine, { timed: isTimed(scenario) }));
  }
  return { problems, engine, machine };
}

/**
 * Rule 4 lets a runtime delay a ready step; Step Functions does so at barriers, and when it repeats a
 * task because a part was away. Where neither is about, both runtimes must keep the same times.
 */
function isTimed({ workflow, others = [], world }: Scenario): boolean {
  if (Object.keys(world?.away ?? {}).length > 0) return false;
  return [workflow, ...others].every((definition) =>
    scopesOf(programOf(definition).root).every(({ barriers }) => barriers.length === 0),
  );
}

function scopesOf(scope: Scope): Scope[] {
  return [
    scope,
    ...scope.steps.flatMap((step) => innerScopes(step).flatMap(([, inner]) => scopesOf(inner))),
  ];
}
