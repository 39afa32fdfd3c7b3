import type { StepClass } from '#core/execution/events.ts';
import type { TriggerRule } from '#core/plan/program.ts';

/**
 * What can be known of the classes of steps when a machine is written, and the conditions that decide
 * the rest when it runs (rules 6 to 8 of docs/language.md).
 *
 * A set of classes is a bit mask. Whatever is known only removes states: a gate that cannot be
 * decided here is decided by the machine, by the very same rule.
 */
export type ClassSet = number;

export const CLASS: { readonly [K in StepClass]: ClassSet } = { S: 1, F: 2, U: 4, K: 8 };
export const ANY_CLASS: ClassSet = 15;
const BAD = CLASS.F | CLASS.U;

/** By topological number of the step; a step that is not here can be of any class. */
export type Known = ReadonlyMap<number, ClassSet>;

export function classesOf(known: Known, no: number): ClassSet {
  return known.get(no) ?? ANY_CLASS;
}

export function learn(known: Known, no: number, classes: ClassSet): Known {
  return new Map(known).set(no, classes);
}

/** What is known where several ways meet. */
export function mergeKnown(all: readonly Known[]): Known {
  const [first, ...rest] = all;
  if (first === undefined) return new Map();
  const merged = new Map<number, ClassSet>();
  for (const [no, classes] of first) {
    let union = classes;
    for (const other of rest) union |= classesOf(other, no);
    if (union !== ANY_CLASS) merged.set(no, union);
  }
  return merged;
}

export type Verdict = 'runs' | 'skips' | 'unknown';

interface Rule {
  /** By the possible classes of each dependency. */
  readonly verdict: (of: readonly ClassSet[]) => Verdict;
  /** JSONata, true when the rule is satisfied; `list` is an array of classes. */
  readonly condition: (list: string, count: number) => string;
  /** Whether an unsatisfied rule with something bad is class U. */
  readonly wantsSuccess: boolean;
  /** What a dependency can still be once the rule was satisfied. */
  readonly leaves: ClassSet;
}

const surely = (set: ClassSet, of: ClassSet): boolean => (set & ~of) === 0;
const maybe = (set: ClassSet, of: ClassSet): boolean => (set & of) !== 0;

function each(of: readonly ClassSet[], wanted: ClassSet): Verdict {
  if (of.every((set) => surely(set, wanted))) return 'runs';
  return of.some((set) => !maybe(set, wanted)) ? 'skips' : 'unknown';
}

function some(of: readonly ClassSet[], wanted: ClassSet): Verdict {
  if (of.some((set) => surely(set, wanted))) return 'runs';
  return of.every((set) => !maybe(set, wanted)) ? 'skips' : 'unknown';
}

function both(a: Verdict, b: Verdict): Verdict {
  if (a === 'skips' || b === 'skips') return 'skips';
  return a === 'runs' && b === 'runs' ? 'runs' : 'unknown';
}

const NONE_BAD = (list: string): string => `$count(${list}[$ in ['F', 'U']]) = 0`;

export const RULES: { readonly [R in TriggerRule]: Rule } = {
  all_success: {
    verdict: (of) => each(of, CLASS.S),
    condition: (list) => `$count(${list}[$ != 'S']) = 0`,
    wantsSuccess: true,
    leaves: CLASS.S,
  },
  none_failed: {
    verdict: (of) => each(of, CLASS.S | CLASS.K),
    condition: NONE_BAD,
    wantsSuccess: true,
    leaves: CLASS.S | CLASS.K,
  },
  none_failed_min_one_success: {
    verdict: (of) => both(each(of, CLASS.S | CLASS.K), some(of, CLASS.S)),
    condition: (list) => `${NONE_BAD(list)} and 'S' in ${list}`,
    wantsSuccess: true,
    leaves: CLASS.S | CLASS.K,
  },
  all_done: {
    verdict: () => 'runs',
    condition: () => 'true',
    wantsSuccess: false,
    leaves: ANY_CLASS,
  },
  one_failed: {
    verdict: (of) => some(of, BAD),
    condition: (list) => `$count(${list}[$ in ['F', 'U']]) > 0`,
    wantsSuccess: false,
    leaves: ANY_CLASS,
  },
  all_failed: {
    verdict: (of) => each(of, BAD),
    condition: (list, count) => `$count(${list}[$ in ['F', 'U']]) = ${count}`,
    wantsSuccess: false,
    leaves: BAD,
  },
};

export function verdictOf(rule: TriggerRule, of: readonly ClassSet[]): Verdict {
  return of.length === 0 ? 'runs' : RULES[rule].verdict(of);
}

/** Whether a skipped step's dependencies hold something bad: surely, surely not, or it depends. */
export function badAmong(of: readonly ClassSet[]): boolean | null {
  const verdict = some(of, BAD);
  return verdict === 'unknown' ? null : verdict === 'runs';
}
