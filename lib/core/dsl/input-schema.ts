import {
  Ajv2020,
  type AnySchemaObject,
  type ErrorObject,
  type Format,
  type ValidateFunction,
} from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { RE2JS } from 're2js';
import type { Problem } from '#core/errors.ts';
import { canonicalJson, isJsonObject, type Json, type JsonObject, pointerTo } from '#core/json.ts';
import { inputProblems } from './input-problems.ts';
import { LIMITS } from './limits.ts';
import { pointerTokens, shown } from './problems.ts';

/**
 * JSON Schemas that tenants write for their inputs. They are code: compiled here, and run on every
 * input. So: no reference leaves the schema, none is recursive, the schema with all references
 * written out stays small, patterns run on a linear engine, and uniqueness is asked of short lists.
 * And since hundreds of cheap checks on thousands of texts are dear (seconds of an event loop that
 * everybody shares), patterns, formats and uniqueness draw on one meter per input.
 */

/** Work that one input may cost, in steps of a pattern on a character: about 50 ns each. */
class Meter {
  // Full at first: schemas are checked against that of draft 2020-12, which asks for uniqueness too.
  #left: number = LIMITS.inputSchemaWork;

  refill(): void {
    this.#left = LIMITS.inputSchemaWork;
  }

  /** `CALL` more, for what any check costs on the shortest text. */
  spend(steps: number): void {
    this.#left -= steps + CALL;
    if (this.#left < 0) throw new TooMuchWork();
  }
}

class TooMuchWork extends Error {}

const CALL = 20;

interface LinearEngine {
  test(text: string): boolean;
  toString(): string;
}

/**
 * Ajv's generated code asks for an engine that looks like RegExp; re2js is linear in the text, times
 * the size of its program. `toString` tells patterns apart: Ajv keeps one engine for each text.
 */
function linearEngines(meter: Meter): ((pattern: string) => LinearEngine) & { code: string } {
  const engineOf = (pattern: string): LinearEngine => {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
    const size = compiled.programSize();
    return {
      test(text) {
        meter.spend(text.length * size);
        return compiled.matcher(text).find();
      },
      toString: () => `re2:${pattern}`,
    };
  };
  return Object.assign(engineOf, { code: 'linearEngine' });
}

function createAjv(meter = new Meter(), allErrors = false): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors,
    verbose: true,
    strict: false,
    logger: false,
    addUsedSchema: false,
    inlineRefs: false,
    code: { regExp: linearEngines(meter) as never },
  });
  // Full formats use backtracking expressions; the fast ones are simple.
  for (const name of FORMATS) {
    const check = testOf(addFormats.default.get(name, 'fast'));
    ajv.addFormat(name, (text: string) => {
      meter.spend(text.length);
      return check(text);
    });
  }
  // Ajv's own compares every item with every other.
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: { message: 'must NOT have duplicate items' },
    validate: (wanted: boolean, items: readonly Json[]) => !wanted || areUnique(items, meter),
  });
  return ajv;
}

function testOf(format: Format): (text: string) => boolean {
  const test = typeof format === 'object' && 'validate' in format ? format.validate : format;
  if (test instanceof RegExp) return (text) => test.test(text);
  if (typeof test === 'function') return (text) => test(text as never) === true;
  throw new TypeError('a format is neither an expression nor a function');
}

function areUnique(items: readonly Json[], meter: Meter): boolean {
  const seen = new Set<string>();
  for (const item of items) {
    const text = canonicalJson(item);
    meter.spend(text.length);
    seen.add(text);
  }
  return seen.size === items.length;
}

const FORMATS = ['date-time', 'date', 'time', 'email', 'uri', 'uuid', 'ipv4'] as const;

const REFUSED_KEYWORDS = ['$id', '$anchor', '$dynamicRef', '$dynamicAnchor', '$recursiveRef', 'id'];

