import type { Step } from '#core/plan/program.ts';
import { CLASS, classesOf, learn, RULES, verdictOf } from './classes.ts';
import { bound, isInline } from './expressions.ts';
import { expression, skippedSource } from './records.ts';
import { skipOf } from './skip-ahead.ts';
import { keyOf } from './task.ts';
import { testTask } from './test-task.ts';
import type { ChoiceRule, ChoiceState } from './types.ts';
import type { Arrival, Exit, Place, Writing } from './writing.ts';
import { addState, after, arrivalOf, arrive, leaving, recordOf, stillPending } from './writing.ts';

/**
 * The way to a step: its trigger rule, then `when` (rules 3, 8 and 9 of docs/language.md).
 *
 * G1 A gate is written only where the classes on the way leave the rule open. After a success the
 *    next step of a chain follows directly, and after a failure its `skip` does.
 * G2 Choice cannot catch, so only conditions that cannot fail stand in one; any other is the step
 *    runner's to evaluate, and the Choice looks at its answer.
 */
export interface Entered {
  /** Ways on which the step runs. */
  readonly run: readonly Exit[];
  /** Ways on which it has ended already: skipped, or its condition failed. */
  readonly done: readonly Exit[];
}

export function enter(
  writing: Writing,
  place: Place,
  step: Step,
  incoming: readonly Exit[],
): Entered {
  keyOf(writing, place, step);
  const runs: Exit[] = [];
  const skips: Exit[] = [];
  const open: Exit[] = [];
  for (const exit of incoming) {
    const verdict = verdictOf(step.trigger, dependencyClasses(place, step, exit));
    (verdict === 'runs' ? runs : verdict === 'skips' ? skips : open).push(exit);
  }
  if (open.length === 0) {
    const met =
      step.when === null ? { run: runs, done: [] } : condition(writing, place, step, runs);
    return { run: met.run, done: [...met.done, ...skip(writing, place, step, skips)] };
  }

  // One Choice decides the rule and, where it can stand there, the condition as well.
  const inline = step.when !== null && isInline(step.when) ? step.when : null;
  const name = writing.names.helper(step.path, 'gate');
  const arrival = arrive(inline === null ? open : [...open, ...runs], name);
  const satisfied = ruleCondition(place, step);
  const choice: ChoiceState = { Type: 'Choice', Choices: [], Default: '' };
  addState(place, name, choice);
  const known = afterRule(place, step, arrival);
  const met = { known, pending: stillPending({ ...arrival, known }) };
  if (inline === null) {
    const run = { Condition: expression(satisfied), Next: '' };
    choice.Choices.push(run);
    const gated = [...runs, viaRule(writing, choice, run, met, true)];
    skips.push(viaDefault(choice, arrival));
    const rest =
      step.when === null ? { run: gated, done: [] } : condition(writing, place, step, gated);
    return { run: rest.run, done: [...rest.done, ...skip(writing, place, step, skips)] };
  }
  const not = { Condition: expression(`$not(${satisfied})`), Next: '' };
  const value = bound(place, inline);
  const run = { Condition: expression(`${value} = true`), Next: '' };
  choice.Choices.push(not, run);
  skips.push(viaRule(writing, choice, not, arrival, false));
  const unmet = unmetBecause(writing, place, step, `${value} = false`, viaDefault(choice, met));
  return {
    run: [viaRule(writing, choice, run, met, true)],
    done: [...unmet, ...skip(writing, place, step, skips)],
  };
}

function dependencyClasses(place: Place, step: Step, way: Arrival): number[] {
  return dependencies(place, step).map((dependency) => classesOf(way.known, dependency.no));
}

function dependencies(place: Place, step: Step): Step[] {
  return step.dependsOn.map((position) => {
    const found = place.scope.steps[position];
    if (found === undefined) throw new TypeError(`'${step.path}' depends on no step`);
    return found;
  });
}

function classList(place: Place, step: Step): string {
  const names = dependencies(place, step).map((dependency) => recordOf(place, dependency).k);
  return `[${names.join(', ')}]`;
}

function ruleCondition(place: Place, step: Step): string {
  return RULES[step.trigger].condition(classList(place, step), step.dependsOn.length);
}

/**
 * What is known once the step's rule was satisfied. A dependency that is of class S has run itself, so
 * its own rule was satisfied as well, and so on up the graph.
 */
