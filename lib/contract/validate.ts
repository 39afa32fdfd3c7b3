import type { ValidateFunction } from 'ajv';
import { Ajv2020 as Ajv } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { TSchema } from 'typebox';
import { CloudFlowError, type Problem } from '#core/errors.ts';
import { idsIn, type Part, routeIn } from './part.ts';
import { problemsOf, repetition } from './refusals.ts';
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
      const route = routeIn(part, id);
      const input = { ...raw, query: fromText(raw.query, route) };
      const repeated = repetitions(raw.query, route);
      const others = query?.(input.query).filter(({ pointer }) => !repeated.has(pointer));
      refuse([
        ...at('/path', params?.(input.params)),
        ...at('/query', [...repeated.values(), ...(others ?? [])]),
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
  return (value) => (validate(value) ? [] : problemsOf(validate.errors ?? []));
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

/** Parameters that take one value and were given several, by pointer. */
function repetitions(
  query: Readonly<Record<string, unknown>>,
  route: Route,
): ReadonlyMap<string, Problem> {
  const found = Object.entries(query).flatMap(([name, value]) => {
    const known: Readonly<Record<string, TSchema>> = route.query?.properties ?? {};
    const schema = Object.hasOwn(known, name) ? known[name] : undefined;
    const problem = schema === undefined ? null : repetition(name, value, schema);
    return problem === null ? [] : [[problem.pointer, problem] as const];
  });
  return new Map(found);
}

function at(base: string, problems: readonly Problem[] | undefined): Problem[] {
  return (problems ?? []).map((problem) => ({ ...problem, pointer: base + problem.pointer }));
}
