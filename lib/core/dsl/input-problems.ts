import type { ErrorObject } from 'ajv/dist/2020.js';
import type { Problem } from '#core/errors.ts';
import { isJsonObject, type Json, pointerTo } from '#core/json.ts';
import { LIMITS } from './limits.ts';
import { quoted, shown, sortByDocument } from './problems.ts';

/**
 * What an input's schema says against it, in words. Ajv must be `verbose`. What it reports of the
 * inside of an `anyOf`, `oneOf` or `propertyNames` is told with the keyword, not beside it; an `if`
 * that has led to problems adds nothing to them.
 */
export function inputProblems(errors: readonly ErrorObject[], input: Json): Problem[] {
  const plain = errors.filter(({ keyword }) => keyword !== 'if');
  const looked = (plain.length === 0 ? errors : plain).slice(0, LOOKED);
  const holders = looked.filter(({ keyword }) => HOLDERS.has(keyword));
  const held = new Set(
    looked.filter((error) => holders.some((holder) => holder !== error && isInside(error, holder))),
  );
  const told = looked
    .filter((error) => !held.has(error))
    .map((error) =>
      problemOf(
        error,
        [...held].filter((each) => isInside(each, error)),
      ),
    );
  const sorted = sortByDocument(told, input);
  if (sorted.length <= LIMITS.problems && plain.length <= LOOKED) return sorted;
  return [
    ...sorted.slice(0, LIMITS.problems),
    { code: 'INPUT_INVALID', pointer: '', message: 'more problems follow' },
  ];
}

/** Errors that are read at all: each is held against each. */
const LOOKED = 2 * LIMITS.problems;

const HOLDERS: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'propertyNames']);

function isInside(error: ErrorObject, holder: ErrorObject): boolean {
  if (!HOLDERS.has(holder.keyword)) return false;
  if (!error.schemaPath.startsWith(`${holder.schemaPath}/`)) return false;
  return holder.keyword === 'propertyNames'
    ? error.propertyName === holder.params['propertyName']
    : isAtOrBelow(error.instancePath, holder.instancePath);
}

function isAtOrBelow(path: string, above: string): boolean {
  return path === above || path.startsWith(`${above}/`);
}

interface Told {
  readonly message: string;
  readonly allowed?: string | undefined;
  /** The member that it is about, when that is not the value itself. */
  readonly member?: string;
}

function problemOf(error: ErrorObject, inside: readonly ErrorObject[]): Problem {
  const { message, allowed, member } = told(error, inside);
  const { instancePath } = error;
  const given = member === undefined ? briefly(error.data) : null;
  return {
    code: 'INPUT_INVALID',
    pointer: member === undefined ? instancePath : pointerTo(instancePath, member),
    message,
    ...(given === null ? {} : { given }),
    ...(allowed === undefined ? {} : { allowed }),
  };
}

function told(error: ErrorObject, inside: readonly ErrorObject[]): Told {
  const { keyword, data, schema } = error;
  const params = error.params as Readonly<Record<string, unknown>>;
  const name = (key: string) => String(params[key]);
  const number = Number(params['limit']);
  switch (keyword) {
    case 'required':
      return {
        message: `'${name('missingProperty')}' is missing`,
        member: name('missingProperty'),
      };
    case 'dependentRequired':
    case 'dependencies':
      return {
        message: `'${name('missingProperty')}' is missing, which '${name('property')}' asks for`,
        member: name('missingProperty'),
      };
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const member = String(params['additionalProperty'] ?? params['unevaluatedProperty']);
      return { message: `'${cut(member)}' is not a known member`, allowed: known(error), member };
    }
    case 'propertyNames':
      return {
        message: `'${cut(name('propertyName'))}' is not an allowed name`,
        allowed: choices(inside),
        member: name('propertyName'),
      };
    case 'type':
      return {
        message: `is ${what(data)}, not ${typeWords([schema])}`,
        allowed: typeWords([schema]),
      };
    case 'enum':
      return { message: `is ${what(data)}, which is not allowed`, allowed: oneOfThese(schema) };
    case 'const':
      return { message: `is ${what(data)}, which is not allowed`, allowed: shown(schema) };
    case 'minimum':
      return { message: `is ${what(data)}, which is too low`, allowed: `at least ${number}` };
    case 'exclusiveMinimum':
      return { message: `is ${what(data)}, which is too low`, allowed: `more than ${number}` };
    case 'maximum':
      return { message: `is ${what(data)}, which is too high`, allowed: `at most ${number}` };
    case 'exclusiveMaximum':
      return { message: `is ${what(data)}, which is too high`, allowed: `less than ${number}` };
    case 'multipleOf':
      return {
        message: `is ${what(data)}, which does not fit`,
        allowed: `a multiple of ${name('multipleOf')}`,
      };
    case 'minLength':
      return tooFew(lengthOf(data), number, 'character');
    case 'maxLength':
      return tooMany(lengthOf(data), number, 'character');
    case 'minItems':
      return tooFew(lengthOf(data), number, 'item');
    case 'maxItems':
    case 'items':
    case 'unevaluatedItems':
      return tooMany(lengthOf(data), Number(params['limit'] ?? params['len']), 'item');
    case 'minProperties':
      return tooFew(lengthOf(data), number, 'member');
    case 'maxProperties':
      return tooMany(lengthOf(data), number, 'member');
    case 'uniqueItems':
      return { message: 'has an item twice', allowed: 'items that all differ' };
    case 'pattern':
      return {
        message: `is ${what(data)}, which does not match`,
        allowed: cut(`text like ${schema}`),
      };
    case 'format':
      return { message: `is ${what(data)}, not a ${schema}`, allowed: `a ${schema}` };
    case 'contains':
      return {
        message: 'has too few or too many items of the kind that is asked for',
        allowed:
          params['maxContains'] === undefined
            ? `at least ${name('minContains')}`
            : `${name('minContains')} to ${name('maxContains')}`,
      };
    case 'anyOf':
    case 'oneOf': {
      if (Array.isArray(params['passingSchemas'])) {
        return {
          message: `is ${what(data)}, which fits more than one shape`,
          allowed: 'one shape',
        };
      }
      const types = onlyTypes(error, inside);
      if (types !== null) return { message: `is ${what(data)}, not ${types}`, allowed: types };
      return { message: `is ${what(data)}, which fits no allowed shape`, allowed: choices(inside) };
    }
    case 'not':
      return { message: `is ${what(data)}, which the schema excludes` };
    case 'false schema':
      return { message: 'is not allowed here', allowed: 'nothing' };
    case 'if':
      return { message: `is ${what(data)}, which does not fit the rest of the input` };
    default:
      return { message: `is ${what(data)}, which does not fit '${keyword}'` };
  }
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  integer: 'an integer',
  boolean: 'true or false',
  object: 'an object',
  array: 'an array',
  null: 'null',
};

