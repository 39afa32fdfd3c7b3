import type { Problem } from '#core/errors.ts';
import { pointerTo } from '#core/json.ts';
import { LIMITS } from './limits.ts';

/**
 * The first look at a document that anybody may have sent: is it plain JSON, and small enough for
 * what comes next? One pass over a stack of our own, so that no nesting can end the process.
 */
export interface WallCheck {
  readonly problems: readonly Problem[];
  /** The document is too deep, too large or no JSON: nothing else may look at it. */
  readonly fatal: boolean;
}

interface Pending {
  readonly value: unknown;
  readonly pointer: string;
  readonly depth: number;
}

export function checkWalls(document: unknown): WallCheck {
  const problems: Problem[] = [];
  const stack: Pending[] = [{ value: document, pointer: '', depth: 1 }];
  let values = 0;
  let characters = 0;
  let expressions = 0;
  const fatal = (pointer: string, message: string, allowed: string): WallCheck => ({
    problems: [{ code: 'E_SCHEMA', pointer, message, allowed }],
    fatal: true,
  });

  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { value, pointer, depth } = next;
    values += 1;
    if (values + stack.length > LIMITS.documentValues) {
      return fatal(
        '',
        'the document holds too many values',
        `at most ${LIMITS.documentValues} values`,
      );
    }
    switch (typeof value) {
      case 'boolean':
        continue;
      case 'string': {
        characters += value.length;
        if (characters > LIMITS.documentCharacters) return tooLong(fatal);
        expressions += countOf(value, '{%', LIMITS.documentExpressions);
        if (expressions > LIMITS.documentExpressions) {
          return fatal(
            pointer,
            'the document holds too many expressions',
            `at most ${LIMITS.documentExpressions} expressions`,
          );
        }
        problems.push(...textProblems(value, pointer));
        continue;
      }
      case 'number':
        problems.push(...numberProblems(value, pointer));
        continue;
      case 'object':
        break;
      default:
        return fatal(pointer, `a ${typeof value} is no JSON value`, 'JSON');
    }
    if (value === null) continue;
    if (depth > LIMITS.documentDepth) {
      return fatal(
        pointer,
        'the document is nested too deeply',
        `at most ${LIMITS.documentDepth} levels`,
      );
    }
    if (Array.isArray(value)) {
      if (values + stack.length + value.length > LIMITS.documentValues) {
        return fatal(pointer, 'the list is too long', `at most ${LIMITS.documentValues} values`);
      }
      for (let i = value.length - 1; i >= 0; i--) {
        stack.push({ value: value[i], pointer: pointerTo(pointer, i), depth: depth + 1 });
      }
      continue;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      return fatal(pointer, 'an object with a class is no JSON value', 'plain objects');
    }
    const keys = Object.keys(value);
    if (values + stack.length + keys.length > LIMITS.documentValues) {
      return fatal(
        pointer,
        'the object has too many keys',
        `at most ${LIMITS.documentValues} values`,
      );
    }
    for (const key of keys.reverse()) {
      characters += key.length;
      if (characters > LIMITS.documentCharacters) return tooLong(fatal);
      if (key === '__proto__') {
        return fatal(pointer, `the key '__proto__' is not allowed`, 'any other key');
      }
      const member = pointerTo(pointer, key);
      problems.push(...textProblems(key, member));
      stack.push({
        value: (value as Record<string, unknown>)[key],
        pointer: member,
        depth: depth + 1,
      });
    }
  }
  return { problems, fatal: false };
}

function tooLong(fatal: (pointer: string, message: string, allowed: string) => WallCheck) {
  return fatal(
    '',
    'the document holds too much text',
    `at most ${LIMITS.documentCharacters} characters in all`,
  );
}

/** How often `mark` occurs, counted up to one more than `most`. */
function countOf(text: string, mark: string, most: number): number {
  let count = 0;
  let at = text.indexOf(mark);
  while (at >= 0 && count <= most) {
    count += 1;
    at = text.indexOf(mark, at + mark.length);
  }
  return count;
}

/** What no store takes: it would fail later, far from whoever wrote it. */
function textProblems(text: string, pointer: string): Problem[] {
  if (text.isWellFormed() && !text.includes('\0')) return [];
  return [
    {
      code: 'E_SCHEMA',
      pointer,
      message: 'the text holds a NUL or half of a surrogate pair',
      allowed: 'well-formed Unicode without U+0000',
    },
  ];
}

/** Rule 13: integers that a double cannot hold would change silently. */
function numberProblems(value: number, pointer: string): Problem[] {
  const exact = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  if (exact) return [];
  return [
    {
      code: 'E_SCHEMA',
      pointer,
      message: 'the number cannot be held exactly',
      given: String(value),
      allowed: 'integers of at most 2^53 - 1; write larger ones as texts',
    },
  ];
}
