import type { Json } from './json.ts';

/** Levels that a foreign document may have: what every store, cache and evaluator takes. */
export const FOREIGN_DEPTH = 64;
const MAX_VALUES = 100_000;

export type ForeignJson =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly message: string };

class Unfit extends Error {}

/**
 * Parses a document that somebody else wrote, into values that every part of ours can keep: bounded
 * depth and number, finite numbers and exact integers, no NUL and no lone surrogate (they become U+FFFD), and no member
 * named `__proto__`. Messages end a sentence that begins with what the document is.
 */
export function parseForeignJson(text: string): ForeignJson {
  let parsed: Json;
  try {
    parsed = JSON.parse(text) as Json;
  } catch {
    return { ok: false, message: 'is not JSON' };
  }
  // Escapes are the only way to a NUL or half a pair in JSON: without any, texts are good as they are.
  const dirty = /\\u(?:0000|d[89a-f])/i.test(text);
  try {
    return { ok: true, value: settle(parsed, 1, { values: MAX_VALUES }, dirty) };
  } catch (error) {
    if (error instanceof Unfit) return { ok: false, message: error.message };
    throw error;
  }
}

/** Whether any store takes the text: no NUL and no half of a surrogate pair. */
export function isClean(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** Text without what cannot be stored. */
export function cleanText(text: string): string {
  return isClean(text) ? text : text.replaceAll('\0', '\ufffd').toWellFormed();
}

function settle(value: Json, depth: number, budget: { values: number }, dirty: boolean): Json {
  budget.values -= 1;
  if (budget.values < 0) throw new Unfit(`holds more than ${MAX_VALUES} values`);
  if (typeof value === 'string') return dirty ? cleanText(value) : value;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Unfit('holds a number too large to be one');
    // R13: kept as a double it would silently be another number, and only one runtime would notice.
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw new Unfit('holds an integer beyond 2^53 - 1, which has to travel as text');
    }
    return value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth > FOREIGN_DEPTH) throw new Unfit(`is nested deeper than ${FOREIGN_DEPTH}`);
  if (Array.isArray(value)) {
    return (value as readonly Json[]).map((item) => settle(item, depth + 1, budget, dirty));
  }
  const members: [string, Json][] = [];
  for (const [key, member] of Object.entries(value)) {
    if (key === '__proto__') throw new Unfit("holds a member named '__proto__'");
    members.push([dirty ? cleanText(key) : key, settle(member, depth + 1, budget, dirty)]);
  }
  return Object.fromEntries(members);
}
