import type { TriggerRule } from '#core/plan/program.ts';
import type { SkipReason, StepClass } from './events.ts';
import type { StepInfo } from './program-index.ts';
import type { ScopeState } from './state.ts';

/**
 * Trigger rules (rules 6 to 8): whether the classes of a ready step's dependencies let it run.
 *
 * T1 Classes are the only thing looked at; with none of them every rule is satisfied.
 */
export type Verdict =
  | { readonly runs: true }
  | { readonly runs: false; readonly class: 'U' | 'K'; readonly reason: SkipReason };

const RUNS: Verdict = { runs: true };

export function verdict(info: StepInfo, scope: ScopeState): Verdict {
  const { dependsOn, trigger } = info.step;
  if (dependsOn.length === 0) return RUNS;
  let successes = 0;
  let bad = 0;
  for (const dependency of dependsOn) {
    const found = scope.steps[dependency]?.class ?? null;
    if (found === 'S') successes += 1;
    else if (isBad(found)) bad += 1;
  }
  const counts = { successes, bad, skipped: dependsOn.length - successes - bad };
  return judge(trigger, counts);
}

function isBad(found: StepClass | null): boolean {
  return found === 'F' || found === 'U';
}

interface Counts {
  readonly successes: number;
  readonly bad: number;
  readonly skipped: number;
}

const SATISFIED: { readonly [R in TriggerRule]: (counts: Counts) => boolean } = {
  all_success: ({ bad, skipped }) => bad === 0 && skipped === 0,
  none_failed: ({ bad }) => bad === 0,
  none_failed_min_one_success: ({ bad, successes }) => bad === 0 && successes > 0,
  all_done: () => true,
  one_failed: ({ bad }) => bad > 0,
  all_failed: ({ successes, skipped }) => successes === 0 && skipped === 0,
};

const WANTS_SUCCESS: { readonly [R in TriggerRule]: boolean } = {
  all_success: true,
  none_failed: true,
  none_failed_min_one_success: true,
  all_done: false,
  one_failed: false,
  all_failed: false,
};

function judge(rule: TriggerRule, counts: Counts): Verdict {
  if (SATISFIED[rule](counts)) return RUNS;
  if (!WANTS_SUCCESS[rule]) return { runs: false, class: 'K', reason: 'RULE_NOT_MET' };
  return counts.bad > 0
    ? { runs: false, class: 'U', reason: 'UPSTREAM_FAILED' }
    : { runs: false, class: 'K', reason: 'UPSTREAM_SKIPPED' };
}
