import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv2020 as Ajv } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { TSchema } from 'typebox';
import { CloudFlowError, type Problem } from '#core/errors.ts';
import { pointerTo } from '#core/json.ts';
import { idsIn, type Part, routeIn } from './part.ts';
import type { Route } from './route.ts';
import type { Body, OperationId, Params, Query } from './routes.ts';

export interface OperationValidators {
  readonly params: Validator | null;
  readonly query: Validator | null;
  readonly body: Validator | null;
  readonly response: Validator | null;
}

/** Answers every problem; an empty list means the value is of the schema's type. */
export type Validator = (value: unknown) => readonly Problem[];

const OPTIONS = {
  allErrors: true,
  verbose: true,
  strict: true,
  strictRequired: false,
  allowUnionTypes: true,
  discriminator: true,
} as const;
const ajv = withFormats(new Ajv(OPTIONS));

function withFormats(made: Ajv): Ajv {
  // ajv-formats is CommonJS; under NodeNext its callable is the `default` of what is imported.
  const add = addFormats as unknown as (target: Ajv, options: { formats: string[] }) => void;
  add(made, { formats: ['date-time'] });
  return made;
}

/** Checks of one part of the contract. */
export interface Checks {
  /** Throws a TypeError for an operation of another part. */
  of(id: OperationId): OperationValidators;
  /**
   * Turns what came over the wire into the operation's types, or throws REQUEST_INVALID with every
   * problem. Pointers begin with `/path`, `/query` or `/body`.
   */
  parse<Id extends OperationId>(
    id: Id,
    raw: { params: unknown; query: Readonly<Record<string, unknown>>; body: unknown },
  ): Input<Id>;
  /** Looks at the path alone, where it holds the credential; throws as `parse` does. */
  checkParams(id: OperationId, params: unknown): void;
}

/** Compiled once, at the start: a schema that does not compile stops it. */
export function createChecks(part: Part): Checks {
  const validators = new Map(idsIn(part).map((id) => [id, validatorsOf(routeIn(part, id))]));
  const of = (id: OperationId): OperationValidators => {
    const found = validators.get(id);
    if (found === undefined) throw new TypeError(`${id} is not of this part of the contract`);
    return found;
  };
  return {
    of,
    parse<Id extends OperationId>(
      id: Id,
      raw: { params: unknown; query: Readonly<Record<string, unknown>>; body: unknown },
    ): Input<Id> {
      const { params, query, body } = of(id);
      const input = { ...raw, query: fromText(raw.query, routeIn(part, id)) };
      refuse([
        ...at('/path', params?.(input.params)),
        ...at('/query', query?.(input.query)),
        ...at('/body', body?.(input.body)),
      ]);
      // The validators above are compiled from the schemas that these types are inferred from.
      return input as unknown as Input<Id>;
    },
    checkParams: (id, params) => refuse(at('/path', of(id).params?.(params))),
  };
}

function validatorsOf(route: Route): OperationValidators {
  return {
    params: route.params === undefined ? null : compile(route.params),
    query: compile(route.query ?? NO_QUERY()),
    body: route.body === undefined ? null : compile(route.body),
    response: route.response === null ? null : compile(route.response),
  };
}

function NO_QUERY(): TSchema {
  return { type: 'object', additionalProperties: false, properties: {} } as TSchema;
}

function compile(schema: TSchema): Validator {
  const validate: ValidateFunction = ajv.compile(schema);
  return (value) => (validate(value) ? [] : (validate.errors ?? []).slice(0, 100).map(toProblem));
}

export interface Input<Id extends OperationId> {
  readonly params: Params<Id>;
  readonly query: Query<Id>;
  readonly body: Body<Id>;
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
    problems,
  });
}

const WHOLE_NUMBER = /^-?(?:0|[1-9]\d{0,14})$/;

/**
 * Whole numbers and booleans of a query, which is text. What does not read as one is left as it is,
 * for the schema to refuse. (Ajv's own coercion turns `1e2000` into Infinity and lets it pass.)
 */
function fromText(query: Readonly<Record<string, unknown>>, route: Route): object {
  const parsed: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(query)) {
    const type = (route.query?.properties[name] as { type?: unknown } | undefined)?.type;
    if (type === 'integer' && WHOLE_NUMBER.test(String(value))) parsed[name] = Number(value);
    else if (type === 'boolean' && (value === 'true' || value === 'false')) {
      parsed[name] = value === 'true';
    } else parsed[name] = value;
  }
  return parsed;
}

function at(base: string, problems: readonly Problem[] | undefined): Problem[] {
  return (problems ?? []).map((problem) => ({ ...problem, pointer: base + problem.pointer }));
}

function toProblem(error: ErrorObject): Problem {
  const pointer = pointerOf(error);
  const allowed = allowedBy(error);
  const tag = (error.params as { tagValue?: unknown }).tagValue;
  const { writeOnly } = (error.parentSchema ?? {}) as { readonly writeOnly?: boolean };
  // A refusal ends up in logs of those who called: what is never answered is not repeated there.
  const given = writeOnly === true ? undefined : shortened(tag ?? error.data);
  return {
    code: 'REQUEST_INVALID',
    pointer,
    message: messageOf(error),
    ...(given === undefined ? {} : { given }),
    ...(allowed === undefined ? {} : { allowed }),
  };
}

function pointerOf(error: ErrorObject): string {
  const extra = error.params as {
    additionalProperty?: string;
    missingProperty?: string;
    tag?: string;
  };
  const name = extra.additionalProperty ?? extra.missingProperty ?? extra.tag;
  return name === undefined ? error.instancePath : pointerTo(error.instancePath, name);
}

function messageOf(error: ErrorObject): string {
  if (error.keyword === 'additionalProperties') return 'is not a known property';
  if (error.keyword === 'required') return 'is missing';
  if (error.keyword === 'discriminator') return 'does not name a known shape';
  // A pattern is for programs; what is allowed says the same in words.
  if (error.keyword === 'pattern' && allowedBy(error) !== undefined) {
    return 'does not have the right form';
  }
  return error.message ?? `does not fit '${error.keyword}'`;
}

function allowedBy(error: ErrorObject): string | undefined {
  switch (error.keyword) {
    case 'enum':
      return (error.params as { allowedValues: unknown[] }).allowedValues.map(String).join(', ');
    case 'discriminator':
      return shapesOf(error).join(', ');
    case 'additionalProperties': {
      const known = Object.keys(
        (error.parentSchema as { properties?: object } | undefined)?.properties ?? {},
      );
      return known.length === 0 ? 'no properties' : known.join(', ');
    }
    case 'pattern':
      return (error.parentSchema as { description?: string } | undefined)?.description;
    default:
      return undefined;
  }
}

/** The words that tell the shapes of a union apart. */
function shapesOf(error: ErrorObject): string[] {
  const tag = (error.params as { tag: string }).tag;
  const union = error.parentSchema as {
    oneOf?: readonly { properties?: Record<string, { const?: unknown }> }[];
  };
  return (union.oneOf ?? []).map((shape) => String(shape.properties?.[tag]?.const));
}

/** Scalars only: a large value would repeat the request in its own refusal. Without passwords of URLs. */
function shortened(value: unknown): string | undefined {
  if (typeof value === 'string') {
    return JSON.stringify(value.slice(0, 64).replace(/:\/\/[^/?#\\]*@/, '://…@'));
  }
  return typeof value === 'number' || typeof value === 'boolean' || value === null
    ? String(value)
    : undefined;
}
