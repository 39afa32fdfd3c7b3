import type { Scope, SeriesParallel, Step } from '#core/plan/program.ts';
import { expressionsOf, scopesOf } from '#core/plan/program.ts';
import { classesOf, mergeKnown } from './classes.ts';
import { emitStep } from './emitters.ts';
import type { RecordSource } from './records.ts';
import { pathSource } from './records.ts';
import { skipAhead } from './skip-ahead.ts';
import { recordTask } from './task.ts';
import type { AslValue, ParallelState } from './types.ts';
import type { Arrival, Exit, Place, Sources, Writing } from './writing.ts';
import {
  addState,
  arrivalOf,
  arrive,
  finishAll,
  leaving,
  newAslScope,
  startOf,
  stillPending,
} from './writing.ts';

/** Writes the steps of a scope: series one after the other, parallel parts as branches. */
export function emitScope(writing: Writing, place: Place, incoming: readonly Exit[]): Exit[] {
  return emitTree(writing, place, place.scope.tree, [...incoming]);
}

function emitTree(writing: Writing, place: Place, tree: SeriesParallel, incoming: Exit[]): Exit[] {
  switch (tree.kind) {
    case 'leaf':
      return emitStep(writing, place, stepAt(place.scope, tree.step), incoming);
    case 'series': {
      let exits = incoming;
      for (const part of tree.of) exits = emitTree(writing, place, part, exits);
      return exits;
    }
    case 'parallel':
      return emitParallel(writing, place, tree.of, incoming);
  }
}

function stepAt(scope: Scope, position: number): Step {
  const step = scope.steps[position];
  if (step === undefined) throw new TypeError(`the tree of '${scope.path}' has a leaf too many`);
  return step;
}

function leavesOf(scope: Scope, tree: SeriesParallel): Step[] {
  if (tree.kind === 'leaf') return [stepAt(scope, tree.step)];
  return tree.of.flatMap((part) => leavesOf(scope, part));
}

/**
 * A Parallel. Each branch hands out the records of its steps, and the state assigns them to names of
 * its own chart; outputs only where something behind the join reads them, for a result of a Parallel
 * holds 256 KiB at most.
 */
function emitParallel(
  writing: Writing,
  place: Place,
  trees: readonly SeriesParallel[],
  incoming: Exit[],
): Exit[] {
  const branches = trees.map((tree) => leavesOf(place.scope, tree));
  const heads = branches.map((steps) => steps[0]?.id ?? '').join('+');
  const path = place.path === '' ? heads : `${place.path}.${heads}`;
  const { into, around } = skipAhead(writing, place, branches.flat(), path, incoming);
  if (into.length === 0) return [...around];
  const name = writing.names.helper(place.path, heads);
  const arrival = arrive(into, name);
  const state: ParallelState = addState(place, name, { Type: 'Parallel', Branches: [] });

  const own = new Map<Step, RecordSource>();
  const ends: Arrival[] = [];
  for (const [i, tree] of trees.entries()) {
    const steps = branches[i] ?? [];
    const inside: Place = { ...place, asl: newAslScope(writing, place.asl) };
    const othersAreSlow = branches.some((other, j) => j !== i && other.some(({ slow }) => slow));
    const last = steps.at(-1)?.path ?? place.path;
    const ways = emitTree(writing, inside, tree, [startOf(inside, arrival)]);
    const exits = othersAreSlow ? told(writing, inside, last, ways) : ways;
    const read = new Set(steps.filter((step) => isReadOutside(writing, place, step, steps)));
    finishAll(
      inside,
      exits,
      () => writing.names.helper(last, 'join'),
      () => (sources) => exported(steps, read, sources),
    );
    state.Branches.push(inside.asl.chart);
    ends.push(joinOf(exits, arrival));
    for (const step of steps) own.set(step, pathSource(`$states.result[${i}].s${step.no}`));
  }
  return [...around, leaving(place, state, own, joined(arrival, ends, branches))];
}

/**
 * Behind a branch comes nothing until all others have ended, which may take a year. So what nobody answered
 * in time is told at once: its child is cancelled then, its approval is no longer asked for, and whoever looks
 * sees that the wait is over. What is quick waits for the join.
 */
function told(writing: Writing, place: Place, path: string, ways: readonly Exit[]): Exit[] {
  const late = ways.filter((exit) => [...stillPending(exit)].some(({ slow }) => slow));
  if (late.length === 0) return [...ways];
  const rest = ways.filter((exit) => !late.includes(exit));
  const name = writing.names.helper(path, 'record');
  const [handed, failed] = recordTask(writing, place, name, late);
  return [...rest, handed, { ...failed, pending: arrivalOf(late).pending }];
}

function exported(steps: readonly Step[], read: ReadonlySet<Step>, sources: Sources): AslValue {
  return Object.fromEntries(
    steps.map((step) => {
      const source = sources(step);
      return [`s${step.no}`, read.has(step) ? source.value : source.bare];
    }),
  );
}

function joinOf(exits: readonly Exit[], arrival: Arrival): Arrival {
  if (exits.length === 0) return arrival;
  return {
    known: mergeKnown(exits.map((exit) => exit.known)),
    pending: new Set(exits.flatMap((exit) => [...stillPending(exit)])),
  };
}

/** Behind the join: what each branch says of its own steps, and what stayed pending in all of them. */
function joined(
  before: Arrival,
  ends: readonly Arrival[],
  branches: readonly (readonly Step[])[],
): Arrival {
  const known = new Map(before.known);
  const pending = new Set(
    [...before.pending].filter((step) => ends.every((end) => end.pending.has(step))),
  );
  for (const [i, end] of ends.entries()) {
    for (const step of branches[i] ?? []) {
      known.set(step.no, classesOf(end.known, step.no));
      if (end.pending.has(step)) pending.add(step);
    }
  }
  return { known, pending };
}

/**
 * Whether anything but the steps of its own branch reads a step's output. At the root that is the
 * workflow's output and expressions; in a container the container's output holds it in any case.
 */
function isReadOutside(
  writing: Writing,
  place: Place,
  step: Step,
  branch: readonly Step[],
): boolean {
  if (place.outer !== null) return true;
  const { output } = writing.program;
  if (output === null) return true;
  for (const expression of expressionsOf(output)) {
    if (expression.steps.includes(step.id)) return true;
  }
  return place.scope.steps.some((other) => !branch.includes(other) && reads(other, step.id));
}

/** Whether a step, or anything in it, names this id: more than what it really reads, never less. */
function reads(step: Step, id: string): boolean {
  const known = readIds.get(step) ?? collect(step);
  return known.has(id);
}

const readIds = new WeakMap<Step, ReadonlySet<string>>();

function collect(step: Step): ReadonlySet<string> {
  const ids = new Set<string>();
  const add = (found: readonly string[]): void => {
    for (const id of found) ids.add(id);
  };
  for (const value of Object.values(step)) walk(value, add);
  for (const [, scope] of scopesOf(step)) {
    for (const inner of scope.steps) add([...(readIds.get(inner) ?? collect(inner))]);
  }
  readIds.set(step, ids);
  return ids;
}

/** Finds expressions wherever a step type keeps them; bodies are walked by the caller. */
function walk(value: unknown, add: (ids: readonly string[]) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if ('tree' in value && 'barriers' in value) return;
  if ('source' in value && 'steps' in value && Array.isArray(value.steps)) {
    add(value.steps as string[]);
    return;
  }
  for (const member of Object.values(value)) walk(member, add);
}
