import type { OperationId } from './routes.ts';
import { routeOf } from './routes.ts';

/** A schema of JSON Schema draft 4, which is what API Gateway knows. */
export interface Draft4 {
  readonly [keyword: string]: unknown;
}

/** What API Gateway judges of the body of one operation. */
export interface RequestModel {
  readonly schema: Draft4;
  /** Null: bodies are held against it. Else: why they are not. */
  readonly unjudged: string | null;
}

const DRAFT_4 = 'http://json-schema.org/draft-04/schema#';
const ABSENT = 'the body may be left out, and what a model says of no body is not documented';

/**
 * The model of an operation's body; null: it has none, or a form, which models cannot describe. What API Gateway refuses it explains in one
 * sentence for the whole API, while the function behind it tells every problem with its place. So a
 * model refuses only what one sentence explains, a body that is no JSON object; the whole shape stands
 * in its `definitions`, for those who read or export the deployed API.
 */
export function requestModel(id: OperationId): RequestModel | null {
  const { body, bodyOptional, form } = routeOf(id);
  if (body === undefined || form === true) return null;
  return {
    schema: {
      $schema: DRAFT_4,
      title: id,
      type: 'object',
      definitions: { body: toDraft4(body as unknown as Draft4) },
    },
    unjudged: bodyOptional === true ? ABSENT : null,
  };
}

/** Keywords that are schemas, or hold some by name or in a list. */
const ONE = ['items', 'additionalProperties', 'not'];
const MANY = ['oneOf', 'anyOf', 'allOf'];
const NAMED = ['properties', 'patternProperties'];
/** Kept as they are. */
const SAME = [
  'type',
  'enum',
  'description',
  'pattern',
  'format',
  'required',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
];
/** Draft 4 has no words for these; without them a schema takes more, never less. */
const LEFT_OUT = [
  'discriminator',
  'default',
  'propertyNames',
  'prefixItems',
  'examples',
  'writeOnly',
];

/**
 * The same schema in draft 4, or one that takes more where draft 4 has no words for it. Throws a
 * TypeError for a keyword that it does not know, so that a new one is thought about.
 */
export function toDraft4(schema: Draft4): Draft4 {
  const found: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (SAME.includes(keyword)) found[keyword] = value;
    else if (keyword === 'const') found['enum'] = [value];
    else if (ONE.includes(keyword)) {
      found[keyword] = typeof value === 'boolean' ? value : toDraft4(value as Draft4);
    } else if (MANY.includes(keyword)) {
      found[keyword] = (value as readonly Draft4[]).map(toDraft4);
    } else if (NAMED.includes(keyword)) {
      const shapes = Object.entries(value as Readonly<Record<string, Draft4>>);
      found[keyword] = Object.fromEntries(shapes.map(([name, each]) => [name, toDraft4(each)]));
    } else if (!LEFT_OUT.includes(keyword)) {
      throw new TypeError(`the keyword ${keyword} has no word in draft 4 yet; add it here`);
    }
  }
  return found;
}
