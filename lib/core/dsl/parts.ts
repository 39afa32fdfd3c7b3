import * as Type from 'typebox';
import type { Json, JsonObject } from '#core/json.ts';
import { DURATION_PATTERN, type Duration } from './durations.ts';
import { LIMITS } from './limits.ts';
import { VERSION_PATTERN, WORKFLOW_ID_PATTERN } from './patterns.ts';

/**
 * The small shapes that the definition is made of. `allowed` is ours: what a problem says is right,
 * in words; it is left out of the published schema.
 */

export const EXPRESSION_PATTERN = '^\\{%[\\s\\S]*%\\}$';
export const ID_PATTERN = '^[a-z](?:[a-z0-9_-]{0,38}[a-z0-9])?$';
/** Names of things registered outside the definition: connections, operations, templates. */
const REGISTERED_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$';

const ID_ALLOWED =
  "1 to 40 lower-case letters, digits, '-' and '_', beginning with a letter and ending with a letter or digit";

export function strict<P extends Parameters<typeof Type.Object>[0]>(
  properties: P,
  options: { description?: string; minProperties?: number } = {},
) {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

export function oneOf<const T extends readonly [string, ...string[]]>(
  values: T,
  options: { description?: string; default?: T[number] } = {},
) {
  return Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...options });
}

export const StepId = Type.String({
  pattern: ID_PATTERN,
  description: 'Names the step in its list. Others read it as $steps.<id>.',
  allowed: ID_ALLOWED,
});

export const WorkflowId = Type.String({
  pattern: WORKFLOW_ID_PATTERN,
  description: 'Names the workflow among those of its owner.',
  allowed: "1 to 63 lower-case letters, digits, '-' and '_', beginning with a letter or digit",
});

export const Version = Type.String({
  pattern: VERSION_PATTERN,
  description: 'Version of the definition, such as 2.1.0. A stored version never changes.',
  allowed: "three numbers such as '2.1.0'",
});

export const Expression = Type.String({
  pattern: EXPRESSION_PATTERN,
  description: 'One JSONata expression: {% ... %}',
  allowed: "one expression: '{% ... %}'",
});

/** Any JSON; strings in it may hold expressions. */
export function template(description: string) {
  return Type.Unsafe<Json>({ description });
}

/** A text that may hold expressions. */
export function text(description: string, maxLength: number = LIMITS.textCharacters) {
  return Type.String({ minLength: 1, maxLength, description });
}

/** A name that is fixed when the definition is saved. */
export function registered(description: string) {
  return Type.String({
    pattern: REGISTERED_PATTERN,
    description,
    allowed: "a fixed name of letters, digits, '.', '_' and '-' (no expression)",
  });
}

const DURATION_ALLOWED =
  "milliseconds (a whole number), or a text such as '30s', '5m', '2h' or '7d'";

/** `least` and `most` in milliseconds; texts are measured by a keyword of ours, see validate.ts. */
export function duration(
  description: string,
  options: { most?: number; default?: Duration; least?: number } = {},
) {
  const { most = LIMITS.durationMs, least = 1, ...rest } = options;
  return Type.Unsafe<Duration>({
    anyOf: [
      { type: 'integer', minimum: least, maximum: most },
      { type: 'string', pattern: DURATION_PATTERN, allowed: DURATION_ALLOWED },
    ],
    description: `${description} Milliseconds, or a text such as "30s", "5m", "2h", "7d".`,
    allowed: DURATION_ALLOWED,
    durationBetween: [least, most],
    ...rest,
  });
}

export const HttpMethod = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] as const;

const SCALAR = {
  type: ['string', 'number', 'boolean'],
  allowed: 'a text, a number or a boolean',
};

/** An object of scalars by name, or one expression that yields it. */
export function named(description: string, pattern: string, allowed: string) {
  return Type.Unsafe<Readonly<Record<string, string | number | boolean>> | string>({
    anyOf: [
      {
        type: 'object',
        maxProperties: LIMITS.headers,
        propertyNames: { pattern, allowed: `a name that matches ${pattern}` },
        additionalProperties: SCALAR,
      },
      { type: 'string', pattern: EXPRESSION_PATTERN },
    ],
    description,
    allowed,
  });
}

/** Steps are checked one by one (parse.ts); the published schema points at the step. */
export const STEPS_REF = '#/$defs/steps';
export function steps<T>(description: string) {
  return Type.Unsafe<readonly T[]>({ $ref: STEPS_REF, description });
}

export const RetrySchema = strict(
  {
    max_attempts: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: LIMITS.retryAttempts,
        default: 0,
        description: 'Retries after the first call: 3 means up to 4 calls.',
      }),
    ),
    backoff: Type.Optional(
      oneOf(['exponential', 'fixed'], {
        default: 'exponential',
        description:
          'exponential: each delay is `rate` times the one before. fixed: all are equal.',
      }),
    ),
    interval: Type.Optional(
      duration('Delay before the first retry, in whole seconds.', {
        least: 1_000,
        most: LIMITS.retryIntervalMs,
        default: LIMITS.retryIntervalDefaultMs,
      }),
    ),
    rate: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: LIMITS.retryRate,
        default: LIMITS.retryRateDefault,
        description: 'What each delay is multiplied by (exponential).',
      }),
    ),
    max_interval: Type.Optional(
      duration('No delay is longer than this. Whole seconds.', {
        least: 1_000,
        most: LIMITS.retryIntervalMs,
      }),
    ),
    retry_on: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 80 }), {
        maxItems: 40,
        uniqueItems: true,
        description: 'Error names that are retried besides the retryable ones, such as NotFound.',
      }),
    ),
  },
  { description: 'When and how often a failed call is repeated.' },
);

/** Made of what TypeBox and we know; the rest of the house sees plain JSON Schema. */
export function asJsonSchema(schema: Type.TSchema): JsonObject {
  return schema as unknown as JsonObject;
}
