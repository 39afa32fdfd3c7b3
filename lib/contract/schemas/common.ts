import * as Type from 'typebox';
import { VERSION_PATTERN, WORKFLOW_ID_PATTERN } from '#core/dsl/patterns.ts';
import { inWords } from '#core/in-words.ts';
import type { Json } from '#core/json.ts';
import { naming, type Thing } from '#core/naming.ts';

/** An object that refuses what it does not name. */
export function closed<P extends Type.TProperties>(
  properties: P,
  options: { description?: string } = {},
) {
  return Type.Object(properties, { ...options, additionalProperties: false });
}

export function nullable<S extends Type.TSchema>(schema: S) {
  return Type.Union([schema, Type.Null()]);
}

/** One of these words. An enum reads better in OpenAPI than a union of constants. */
export function oneOf<const T extends readonly string[]>(words: T, description?: string) {
  return Type.Unsafe<T[number]>({
    type: 'string',
    enum: [...words],
    ...(description === undefined ? {} : { description }),
  });
}

/** A union told apart by one member, so that a mistake is reported against one shape. */
export function toldApartBy<T>(propertyName: string, shapes: readonly Type.TSchema[]) {
  return Type.Unsafe<T>({
    type: 'object',
    required: [propertyName],
    discriminator: { propertyName },
    oneOf: [...shapes],
  });
}

/** Any JSON value; bounded by the limits on bodies, not by a schema. */
export const AnyJson = Type.Unsafe<Json>({ description: 'any JSON value' });

export const Timestamp = Type.String({
  format: 'date-time',
  description: 'RFC 3339 in UTC with milliseconds',
});

export const WorkflowId = naming(
  'workflow',
  inWords(
    '1 to 63 lower-case letters, digits, `-` and `_`, beginning with a letter or digit',
    Type.String({
      pattern: WORKFLOW_ID_PATTERN,
      description:
        "a workflow's id: 1 to 63 lower-case letters, digits, `-` and `_`, beginning with a letter or digit",
    }),
  ),
);

export const WorkflowVersion = naming(
  'version',
  inWords(
    'three numbers of up to 9 digits, such as 2.1.0',
    Type.String({
      pattern: VERSION_PATTERN,
      description: 'a version such as 2.1.0',
    }),
  ),
);

export const Uuid = inWords(
  'a UUID in lower case, such as 6d0f4f3e-2b1c-4c55-9a0e-3f8f1c7f2b90',
  Type.String({
    pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
    description: 'a UUID in lower case',
  }),
);

/** The UUID of a thing of this kind. */
export function idOf(thing: Thing) {
  return naming(thing, Uuid);
}

/** An id chosen by a client carries its own time, so that it finds its partition alone. */
export const ClientExecutionId = naming(
  'execution',
  inWords(
    'a UUID of version 7 in lower case, such as 019396f2-7a10-7c3e-8f21-5b7d0c9e4a61',
    Type.String({
      pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
      description: 'a UUID version 7 in lower case, made by the client at the time of the call',
    }),
  ),
);

const LABEL_NAME =
  '1 to 63 lower-case letters, digits, `_`, `.` and `-`, beginning with a letter or digit';

export const Labels = Type.Unsafe<{ readonly [name: string]: string }>({
  type: 'object',
  maxProperties: 16,
  propertyNames: inWords(LABEL_NAME, { type: 'string', pattern: '^[a-z0-9][a-z0-9_.-]{0,62}$' }),
  additionalProperties: { type: 'string', maxLength: 128 },
  description: 'up to 16 names with values of up to 128 characters, to search by',
});

export const LabelFilter = Type.Array(
  naming(
    'label',
    inWords(
      `name:value; the name is ${LABEL_NAME}, the value up to 128 characters`,
      Type.String({ pattern: '^[a-z0-9][a-z0-9_.-]{0,62}:[\\s\\S]{0,128}$' }),
    ),
  ),
  { maxItems: 5, description: '`name:value`; may be repeated, all must match' },
);

export const Cursor = naming(
  'cursor',
  Type.String({
    minLength: 1,
    maxLength: 1024,
    description: 'the `next_cursor` of the page before; opaque, and good for the same query only',
  }),
);

export const PageSize = Type.Integer({
  minimum: 1,
  maximum: 200,
  default: 50,
  description: 'how many to return at most',
});

export function page<S extends Type.TSchema>(item: S) {
  return closed({
    items: Type.Array(item),
    next_cursor: nullable(Type.String({ description: 'null on the last page' })),
  });
}

export const Problem = closed({
  code: Type.String(),
  pointer: Type.String({ description: 'JSON Pointer into what was sent' }),
  message: Type.String(),
  given: Type.Optional(Type.String()),
  allowed: Type.Optional(Type.String()),
});

export const ErrorObject = closed({
  code: Type.String(),
  message: Type.String(),
});

/** RFC 9457. `code` is the stable word to branch on; everything else may be reworded. */
export const ProblemDetails = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String(),
    detail: Type.Optional(Type.String()),
    request_id: Type.String(),
    problems: Type.Optional(Type.Array(Problem)),
  },
  { description: 'RFC 9457 problem details; some codes add members of their own' },
);
