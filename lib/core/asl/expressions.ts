import type { Json, JsonObject } from '#core/json.ts';
import { isJsonObject } from '#core/json.ts';
import type { Expression, Step, Template, VisibleName } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { expression as asl, quote } from './records.ts';
import type { AslValue } from './types.ts';
import type { Place, Writing } from './writing.ts';
import { recordOf } from './writing.ts';

/**
 * Expressions of authors inside a machine. They are never rewritten: what they read is bound in front
 * of them, and only that.
 */

const TEXT_PART =
  `$text := function($v) { $type($v) in ['string', 'number', 'boolean'] ? $string($v) : ` +
  `$error('a part of a text is not a string, a number or a boolean') }`;

/** The step that `$steps.<id>` means here: of this scope, else of the scopes around it. */
export function visibleStep(place: Place, id: string): Step {
  for (let at: Place | null = place; at !== null; at = at.outer) {
    const step = at.scope.steps.find((candidate) => candidate.id === id);
    if (step !== undefined) return step;
  }
  throw new TypeError(`no step '${id}' is visible in '${place.path}'`);
}

function bindings(writing: Writing, place: Place, expressions: readonly Expression[]): string[] {
  const ids = new Set(expressions.flatMap((expression) => expression.steps));
  const names = new Set(expressions.flatMap((expression) => expression.names));
  const bound: string[] = [];
  if (ids.size > 0) {
    const members = [...ids].sort().map((id) => `'${id}': ${visible(place, id)}`);
    bound.push(`$steps := {${members.join(', ')}}`);
  }
  for (const name of [...names].sort()) bound.push(`$${name} := ${named(writing, place, name)}`);
  return bound;
}

function visible(place: Place, id: string): string {
  const { value } = recordOf(place, visibleStep(place, id));
  return `${inner(value)}.v`;
}

/** The source inside `{% %}`. */
function inner(value: AslValue): string {
  if (typeof value !== 'string') throw new TypeError('a record variable is an expression');
  return value.slice(2, -2).trim();
}

function named(writing: Writing, place: Place, name: VisibleName): string {
  const { program } = writing;
  switch (name) {
    case 'input':
      return '$states.context.Execution.Input';
    case 'execution':
      return (
        `{'id': $states.context.Execution.Name, 'workflow_id': ${quote(program.workflowId)}, ` +
        `'version': ${quote(program.version)}, 'started_at': $states.context.Execution.StartTime}`
      );
    case 'item':
      return `$${held(place.item, name, place)}`;
    case 'index':
      return `$${held(place.index, name, place)}`;
    case 'loop': {
      const { index, last } = held(place.loop, name, place);
      return `{'index': $${index}, 'last': $${last}}`;
    }
    case 'result':
      throw new TypeError(`'$result' is read in '${place.path}', outside the step runner`);
  }
}

function held<T>(value: T | null, name: string, place: Place): T {
  if (value === null) throw new TypeError(`'$${name}' is read in '${place.path}', outside of it`);
  return value;
}

/** JSONata for an expression with what it reads in front; safe to use inside a larger one. */
export function bound(writing: Writing, place: Place, expression: Expression): string {
  const before = bindings(writing, place, [expression]);
  const source = `(${expression.source})`;
  return before.length === 0 ? source : `(${before.join('; ')}; ${source})`;
}

/** A template as a field of the States Language. An expression without a value fails the state. */
export function templateValue(writing: Writing, place: Place, template: Template): AslValue {
  switch (template.kind) {
    case 'literal':
      return literal(template.value);
    case 'expression': {
      const { expression } = template;
      const reads = expression.steps.length + expression.names.length;
      return asl(reads === 0 ? expression.source : bound(writing, place, expression));
    }
    case 'text':
      return text(writing, place, template.parts);
    case 'array':
      return template.items.map((item) => templateValue(writing, place, item));
    case 'object':
      return Object.fromEntries(
        template.members.map(([key, member]) => [key, templateValue(writing, place, member)]),
      );
  }
}

/** AWS would evaluate a literal that looks like an expression. */
function literal(value: Json): AslValue {
  if (typeof value === 'string') {
    return value.startsWith('{%') ? asl(quote(value)) : value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(literal);
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, member]) => [key, literal(member)]),
  );
}

function text(writing: Writing, place: Place, parts: readonly (string | Expression)[]): AslValue {
  const expressions = parts.filter((part) => typeof part !== 'string');
  const before = [...bindings(writing, place, expressions), TEXT_PART];
  const joined = parts.map((part) =>
    typeof part === 'string' ? quote(part) : `$text((${part.source}))`,
  );
  return asl(`(${before.join('; ')}; ${joined.join(' & ')})`);
}

/** Items of a for_each as an array: nothing is `[]`, one value is `[value]`. */
export function itemsValue(writing: Writing, place: Place, template: Template): AslValue {
  if (template.kind === 'expression') {
    const value = bound(writing, place, template.expression);
    return asl(`($v := ${value}; $exists($v) ? ($type($v) = 'array' ? $v : [$v]) : [])`);
  }
  const value = templateValue(writing, place, template);
  const isArray = template.kind === 'array' || Array.isArray(value);
  return isArray ? value : [value];
}

/** What the runner needs for the step's `result` and `compensate`; null when they need nothing. */
export function runnerBindings(
  place: Place,
  step: Step & { readonly result?: Expression | null },
): { readonly [name: string]: AslValue } | null {
  const own = [...(step.compensate === null ? [] : expressionsOf(step.compensate.config))];
  const shaping = step.result === undefined || step.result === null ? [] : [step.result];
  const ids = new Set(shaping.flatMap((expression) => expression.steps));
  for (const expression of own) {
    for (const id of expression.steps) if (id !== step.id) ids.add(id);
  }
  const found: Record<string, AslValue> = {};
  if (ids.size > 0) {
    const members = [...ids].sort().map((id) => [id, asl(visible(place, id))]);
    found['steps'] = Object.fromEntries(members);
  }
  const names = new Set([...own, ...shaping].flatMap((expression) => expression.names));
  if (names.has('item')) found['item'] = asl(`$${held(place.item, 'item', place)}`);
  if (names.has('index')) found['index'] = asl(`$${held(place.index, 'index', place)}`);
  if (names.has('loop')) {
    const { index, last } = held(place.loop, 'loop', place);
    found['loop'] = { index: asl(`$${index}`), last: asl(`$${last}`) };
  }
  return Object.keys(found).length === 0 ? null : found;
}

/** Steps whose whole records travel to the runner with this one. */
export function boundSteps(place: Place, bindings: { readonly [name: string]: AslValue } | null) {
  const steps = bindings?.['steps'];
  return isJsonObject(steps) ? Object.keys(steps).map((id) => visibleStep(place, id)) : [];
}
