import type { TSchema } from 'typebox';

/** A symbol, as the names of things are: what is published of a schema says nothing of it. */
const WORDS = Symbol('in words');

/**
 * The same schema, with what it allows in words: what whoever breaks it is told. Patterns are for programs,
 * and a description says what a member is for, so each pattern in a request has these (a test asks).
 */
export function inWords<S extends TSchema>(allowed: string, schema: S): S {
  return { ...schema, [WORDS]: allowed };
}

interface Schema {
  readonly [WORDS]?: string;
  /** The same, of the schemas of the language. */
  readonly allowed?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly discriminator?: { readonly propertyName: string };
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
}

/** Null: what its keywords say is all. */
export function inWordsOf(schema: object): string | null {
  return (schema as Schema)[WORDS] ?? (schema as Schema).allowed ?? null;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  null: 'null',
};

/** What a schema allows, in words: its own, or those of its keywords. */
export function allowedBy(given: object): string {
  const own = inWordsOf(given);
  if (own !== null) return own;
  const schema = given as Schema;
  if (schema.enum !== undefined) return schema.enum.map(String).join(', ');
  if (schema.const !== undefined) return String(schema.const);
  if (schema.discriminator !== undefined) {
    const { propertyName } = schema.discriminator;
    return `an object whose '${propertyName}' is one of: ${shapesOf(schema, propertyName)}`;
  }
  const union = schema.anyOf ?? schema.oneOf;
  if (union !== undefined) return [...new Set(union.map(allowedBy))].join(' or ');
  if (schema.format === 'date-time') return 'an instant of RFC 3339: 2026-11-26T12:00:00.000Z';
  const { type = [], minimum, maximum } = schema;
  const words = [type].flat().map((each) => TYPES[each] ?? each);
  if (words.length === 0) return 'any JSON value';
  const between = range(minimum, maximum);
  const long =
    range(schema.minLength, schema.maxLength, 'character') ??
    range(schema.minItems, schema.maxItems, 'item') ??
    range(schema.minProperties, schema.maxProperties, 'member');
  return [
    words.join(' or '),
    between === null ? '' : `, ${between}`,
    long === null ? '' : ` of ${long}`,
    schema.items === undefined ? '' : `, each ${allowedBy(schema.items)}`,
    schema.properties === undefined ? '' : ` with ${Object.keys(schema.properties).join(', ')}`,
  ].join('');
}

/** The words that tell the shapes of a union apart. */
export function shapesOf(union: object, tag: string): string {
  const { oneOf = [] } = union as Schema;
  return oneOf.map((shape) => String(shape.properties?.[tag]?.const)).join(', ');
}

/** Null: there are no limits. */
function range(least: number | undefined, most: number | undefined, unit = ''): string | null {
  if (least === undefined && most === undefined) return null;
  if (most === undefined) return `at least ${counted(least ?? 0, unit)}`;
  if (least === undefined) return `at most ${counted(most, unit)}`;
  return `${least} to ${counted(most, unit)}`;
}

/** `1 item`, `2 items`. */
export function counted(count: number, unit: string): string {
  return unit === '' ? String(count) : `${count} ${unit}${count === 1 ? '' : 's'}`;
}
