import { Ajv2020, type AnySchemaObject, type ErrorObject } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { RE2JS } from 're2js';
import type { Problem } from '#core/errors.ts';
import { isJsonObject, type Json, type JsonObject, pointerTo } from '#core/json.ts';
import { LIMITS } from './limits.ts';
import { pointerTokens, shown } from './problems.ts';

/**
 * JSON Schemas that tenants write for their inputs. They are code: compiled here, and run on every
 * input. So: no reference leaves the schema, none is recursive, the schema with all references
 * written out stays small, patterns run on a linear engine, and uniqueness is asked of short lists.
 */

/**
 * Ajv's generated code asks for an engine that looks like RegExp; re2js is linear in the text.
 * `toString` tells patterns apart: Ajv keeps one engine for each text that it gives.
 */
function linearEngine(pattern: string): { test(text: string): boolean; toString(): string } {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
  return { test: (text) => compiled.matcher(text).find(), toString: () => `re2:${pattern}` };
}
linearEngine.code = 'linearEngine';

function createAjv(): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors: false,
    strict: false,
    logger: false,
    addUsedSchema: false,
    inlineRefs: false,
    code: { regExp: linearEngine as never },
  });
  // Full formats use backtracking expressions; the fast ones are simple.
  addFormats.default(ajv, { mode: 'fast', formats: [...FORMATS] });
  return ajv;
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

/** Validates inputs against a schema that `checkInputSchema` has accepted. */
export function createInputValidator(schema: JsonObject): (input: Json) => Problem[] {
  const validate = createAjv().compile(schema as AnySchemaObject);
  return (input) => (validate(input) ? [] : (validate.errors ?? []).map(inputProblem));
}

function inputProblem({ instancePath, message, params, keyword }: ErrorObject): Problem {
  const key: unknown = params['additionalProperty'] ?? params['unevaluatedProperty'];
  return {
    code: 'INPUT_INVALID',
    pointer: typeof key === 'string' ? pointerTo(instancePath, key) : instancePath,
    message: `the input ${message ?? `breaks '${keyword}'`}`,
    allowed: shown(params),
  };
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
