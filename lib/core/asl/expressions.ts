import type { Expression, Step, VisibleName } from '#core/plan/program.ts';
import { expression as asl } from './records.ts';
import type { AslValue } from './types.ts';
import type { Place } from './writing.ts';
import { recordOf } from './writing.ts';

/**
 * Expressions of authors around a machine. Their values are the evaluator's, which the step runner
 * asks as the engine does: Amazon's JSONata is another program, and where two answer there are two
 * meanings. So a Task brings what its step's expressions read (`runnerBindings`), and of conditions
 * the machine itself evaluates those that cannot fail and have one answer everywhere (`isInline`).
 * They are not rewritten: what they read is bound in front of them, and only that. (2026-11-26)
 */

/**
 * Whether a condition may stand in a Choice: paths, literals, comparisons and the like. The time at
 * which an execution began is the log's to say, not the machine's.
 */
export function isInline({ total, simple, names }: Expression): boolean {
  return total && simple && !names.includes('execution');
}

/** The step that `$steps.<id>` means here: of this scope, else of the scopes around it. */
export function visibleStep(place: Place, id: string): Step {
  for (let at: Place | null = place; at !== null; at = at.outer) {
    const step = at.scope.steps.find((candidate) => candidate.id === id);
    if (step !== undefined) return step;
  }
  throw new TypeError(`no step '${id}' is visible in '${place.path}'`);
}

function bindings(place: Place, { steps, names }: Expression): string[] {
  const bound: string[] = [];
  if (steps.length > 0) {
    const members = [...steps].sort().map((id) => `'${id}': ${visible(place, id)}`);
    bound.push(`$steps := {${members.join(', ')}}`);
  }
  for (const name of [...names].sort()) bound.push(`$${name} := ${named(place, name)}`);
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

function named(place: Place, name: VisibleName): string {
  switch (name) {
    case 'input':
      return '$states.context.Execution.Input';
    case 'item':
      return `$${held(place.item, name, place)}`;
    case 'index':
      return `$${held(place.index, name, place)}`;
    case 'loop': {
      const { index, last } = held(place.loop, name, place);
      return `{'index': $${index}, 'last': $${last}}`;
    }
    case 'execution':
    case 'result':
      throw new TypeError(`'$${name}' is read in '${place.path}', outside the step runner`);
  }
}

function held<T>(value: T | null, name: string, place: Place): T {
  if (value === null) throw new TypeError(`'$${name}' is read in '${place.path}', outside of it`);
  return value;
}

/** JSONata for a condition with what it reads in front; safe to use inside a larger one. */
export function bound(place: Place, condition: Expression): string {
  const before = bindings(place, condition);
  const source = `(${condition.source})`;
  return before.length === 0 ? source : `(${before.join('; ')}; ${source})`;
}

/** What a payload may bring for the runner's expressions: AWS takes 256 KiB in all. */
const BROUGHT_BYTES = 192 * 1_024;
/** What one expression yields at most (rule 14), so what an item is. */
const ITEM_BYTES = 65_536;

/**
 * The member of a payload with what these expressions read of the machine. None: they read nothing, or
 * more than a payload may bring, and then the runner reads the log. `self` is not there yet.
 */
export function runnerBindings(
  place: Place,
  expressions: readonly Expression[],
  self: Step | null,
): { readonly bindings?: AslValue } {
  const ids = new Set(expressions.flatMap(({ steps }) => steps));
  if (self !== null) ids.delete(self.id);
  const names = new Set(expressions.flatMap((each) => each.names));
  const found: Record<string, AslValue> = {};
  let bytes = 0;
  if (ids.size > 0) {
    const members = [...ids].sort().map((id) => [id, asl(visible(place, id))]);
    found['steps'] = Object.fromEntries(members);
    for (const id of ids) bytes += visibleStep(place, id).maxOutputBytes;
  }
  if (names.has('item')) {
    found['item'] = asl(`$${held(place.item, 'item', place)}`);
    bytes += ITEM_BYTES;
  }
  if (names.has('index')) found['index'] = asl(`$${held(place.index, 'index', place)}`);
  if (names.has('loop')) {
    const { index, last, lastBytes } = held(place.loop, 'loop', place);
    found['loop'] = { index: asl(`$${index}`), last: asl(`$${last}`) };
    bytes += lastBytes;
  }
  return Object.keys(found).length === 0 || bytes > BROUGHT_BYTES ? {} : { bindings: found };
}
