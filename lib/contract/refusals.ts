import type { ErrorObject } from 'ajv';
import { withoutEchoes } from '#core/dsl/echoes.ts';
import type { Problem } from '#core/errors.ts';
import { allowedBy, counted, shapesOf } from '#core/in-words.ts';
import { pointerTo } from '#core/json.ts';

/**
 * What a request breaks of its contract, for whoever sent it: what was given, what is allowed and where. All
 * of it in words of ours, for the library that checks speaks of keywords and patterns.
 */
const SHOWN = 100;
/** Each is held against each, so what a hostile body breaks besides is not looked at. */
const LOOKED = 2 * SHOWN;

export function problemsOf(errors: readonly ErrorObject[]): readonly Problem[] {
  const told = withoutEchoes(errors.slice(0, LOOKED)).filter(
    // Without the word that tells shapes apart, that it is missing is told already.
    ({ keyword, params }) => keyword !== 'discriminator' || params['tagValue'] !== undefined,
  );
  // What breaks several keywords of one schema (its type, its words) is told once.
  const problems = told
    .map(toProblem)
    .map((each) => [`${each.pointer} ${each.allowed}`, each] as const);
  const seen = new Map(problems.toReversed());
  return problems
    .filter(([key, each]) => seen.get(key) === each)
    .map(([, each]) => each)
    .slice(0, SHOWN);
}

/** A parameter that takes one value and was given several; null: it was not. */
export function repetition(name: string, given: unknown, schema: object): Problem | null {
  if (!Array.isArray(given) || (schema as Schema).type === 'array') return null;
  const first = given.slice(0, 3).map((each) => JSON.stringify(String(each).slice(0, CHARACTERS)));
  return {
    code: 'REQUEST_INVALID',
    pointer: pointerTo('', name),
    message: `is given ${given.length} times`,
    given: first.join(', ') + (given.length > first.length ? ', …' : ''),
    allowed: `once: ${allowedBy(schema)}`,
  };
}

interface Schema {
  readonly type?: string | readonly string[];
  readonly discriminator?: { readonly propertyName: string };
  readonly properties?: Readonly<Record<string, Schema>>;
}

const MESSAGES: Readonly<Record<string, string>> = {
  type: 'is of another type',
  enum: 'is none of these words',
  const: 'is another value',
  minimum: 'is too low',
  maximum: 'is too high',
  minLength: 'is too short',
  maxLength: 'is too long',
  minItems: 'has too few items',
  maxItems: 'has too many items',
  minProperties: 'has too few members',
  maxProperties: 'has too many members',
  uniqueItems: 'has an item twice',
  pattern: 'does not have the right form',
  format: 'does not have the right form',
};

function toProblem(error: ErrorObject): Problem {
  const { keyword, instancePath, data } = error;
  const schema = (error.parentSchema ?? {}) as Schema;
  const params = error.params as Readonly<Record<string, unknown>>;
  const about = (member: unknown, message: string, allowed: string, given?: string): Problem => ({
    code: 'REQUEST_INVALID',
    pointer: pointerTo(instancePath, String(member)),
    message,
    ...(given === undefined ? {} : { given }),
    allowed,
  });
  switch (keyword) {
    case 'additionalProperties': {
      const known = Object.keys(schema.properties ?? {});
      const name = String(params['additionalProperty']).slice(0, CHARACTERS);
      const allowed = known.length === 0 ? 'nothing: it has no members' : known.join(', ');
      return about(params['additionalProperty'], `'${name}' is not known here`, allowed);
    }
    case 'required': {
      const name = String(params['missingProperty']);
      const allowed =
        schema.discriminator?.propertyName === name
          ? shapesOf(schema, name)
          : allowedBy(schema.properties?.[name] ?? {});
      return about(name, 'is missing', allowed);
    }
    case 'propertyNames': {
      const given = JSON.stringify(String(params['propertyName']).slice(0, CHARACTERS));
      const allowed = allowedBy(error.schema as object);
      return about(params['propertyName'], 'is no name that it may have', allowed, given);
    }
    case 'discriminator': {
      const allowed = shapesOf(schema, String(params['tag']));
      const given = shown(params['tagValue']);
      return about(params['tag'], 'names no shape that is known', allowed, given);
    }
  }
  const unique = keyword === 'uniqueItems' ? '; each once' : '';
  return {
    code: 'REQUEST_INVALID',
    pointer: instancePath,
    message: MESSAGES[keyword] ?? 'does not fit',
    ...(isSecret(schema) ? {} : { given: shown(data) }),
    allowed: allowedBy(schema) + unique,
  };
}

/** A refusal ends up in logs of those who called: what is never answered is not repeated there. */
function isSecret(schema: Schema): boolean {
  return JSON.stringify(schema).includes('"writeOnly":true');
}

const CHARACTERS = 64;

/** Scalars as they are: a large value would repeat the request in its own refusal. Without passwords of URLs. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${counted(value.length, 'item')}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return String(value);
  const text = JSON.stringify(value.slice(0, CHARACTERS).replace(/:\/\/[^/?#\\]*@/, '://…@'));
  return value.length > CHARACTERS ? `${text}… of ${value.length} characters` : text;
}