/** Everything that is wrong with the schema of an input. */
export function checkInputSchema(schema: JsonObject, pointer: string): Problem[] {
  const problems: Problem[] = [];
  const values = scan(schema, pointer, problems);
  if (values > LIMITS.inputSchemaValues) {
    return [
      {
        code: 'E_SCHEMA',
        pointer,
        message: 'the schema of the input is too large',
        allowed: `at most ${LIMITS.inputSchemaValues} values`,
      },
    ];
  }
  if (problems.length > 0) return problems;
  const patterns = patternsOf(schema);
  const characters = patterns.reduce((sum, pattern) => sum + pattern.length, 0);
  if (
    patterns.length > LIMITS.inputSchemaPatterns ||
    characters > LIMITS.inputSchemaPatternCharacters
  ) {
    return [
      {
        code: 'E_SCHEMA',
        pointer,
        message: 'the schema of the input has too many patterns, formats and uniqueItems',
        given: `${patterns.length} of ${characters} characters`,
        allowed: `at most ${LIMITS.inputSchemaPatterns}, of ${LIMITS.inputSchemaPatternCharacters} characters in all`,
      },
    ];
  }
  const size = expandedSize(schema, schema, new Set(), new Map());
  if (size === null || size > LIMITS.inputSchemaExpansions) {
    return [
      {
        code: 'E_SCHEMA',
        pointer,
        message:
          size === null
            ? 'a $ref leads nowhere or back to itself'
            : 'the schema is too large with every $ref written out',
        allowed: `references to other parts of this schema, at most ${LIMITS.inputSchemaExpansions} values in all`,
      },
    ];
  }
  try {
    createAjv().compile(schema as AnySchemaObject);
    return [];
  } catch (error) {
    // What Ajv throws is about the schema and made of it: its first line is safe and short.
    const [line] = String(error instanceof Error ? error.message : error).split('\n');
    return [
      {
        code: 'E_SCHEMA',
        pointer,
        message: `the schema of the input cannot be used: ${(line ?? '').slice(0, 200)}`,
        allowed: 'a JSON Schema of draft 2020-12',
      },
    ];
  }
}

/**
 * Validates inputs against a schema that `checkInputSchema` has accepted. Whether an input fits is
 * decided by a check that stops at the first problem; one that does not fit is checked again for all
 * of them, on what the first check left of the meter, and only where the answer is sure to be short:
 * a part of the schema is held against a value at most once, so their product bounds the errors.
 */
export function createInputValidator(schema: JsonObject): (input: Json) => Problem[] {
  const meter = new Meter();
  const validate = createAjv(meter).compile(schema as AnySchemaObject);
  const size = Math.max(1, expandedSize(schema, schema, new Set(), new Map()) ?? Infinity);
  let thorough: ValidateFunction | null = null;
  const allErrors = (input: Json): readonly ErrorObject[] | null => {
    const most = LIMITS.inputSchemaAllProblems / size;
    if (valuesUpTo(input, most) > most) return null;
    thorough ??= createAjv(meter, true).compile(schema as AnySchemaObject);
    try {
      return thorough(input) ? null : (thorough.errors ?? null);
    } catch (error) {
      if (error instanceof TooMuchWork) return null;
      throw error;
    }
  };
  return (input) => {
    meter.refill();
    try {
      if (validate(input)) return [];
    } catch (error) {
      if (!(error instanceof TooMuchWork)) throw error;
      return [
        {
          code: 'INPUT_INVALID',
          pointer: '',
          message:
            'the input takes too much work to check: its texts are many or long for the schema',
          allowed: `${LIMITS.inputSchemaWork} steps of patterns, formats and uniqueItems on characters`,
        },
      ];
    }
    const first = validate.errors ?? [];
    const all = allErrors(input);
    if (all !== null) return inputProblems(all, input);
    return [
      ...inputProblems(first, input),
      {
        code: 'INPUT_INVALID',
        pointer: '',
        message: 'more problems may follow: an input this large is checked up to the first one',
      },
    ];
  };
}

/** Characters whose counting costs as much as a value does. */
const LENGTH = 100;

/** Values and names in a document, counted just past `most` and no further; long texts count more. */
function valuesUpTo(value: Json, most: number): number {
  let count = 0;
  const stack: Json[] = [value];
  for (let next = stack.pop(); next !== undefined && count <= most; next = stack.pop()) {
    count += typeof next === 'string' ? 1 + next.length / LENGTH : 1;
    if (typeof next !== 'object' || next === null) continue;
    const members = Object.values(next) as Json[];
    if (!Array.isArray(next)) count += members.length;
    if (members.length > most) return members.length;
    stack.push(...members);
  }
  return count;
}