/** `a string or null`, of the `type` of one schema or of several. */
function typeWords(types: readonly unknown[]): string {
  const words = [...new Set(types.flat().map((type) => TYPE_WORDS[String(type)] ?? String(type)))];
  const last = words.pop() ?? '';
  return words.length === 0 ? last : `${words.join(', ')} or ${last}`;
}

/** When all shapes of a union are refused for their types alone, those types. */
function onlyTypes(union: ErrorObject, inside: readonly ErrorObject[]): string | null {
  const plain = inside.every(
    ({ keyword, instancePath }) => keyword === 'type' && instancePath === union.instancePath,
  );
  const shapes = Array.isArray(union.schema) ? union.schema.length : 0;
  return plain && inside.length === shapes ? typeWords(inside.map(({ schema }) => schema)) : null;
}

/** What the shapes of a union, or of a name, ask for. */
function choices(inside: readonly ErrorObject[]): string | undefined {
  const words = inside.slice(0, LISTED).map((error) => {
    const { message, allowed } = told(error, []);
    return error.keyword === 'required'
      ? `with ${error.params['missingProperty']}`
      : (allowed ?? message);
  });
  const distinct = [...new Set(words)];
  return distinct.length === 0 ? undefined : cut(distinct.join('; or '));
}

const LISTED = 20;
const CHARACTERS = 300;

function cut(text: string): string {
  return text.length <= CHARACTERS ? text : `${text.slice(0, CHARACTERS - 1)}…`;
}

function oneOfThese(values: unknown): string {
  const list = Array.isArray(values) ? values : [];
  const more = list.length > LISTED ? `, … (${list.length} in all)` : '';
  return cut(list.slice(0, LISTED).map(shown).join(', ')) + more;
}

function known({ parentSchema, keyword }: ErrorObject): string | undefined {
  if (keyword !== 'additionalProperties') return undefined;
  const properties: unknown = parentSchema?.['properties'];
  const names = Object.keys((properties as object | undefined) ?? {});
  return names.length === 0 ? undefined : cut(quoted(names.slice(0, LISTED)));
}

function what(data: unknown): string {
  if (Array.isArray(data)) return 'an array';
  return typeof data === 'object' && data !== null ? 'an object' : shown(data);
}

/** Scalars only: a large value would repeat the input in its own refusal. */
function briefly(data: unknown): string | null {
  return typeof data === 'object' && data !== null ? null : shown(data);
}

function lengthOf(data: unknown): number {
  if (typeof data === 'string') return charactersOf(data);
  if (Array.isArray(data)) return data.length;
  return isJsonObject(data as Json) ? Object.keys(data as object).length : 0;
}

/** Code points, as the keywords count them. */
function charactersOf(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function tooFew(count: number, limit: number, unit: string): Told {
  return { message: `has ${counted(count, unit)}`, allowed: `at least ${counted(limit, unit)}` };
}

function tooMany(count: number, limit: number, unit: string): Told {
  return { message: `has ${counted(count, unit)}`, allowed: `at most ${counted(limit, unit)}` };
}

function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
