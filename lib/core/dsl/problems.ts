import type { Problem } from '#core/errors.ts';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { LIMITS } from './limits.ts';

const GIVEN_CHARACTERS = 60;

/** A value as a problem shows it: JSON, cut when it is long. Looks no further than it shows. */
export function shown(value: unknown): string {
  const text = firstOf(value, GIVEN_CHARACTERS);
  return text.length <= GIVEN_CHARACTERS ? text : `${text.slice(0, GIVEN_CHARACTERS - 1)}…`;
}

/** At least the first `room` characters of the JSON of a value, all of it when it is shorter. */
function firstOf(value: unknown, room: number): string {
  if (room <= 0) return '…';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, room + 1));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? String(value);
  const isList = Array.isArray(value);
  let text = isList ? '[' : '{';
  for (const key in value) {
    if (text.length > room) return text;
    if (text.length > 1) text += ',';
    if (!isList) text += `${JSON.stringify(key.slice(0, room))}:`;
    text += firstOf((value as Record<string, unknown>)[key], room - text.length);
  }
  return text + (isList ? ']' : '}');
}

/** `'a', 'b' and 'c'`. */
export function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

/** Collects what is wrong; bounded, whatever the document. */
export class Problems {
  readonly #found: Problem[] = [];

  add(...problems: readonly Problem[]): void {
    for (const problem of problems) {
      // A few times what is shown, so that sorting still puts the first ones first.
      if (this.#found.length < 5 * LIMITS.problems) this.#found.push(problem);
    }
  }

  get length(): number {
    return this.#found.length;
  }

  /** In document order, at most `LIMITS.problems` and one that says there were more. */
  inOrderOf(document: unknown): readonly Problem[] {
    const sorted = sortByDocument(this.#found, document);
    if (sorted.length <= LIMITS.problems) return sorted;
    const more: Problem = {
      code: 'E_SCHEMA',
      pointer: '',
      message: `more problems follow; the first ${LIMITS.problems} are shown`,
    };
    return [...sorted.slice(0, LIMITS.problems), more];
  }
}

/** Sorts by where the pointers lead in the document as it was written. */
export function sortByDocument(problems: readonly Problem[], document: unknown): Problem[] {
  const positions = new Map<JsonObject, Map<string, number>>();
  const keyed = problems.map((problem) => ({
    problem,
    key: documentPosition(problem.pointer, document, positions),
  }));
  keyed.sort((a, b) => comparePositions(a.key, b.key));
  return keyed.map(({ problem }) => problem);
}

function documentPosition(
  pointer: string,
  document: unknown,
  positions: Map<JsonObject, Map<string, number>>,
): readonly number[] {
  const key: number[] = [];
  let value = document;
  for (const token of pointerTokens(pointer)) {
    if (Array.isArray(value)) {
      key.push(Number(token));
      value = value[Number(token)];
    } else if (isJsonObject(value)) {
      let order = positions.get(value);
      if (order === undefined) {
        order = new Map(Object.keys(value).map((name, i) => [name, i]));
        positions.set(value, order);
      }
      key.push(order.get(token) ?? order.size);
      value = Object.hasOwn(value, token) ? value[token] : undefined;
    } else break;
  }
  return key;
}

function comparePositions(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The tokens of a JSON Pointer, unescaped. */
export function pointerTokens(pointer: string): readonly string[] {
  if (pointer === '') return [];
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}