function scan(schema: JsonObject, pointer: string, problems: Problem[]): number {
  let values = 0;
  const stack: { value: Json; pointer: string }[] = [{ value: schema, pointer }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    values += 1;
    if (values > LIMITS.inputSchemaValues) return values;
    const { value, pointer: at } = next;
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries())
        stack.push({ value: item, pointer: pointerTo(at, i) });
    } else if (isJsonObject(value)) {
      for (const key of Object.keys(value)) {
        const member = value[key] as Json;
        const problem = keywordProblem(key, member, value);
        if (problem !== null) {
          problems.push({ code: 'E_SCHEMA', pointer: pointerTo(at, key), ...problem });
        }
        stack.push({ value: member, pointer: pointerTo(at, key) });
      }
    }
  }
  return values;
}

/** Every pattern of a schema, and what costs as much to compile; in any place that may hold one. */
function patternsOf(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json) => patternsOf(item));
  if (!isJsonObject(value)) return [];
  const { pattern, format, uniqueItems, patternProperties } = value;
  return [
    ...(typeof pattern === 'string' ? [pattern] : []),
    ...(typeof format === 'string' ? [format] : []),
    ...(uniqueItems === true ? [''] : []),
    ...(isJsonObject(patternProperties) ? Object.keys(patternProperties) : []),
    ...Object.values(value).flatMap((member) => (member === undefined ? [] : patternsOf(member))),
  ];
}

/** Strict on purpose: a property that is named like a keyword is only looked at as a schema would be. */
function keywordProblem(
  key: string,
  value: Json,
  holder: JsonObject,
): Omit<Problem, 'code' | 'pointer'> | null {
  if (key === '$ref' && typeof value === 'string' && !/^#(?:\/|$)/u.test(value)) {
    return { message: '$ref leaves the schema', given: shown(value), allowed: "'#/$defs/...'" };
  }
  if (REFUSED_KEYWORDS.includes(key) && typeof value === 'string') {
    return {
      message: `'${key}' is not supported in the schema of an input`,
      allowed: "'$ref' to '#/$defs/...'",
    };
  }
  if (key === '$schema' && value !== 'https://json-schema.org/draft/2020-12/schema') {
    return {
      message: 'another dialect of JSON Schema',
      given: shown(value),
      allowed: 'draft 2020-12',
    };
  }
  if (key === 'uniqueItems' && value === true) {
    const most = holder['maxItems'];
    if (typeof most !== 'number' || most > LIMITS.inputSchemaUniqueItems) {
      return {
        message: 'uniqueItems compares every item with every other',
        allowed: `uniqueItems with maxItems of at most ${LIMITS.inputSchemaUniqueItems}`,
      };
    }
  }
  if (
    key === 'format' &&
    typeof value === 'string' &&
    !(FORMATS as readonly string[]).includes(value)
  ) {
    return { message: 'unknown format', given: shown(value), allowed: FORMATS.join(', ') };
  }
  return null;
}

/** Values with every `$ref` written out; null when one is recursive or leads nowhere. */
function expandedSize(
  value: Json,
  root: JsonObject,
  open: Set<string>,
  known: Map<string, number>,
): number | null {
  if (typeof value !== 'object' || value === null) return 1;
  let size = 1;
  for (const [key, member] of Object.entries(value)) {
    const inner =
      key === '$ref' && typeof member === 'string'
        ? referredSize(member, root, open, known)
        : expandedSize(member as Json, root, open, known);
    if (inner === null) return null;
    size += inner;
  }
  return size;
}

function referredSize(
  reference: string,
  root: JsonObject,
  open: Set<string>,
  known: Map<string, number>,
): number | null {
  const before = known.get(reference);
  if (before !== undefined) return before;
  if (open.has(reference)) return null;
  let target: Json | undefined = root;
  for (const token of pointerTokens(decodeFragment(reference.slice(1)))) {
    if (typeof target !== 'object' || target === null || !Object.hasOwn(target, token)) return null;
    target = (target as JsonObject)[token];
  }
  if (target === undefined) return null;
  open.add(reference);
  const size = expandedSize(target, root, open, known);
  open.delete(reference);
  if (size !== null) known.set(reference, size);
  return size;
}

function decodeFragment(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment; // no escape at all: taken as it stands, and not found if it was meant as one
  }
}
