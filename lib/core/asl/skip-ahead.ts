import type { Step } from '#core/plan/program.ts';
import type { Known } from './classes.ts';
import { badAmong, CLASS, classesOf, learn, RULES, verdictOf } from './classes.ts';
import type { RecordSource } from './records.ts';
import { skippedSource } from './records.ts';
import type { Exit, Place, Writing } from './writing.ts';
import { addState, after, arrive, leaving } from './writing.ts';

/**
 * Ways around a whole fork: where everything in it is skipped for certain, one Pass writes all the
 * records. So a failure before a fork does not force a gate upon each of its branches.
 */
export interface Skip {
  readonly k: 'U' | 'K';
  readonly why: 'UPSTREAM_FAILED' | 'UPSTREAM_SKIPPED' | 'RULE_NOT_MET';
}

/** Class and reason of a step whose rule is not satisfied (rule 8); null: it depends. */
export function skipOf(step: Step, dependencies: readonly number[]): Skip | null {
  if (!RULES[step.trigger].wantsSuccess) return { k: 'K', why: 'RULE_NOT_MET' };
  const bad = badAmong(dependencies);
  if (bad === null) return null;
  return bad ? { k: 'U', why: 'UPSTREAM_FAILED' } : { k: 'K', why: 'UPSTREAM_SKIPPED' };
}

export interface Parted {
  readonly into: readonly Exit[];
  /** Ways out of the Passes around. */
  readonly around: readonly Exit[];
}

/** Leads ways on which all these steps are skipped around them. `steps` are of the place's scope. */
export function skipAhead(
  writing: Writing,
  place: Place,
  steps: readonly Step[],
  path: string,
  incoming: readonly Exit[],
): Parted {
  // Carried results stand, whatever the ways say.
  if (writing.continues) return { into: incoming, around: [] };
  const sorted = steps.toSorted((a, b) => a.no - b.no);
  const into: Exit[] = [];
  const alike = new Map<string, { readonly skips: readonly Skip[]; readonly exits: Exit[] }>();
  for (const exit of incoming) {
    const skips = forecast(place, sorted, exit.known);
    if (skips === null) {
      into.push(exit);
      continue;
    }
    const key = skips.map(({ k, why }) => `${k} ${why}`).join();
    const group = alike.get(key) ?? { skips, exits: [] };
    group.exits.push(exit);
    alike.set(key, group);
  }
  const around = [...alike.values()].map(({ skips, exits }) =>
    skipAll(writing, place, sorted, skips, path, exits),
  );
  return { into, around };
}

function forecast(place: Place, sorted: readonly Step[], before: Known): Skip[] | null {
  let known = before;
  const skips: Skip[] = [];
  for (const step of sorted) {
    const classes = step.dependsOn.map((position) =>
      classesOf(known, place.scope.steps[position]?.no ?? -1),
    );
    const skip = skipOf(step, classes);
    if (skip === null || verdictOf(step.trigger, classes) !== 'skips') return null;
    skips.push(skip);
    known = learn(known, step.no, CLASS[skip.k]);
  }
  return skips;
}

function skipAll(
  writing: Writing,
  place: Place,
  sorted: readonly Step[],
  skips: readonly Skip[],
  path: string,
  exits: readonly Exit[],
): Exit {
  const name = writing.names.helper(path, 'skip');
  let arrival = arrive(exits, name);
  const state = addState(place, name, { Type: 'Pass' });
  const records = new Map<Step, RecordSource>();
  for (const [i, step] of sorted.entries()) {
    const skip = skips[i];
    if (skip === undefined) continue;
    records.set(step, skippedSource(skip.k, skip.why));
    arrival = after(arrival, step, CLASS[skip.k], false);
  }
  return leaving(place, state, records, arrival);
}
