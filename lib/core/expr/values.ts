import { ALLOCATED_BYTES, RESULT_DEPTH, SEQUENCE_ITEMS, STRING_UNITS } from '#core/expr/limits.ts';
import { ExpressionFault, UnfitValue } from '#core/expr/outcome.ts';
import { cleanText } from '#core/foreign-json.ts';
import type { Json } from '#core/json.ts';
import { utf8Length } from '#core/json.ts';

/**
 * Turns what an evaluation yields into plain JSON: sequences become arrays, objects without a
 * prototype become ordinary ones, -0 becomes 0, and NUL and halves of surrogate pairs become U+FFFD,
 * since no store keeps them: a value must be the same before and after it was stored. Refuses what is
 * not JSON.
 *
 * V1 The result shares no array or object with the value.
 * V2 Work is bounded by `maxBytes`, whatever the value is.
 */
export function toJson(value: unknown, maxBytes: number): Json {
  return copyValue(value, 0, { left: maxBytes, clean: true }, maxBytes);
}

/**
 * As `toJson` for a value that is known to be JSON: checks it, and copies nothing. False: it holds
 * text that has to be cleaned.
 */
export function checkJson(value: Json, maxBytes: number): boolean {
  const budget = { left: maxBytes, clean: true };
  measure(value, 0, budget, maxBytes);
  return budget.clean;
}

interface Budget {
  left: number;
  /** No text so far has held what has to be cleaned. */
  clean: boolean;
}

function copyValue(value: unknown, depth: number, budget: Budget, max: number): Json {
  if (typeof value !== 'object' || value === null) {
    spendScalar(value, budget, max);
    if (typeof value === 'string') return cleanText(value);
    return Object.is(value, -0) ? 0 : (value as Json);
  }
  checkDepth(depth);
  if (Array.isArray(value)) {
    spend(budget, arrayBytes(value.length), max);
    return value.map((item) => copyValue(item, depth + 1, budget, max));
  }
  const keys = objectKeys(value as Record<string, unknown>, budget, max);
  const copy: Record<string, Json> = {};
  for (const key of keys) {
    copy[cleanText(key)] = copyValue(
      (value as Record<string, unknown>)[key],
      depth + 1,
      budget,
      max,
    );
  }
  return copy;
}

function measure(value: unknown, depth: number, budget: Budget, max: number): void {
  if (typeof value !== 'object' || value === null) {
    spendScalar(value, budget, max);
    return;
  }
  checkDepth(depth);
  if (Array.isArray(value)) {
    spend(budget, arrayBytes(value.length), max);
    for (const item of value) measure(item, depth + 1, budget, max);
    return;
  }
  for (const key of objectKeys(value as Record<string, unknown>, budget, max)) {
    measure((value as Record<string, unknown>)[key], depth + 1, budget, max);
  }
}

function arrayBytes(length: number): number {
  return length === 0 ? 2 : length + 1; // brackets and commas
}

function objectKeys(
  value: Record<string, unknown>,
  budget: Budget,
  max: number,
): readonly string[] {
  if (isFunctionValue(value)) throw new UnfitValue('not_json', 'the result holds a function');
  const keys = Object.keys(value);
  spend(budget, arrayBytes(keys.length) + keys.length, max);
  for (const key of keys) {
    if (key === '__proto__') {
      throw new UnfitValue('not_json', 'the result holds a member named __proto__');
    }
    spendText(key, budget, max);
  }
  return keys;
}

function spendScalar(value: unknown, budget: Budget, max: number): void {
  switch (typeof value) {
    case 'string':
      spendText(value, budget, max);
      return;
    case 'number':
      spend(budget, checkedNumber(value), max);
      return;
    case 'boolean':
      spend(budget, value ? 4 : 5, max);
      return;
    case 'object': // null: other objects do not come here
      spend(budget, 4, max);
      return;
    case 'function':
      throw new UnfitValue('not_json', 'the result holds a function');
    default:
      throw new UnfitValue('not_json', 'the result holds something that is not JSON');
  }
}

function spendText(given: string, budget: Budget, max: number): void {
  const text = cleanText(given);
  if (text !== given) budget.clean = false;
  spend(budget, text.length + 2 > budget.left ? text.length + 2 : stringBytes(text), max);
}

/** Characters of a number in JSON; refuses what rule 13 refuses. */
function checkedNumber(value: number): number {
  if (!Number.isFinite(value)) {
    throw new UnfitValue('non_finite', 'the result is not a finite number');
  }
  if (Number.isInteger(value)) {
    if (!Number.isSafeInteger(value)) {
      throw new UnfitValue(
        'non_finite',
        'the result is an integer beyond 9007199254740991; carry such numbers as strings',
      );
    }
    if (value >= 0 && value < 10) return 1;
  }
  return String(value).length;
}

/** Bytes of a string in canonical JSON, quotes and escapes included. */
function stringBytes(text: string): number {
  return PLAIN.test(text) ? text.length + 2 : utf8Length(JSON.stringify(text));
}

const PLAIN = /^[ !#-[\]-~]*$/;

function spend(budget: Budget, bytes: number, max: number): void {
  budget.left -= bytes;
  if (budget.left < 0) {
    throw new UnfitValue('too_large', `the result is larger than ${max} bytes of JSON`);
  }
}

function checkDepth(depth: number): void {
  if (depth >= RESULT_DEPTH) {
    throw new UnfitValue('too_deep', `the result nests deeper than ${RESULT_DEPTH} levels`);
  }
}

/**
 * What jsonata takes for a function. Data can pretend to be one with these members, and jsonata
 * then treats it as one, so we must too.
 */
export function isFunctionValue(value: unknown): boolean {
  if (typeof value === 'function') return true;
  if (typeof value !== 'object' || value === null) return false;
  const marked = value as { _jsonata_function?: unknown; _jsonata_lambda?: unknown };
  return marked._jsonata_function === true || marked._jsonata_lambda === true;
}

/** Throws when a string made during an evaluation is longer than any may be. */
export function checkStringUnits(units: number): void {
  if (units > STRING_UNITS) {
    throw new ExpressionFault('memory', `a string grew beyond ${STRING_UNITS} characters`);
  }
}

export function checkItems(items: number, limit: number = SEQUENCE_ITEMS): void {
  if (items > limit) {
    throw new ExpressionFault('sequence', `a sequence grew beyond ${limit} items`);
  }
}

/** Counts what one evaluation allocates and how long it runs inside one built-in function. */
export class Meter {
  readonly sequenceItems: number;
  private readonly expired: () => boolean;
  private bytesLeft = ALLOCATED_BYTES;
  private ticks = 0;

  constructor(sequenceItems: number, expired: () => boolean) {
    this.sequenceItems = sequenceItems;
    this.expired = expired;
  }

  chargeString(units: number): void {
    checkStringUnits(units);
    this.charge(units);
  }

  chargeItems(items: number): void {
    checkItems(items, this.sequenceItems);
    this.charge(items * 8);
  }

  /** Called after each node and before each function: work that may take milliseconds. */
  turn(): void {
    if (this.expired()) throw new ExpressionFault('wall_clock', 'the expression ran too long');
  }

  /** Called once per turn of a loop of ours, whose turns take less than a look at the time. */
  tick(): void {
    this.ticks += 1;
    if ((this.ticks & 0xff) === 0) this.turn();
  }

  private charge(bytes: number): void {
    this.bytesLeft -= bytes;
    if (this.bytesLeft < 0) {
      throw new ExpressionFault('memory', `the expression allocated over ${ALLOCATED_BYTES} bytes`);
    }
  }
}
