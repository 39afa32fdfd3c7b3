import type { Json } from '#core/json.ts';
import { stepFailure } from './failure.ts';

/** Levels that a foreign document may have: what every store, cache and evaluator takes. */
const MAX_DEPTH = 64;
const MAX_VALUES = 100_000;

/** What a body says about itself, as text and as JSON where it claims to be JSON. */
export function readBodyText(body: Uint8Array, contentType: string): string {
  const charset =
    /;\s*charset\s*=\s*"?([A-Za-z0-9._:-]{1,40})"?/i.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset, { fatal: true }).decode(body);
  } catch {
    throw stepFailure('InvalidResponse', `the body is not text in ${charset.toLowerCase()}`);
  }
}

export function isJsonType(contentType: string): boolean {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return type === 'application/json' || type === 'text/json' || type.endsWith('+json');
}

/**
 * Parses a document that somebody else wrote, into values that every part of ours can keep: bounded
 * depth and number, finite numbers, no NUL and no lone surrogate (they become U+FFFD), and no member
 * named `__proto__`.
 */
export function parseForeignJson(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw stepFailure('InvalidResponse', 'the body says that it is JSON and is not');
  }
  const budget = { values: MAX_VALUES };
  // Escapes are the only way to a NUL or half a pair in JSON: without any, texts are good as they are.
  const dirty = /\\u(?:0000|d[89a-f])/i.test(text);
  return settle(value as Json, 1, budget, dirty);
}

/** Text without what cannot be stored. */
export function cleanText(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed();
}

function settle(value: Json, depth: number, budget: { values: number }, dirty: boolean): Json {
  budget.values -= 1;
  if (budget.values < 0) {
    throw stepFailure('InvalidResponse', `the body holds more than ${MAX_VALUES} values`);
  }
  if (typeof value === 'string') return dirty ? cleanText(value) : value;
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value;
    throw stepFailure('InvalidResponse', 'the body holds a number too large to be one');
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) {
    throw stepFailure('InvalidResponse', `the body is nested deeper than ${MAX_DEPTH}`);
  }
  if (Array.isArray(value)) {
    return (value as readonly Json[]).map((item) => settle(item, depth + 1, budget, dirty));
  }
  const members: [string, Json][] = [];
  for (const [key, member] of Object.entries(value)) {
    if (key === '__proto__') {
      throw stepFailure('InvalidResponse', "the body holds a member named '__proto__'");
    }
    members.push([dirty ? cleanText(key) : key, settle(member, depth + 1, budget, dirty)]);
  }
  return Object.fromEntries(members);
}
