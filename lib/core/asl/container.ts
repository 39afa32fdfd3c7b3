import type { Json } from '#core/json.ts';
import type { Scope, Step } from '#core/plan/program.ts';
import type { Known } from './classes.ts';
import { CLASS, classesOf } from './classes.ts';
import { expression, quote } from './records.ts';
import type { AslValue } from './types.ts';
import type { Place, Sources } from './writing.ts';

/** What containers have in common: places inside them, and what they make of their bodies. */
export function inside(place: Place, step: Step, scope: Scope): Place {
  return { ...place, scope, outer: place, path: step.path };
}

/** Outputs of a scope by step id, as a JSON template. */
export function outputsTemplate(scope: Scope, sources: Sources): AslValue {
  return Object.fromEntries(scope.steps.map((step) => [step.id, fieldOf(sources(step).output)]));
}

function fieldOf(source: string): Json {
  return source === 'null' ? null : expression(source);
}

/** The same inside an expression. */
export function outputsSource(scope: Scope, sources: Sources): string {
  const members = scope.steps.map((step) => `${quote(step.id)}: ${sources(step).output}`);
  return `{${members.join(', ')}}`;
}

/** JSONata for the classes of those steps of a scope that may have failed; null: none may have. */
export function classesThatMayFail(scope: Scope, known: Known, sources: Sources): string | null {
  const steps = scope.steps.filter((step) => (classesOf(known, step.no) & CLASS.F) !== 0);
  return steps.length === 0 ? null : `[${steps.map((step) => sources(step).k).join(', ')}]`;
}

/** How many steps of a scope are of class F, for the runner. */
export function failedCount(scope: Scope, known: Known, sources: Sources): AslValue {
  const classes = classesThatMayFail(scope, known, sources);
  return classes === null ? 0 : expression(`$count(${classes}[$ = 'F'])`);
}