function afterRule(place: Place, step: Step, arrival: Arrival): Arrival['known'] {
  let { known } = arrival;
  const open = [step];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const dependency of dependencies(place, at)) {
      const before = classesOf(known, dependency.no);
      const classes = before & RULES[at.trigger].leaves;
      if (classes === before) continue;
      known = learn(known, dependency.no, classes);
      if (classes === CLASS.S) open.push(dependency);
    }
  }
  return known;
}

/** A condition, on ways on which the rule is satisfied. */
function condition(
  writing: Writing,
  place: Place,
  step: Step,
  ways: readonly Exit[],
): { readonly run: readonly Exit[]; readonly done: readonly Exit[] } {
  if (step.when === null || ways.length === 0) return { run: ways, done: [] };
  if (isInline(step.when)) {
    const value = bound(place, step.when);
    const name = writing.names.helper(step.path, 'when');
    const arrival = arrive(ways, name);
    const run: ChoiceRule = { Condition: expression(`${value} = true`), Next: '' };
    const choice = addState(place, name, { Type: 'Choice', Choices: [run], Default: '' });
    return {
      run: [viaRule(writing, choice, run, arrival, true)],
      done: unmetBecause(writing, place, step, `${value} = false`, viaDefault(choice, arrival)),
    };
  }
  const test = testTask(writing, place, step, 'when', [step.when], ways);
  const name = writing.names.helper(step.path, 'if');
  const arrival = arrive([test.value], name);
  const run: ChoiceRule = { Condition: expression(`$${test.variable} = 'true'`), Next: '' };
  const choice = addState(place, name, { Type: 'Choice', Choices: [run], Default: '' });
  const because = `$${test.variable} = 'false'`;
  return {
    run: [viaRule(writing, choice, run, arrival, true)],
    done: [
      ...unmetBecause(writing, place, step, because, viaDefault(choice, arrival)),
      ...test.failed,
    ],
  };
}

function unmetBecause(
  writing: Writing,
  place: Place,
  step: Step,
  isFalse: string,
  way: Exit,
): Exit[] {
  const name = writing.names.helper(step.path, 'unmet');
  const arrival = arrive([way], name);
  const state = addState(place, name, { Type: 'Pass' });
  const source = skippedSource('K', {
    expression: `${isFalse} ? 'CONDITION_FALSE' : 'CONDITION_NOT_BOOLEAN'`,
  });
  return [leaving(place, state, new Map([[step, source]]), after(arrival, step, CLASS.K, false))];
}

/** The Pass that writes a skipped record, with class and reason as rule 8 says. */
function skip(writing: Writing, place: Place, step: Step, ways: readonly Exit[]): Exit[] {
  if (ways.length === 0) return [];
  const name = writing.names.helper(step.path, 'skip');
  const arrival = arrive(ways, name);
  const state = addState(place, name, { Type: 'Pass' });
  const write = (source: ReturnType<typeof skippedSource>, classes: number): Exit[] => [
    leaving(place, state, new Map([[step, source]]), after(arrival, step, classes, false)),
  ];
  const known = skipOf(step, dependencyClasses(place, step, arrivalOf(ways)));
  if (known !== null) return write(skippedSource(known.k, known.why), CLASS[known.k]);
  const anyBad = `$count(${classList(place, step)}[$ in ['F', 'U']]) > 0`;
  return write(
    skippedSource(
      { expression: `${anyBad} ? 'U' : 'K'` },
      { expression: `${anyBad} ? 'UPSTREAM_FAILED' : 'UPSTREAM_SKIPPED'` },
    ),
    CLASS.U | CLASS.K,
  );
}

/** The way out of a Choice by one of its rules. `happy`: this is the way when all is well. */
export function viaRule(
  writing: Writing,
  choice: ChoiceState,
  rule: ChoiceRule,
  arrival: Arrival,
  happy: boolean,
): Exit {
  return {
    ...arrival,
    connect: (next) => {
      rule.Next = next;
      if (happy) writing.hints.set(choice, { ...writing.hints.get(choice), happy: next });
    },
    finish: null,
  };
}

export function viaDefault(choice: ChoiceState, arrival: Arrival): Exit {
  return {
    ...arrival,
    connect: (next) => {
      choice.Default = next;
    },
    finish: null,
  };
}
