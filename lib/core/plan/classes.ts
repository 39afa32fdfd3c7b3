import type { Expression, Scope, Step, Template, TriggerRule } from '#core/plan/program.ts';
import { expressionsOf, scopesOf } from '#core/plan/program.ts';

/**
 * Which classes (rule 6) each step of a scope can end with, found without running anything: S
 * success, F failure, U skipped after a failure, K skipped otherwise. Never too few; sometimes too
 * many, since dependencies are taken as independent of each other.
 */
export type StepClass = 'S' | 'F' | 'U' | 'K';
export type Classes = ReadonlySet<StepClass>;

export interface Fate {
  readonly classes: Classes;
  /** Whether its rule can hold at all. */
  readonly reachable: boolean;
}

export function fatesOf(scope: Scope): ReadonlyMap<Step, Fate> {
  const fates = new Map<Step, Fate>();
  for (const step of [...scope.steps].sort((a, b) => a.no - b.no)) {
    const dependencies = step.dependsOn.flatMap((i) => {
      const dependency = scope.steps[i];
      return dependency === undefined ? [] : [fates.get(dependency)?.classes ?? ALL];
    });
    fates.set(step, fateOf(step, dependencies));
  }
  return fates;
}

const ALL: Classes = new Set(['S', 'F', 'U', 'K']);
const BAD: readonly StepClass[] = ['F', 'U'];

function fateOf(step: Step, dependencies: readonly Classes[]): Fate {
  const { holds, fails } = ruleOutcomes(step.trigger, dependencies);
  const classes = new Set<StepClass>();
  const anyBad = dependencies.some((one) => BAD.some((bad) => one.has(bad)));
  if (fails) {
    const strict = ['all_success', 'none_failed', 'none_failed_min_one_success'];
    if (!strict.includes(step.trigger)) classes.add('K');
    else {
      if (anyBad) classes.add('U');
      if (dependencies.some((one) => one.has('K'))) classes.add('K');
    }
  }
  if (holds) {
    const condition = step.when === null ? true : constantOf(step.when);
    if (condition !== true) classes.add('K');
    if (condition === true || condition === null) {
      if (canSucceed(step)) classes.add('S');
      if (canFail(step)) classes.add(step.continueOnFailure ? 'S' : 'F');
    }
    if (step.when !== null && !step.when.total) classes.add(step.continueOnFailure ? 'S' : 'F');
  }
  return { classes, reachable: holds };
}

/** Whether a rule can hold, and whether it can fail to, over classes of independent dependencies. */
export function ruleOutcomes(
  rule: TriggerRule,
  dependencies: readonly Classes[],
): { readonly holds: boolean; readonly fails: boolean } {
  if (dependencies.length === 0) return { holds: true, fails: false };
  const can = (one: Classes, among: readonly StepClass[]) => among.some((c) => one.has(c));
  const all = (among: readonly StepClass[]) => dependencies.every((one) => can(one, among));
  const some = (among: readonly StepClass[]) => dependencies.some((one) => can(one, among));
  switch (rule) {
    case 'all_success':
      return { holds: all(['S']), fails: some(['F', 'U', 'K']) };
    case 'none_failed':
      return { holds: all(['S', 'K']), fails: some(BAD) };
    case 'none_failed_min_one_success':
      return { holds: all(['S', 'K']) && some(['S']), fails: some(BAD) || all(['K']) };
    case 'all_done':
      return { holds: true, fails: false };
    case 'one_failed':
      return { holds: some(BAD), fails: all(['S', 'K']) };
    case 'all_failed':
      return { holds: all(BAD), fails: some(['S', 'K']) };
  }
}

function canSucceed(step: Step): boolean {
  return step.type !== 'fail';
}

function canFail(step: Step): boolean {
  switch (step.type) {
    case 'wait':
      return [step.duration, step.until].some(
        (template) => template !== null && !isFixed(template),
      );
    case 'transform':
      return !isFixed(step.value);
    case 'group':
      return bodiesCanFail(step);
    case 'branch':
      return step.cases.some(({ when }) => !when.total) || bodiesCanFail(step);
    default:
      return true;
  }
}

function bodiesCanFail(step: Step): boolean {
  return scopesOf(step).some(([, scope]) =>
    [...fatesOf(scope).values()].some(({ classes }) => classes.has('F')),
  );
}

function isFixed(template: Template): boolean {
  return expressionsOf(template).next().done === true;
}

/** The value of an expression that is a literal: true, or false for any other; null: it depends. */
export function constantOf({ source }: Expression): boolean | null {
  const text = source.trim().replace(/^\(+\s*([a-z]+)\s*\)+$/u, '$1');
  if (text === 'true') return true;
  const literal = /^(?:false|null|-?\d+(?:\.\d+)?|"[^"\\]*"|'[^'\\]*')$/u.test(text);
  return literal ? false : null;
}
