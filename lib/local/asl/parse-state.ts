/** One state of a definition. A new state type that is missed here does not compile. */
import { isJsonObject, type Json, type JsonObject, pointerTo } from '#core/json.ts';
import {
  type ChoiceState,
  type Exit,
  LIMITS,
  type Scope,
  type State,
  type StateOf,
  type StateType,
  type Template,
} from './machine.ts';
import { parseAssignOutput, parseFallible } from './parse-fallible.ts';
import { checkArguments, parseResource } from './parse-resource.ts';
import type { Reader } from './read-fields.ts';

export interface StateContext {
  readonly reader: Reader;
  /** The query language of the whole machine, which a state may override only towards JSONata. */
  readonly language: string;
  readonly parseScope: (holder: JsonObject, pointer: string) => Scope | null;
}

const COMMON = ['Type', 'Comment', 'QueryLanguage'] as const;
const FLOW = ['Next', 'End'] as const;
const FALLIBLE = ['Retry', 'Catch'] as const;

const FIELDS: { readonly [T in StateType]: readonly string[] } = {
  Pass: [...COMMON, ...FLOW, 'Assign', 'Output'],
  Task: [
    ...COMMON,
    ...FLOW,
    ...FALLIBLE,
    ...['Resource', 'Arguments', 'Assign', 'Output', 'TimeoutSeconds', 'HeartbeatSeconds'],
  ],
  Choice: [...COMMON, 'Choices', 'Default', 'Assign', 'Output'],
  Wait: [...COMMON, ...FLOW, 'Seconds', 'Timestamp', 'Assign', 'Output'],
  Parallel: [...COMMON, ...FLOW, ...FALLIBLE, 'Branches', 'Arguments', 'Assign', 'Output'],
  Map: [
    ...COMMON,
    ...FLOW,
    ...FALLIBLE,
    ...['Items', 'ItemSelector', 'ItemProcessor', 'MaxConcurrency', 'Assign', 'Output'],
  ],
  Succeed: [...COMMON, 'Output'],
  Fail: [...COMMON, 'Error', 'Cause'],
};

const STATE_TYPES = Object.keys(FIELDS) as readonly StateType[];

type StateParser<T extends StateType> = (
  name: string,
  given: JsonObject,
  pointer: string,
  context: StateContext,
) => StateOf<T> | null;

const PARSERS: { readonly [T in StateType]: StateParser<T> } = {
  Pass: (name, given, pointer, context) => ({
    type: 'Pass',
    name,
    ...parseExit(given, pointer, context),
  }),
  Task: (name, given, pointer, context) => {
    const resource = parseResource(given, pointer, context.reader);
    const task = {
      type: 'Task' as const,
      name,
      ...parseExit(given, pointer, context),
      ...parseFallible(given, pointer, context.reader),
      arguments: context.reader.template(given, pointer, 'Arguments'),
      timeoutSeconds: parseSeconds(given, pointer, 'TimeoutSeconds', 1, context),
      heartbeatSeconds: parseSeconds(given, pointer, 'HeartbeatSeconds', 1, context),
    };
    if (resource !== null) checkArguments(given, pointer, resource, context.reader);
    const [timeout, heartbeat] = [given['TimeoutSeconds'], given['HeartbeatSeconds']];
    if (typeof timeout === 'number' && typeof heartbeat === 'number' && heartbeat >= timeout) {
      context.reader.problem(
        'SCHEMA_VALIDATION_FAILED',
        pointerTo(pointer, 'HeartbeatSeconds'),
        `'HeartbeatSeconds' must be smaller than 'TimeoutSeconds' (${timeout})`,
        heartbeat,
      );
    }
    return resource === null ? null : { ...task, resource };
  },
  Choice: (name, given, pointer, context) => parseChoice(name, given, pointer, context),
  Wait: (name, given, pointer, context) => {
    const { reader } = context;
    if ((given['Seconds'] === undefined) === (given['Timestamp'] === undefined)) {
      reader.problem(
        'SCHEMA_VALIDATION_FAILED',
        pointer,
        "a Wait has exactly one of 'Seconds' and 'Timestamp'",
      );
    }
    const timestamp = reader.template(given, pointer, 'Timestamp');
    if (timestamp !== null && timestamp.expressions.length === 0 && !isTimestamp(timestamp.json)) {
      reader.problem(
        'SCHEMA_VALIDATION_FAILED',
        pointerTo(pointer, 'Timestamp'),
        "'Timestamp' must be an RFC 3339 time such as 2030-01-31T08:00:00Z",
        timestamp.json,
      );
    }
    return {
      type: 'Wait',
      name,
      ...parseExit(given, pointer, context),
      seconds: parseSeconds(given, pointer, 'Seconds', 0, context),
      timestamp,
    };
  },
  Parallel: (name, given, pointer, context) => {
    const branches: Scope[] = [];
    const list = context.reader.array(given, pointer, 'Branches', 'required') ?? [];
    list.forEach((branch, index) => {
      const at = pointerTo(pointer, 'Branches', index);
      const scope = parseInner(branch, at, 'branch', ['StartAt', 'States', 'Comment'], context);
      if (scope !== null) branches.push(scope);
    });
    const parallel = {
      type: 'Parallel' as const,
      name,
      ...parseExit(given, pointer, context),
      ...parseFallible(given, pointer, context.reader),
      arguments: context.reader.template(given, pointer, 'Arguments'),
      branches,
    };
    return branches.length === list.length && list.length > 0 ? parallel : null;
  },
  Map: (name, given, pointer, context) => {
    const { reader } = context;
    const items = reader.template(given, pointer, 'Items');
    if (items !== null && !Array.isArray(items.json) && items.expressions.length === 0) {
      reader.problem(
        'SCHEMA_VALIDATION_FAILED',
        pointerTo(pointer, 'Items'),
        "'Items' must be a list or an expression that yields one",
        items.json,
      );
    }
    const at = pointerTo(pointer, 'ItemProcessor');
    const held = reader.object(given, pointer, 'ItemProcessor', 'required');
    const map = {
      type: 'Map' as const,
      name,
      ...parseExit(given, pointer, context),
      ...parseFallible(given, pointer, context.reader),
      items,
      itemSelector: reader.template(given, pointer, 'ItemSelector'),
      maxConcurrency: parseSeconds(given, pointer, 'MaxConcurrency', 0, context),
    };
    if (held === null) return null;
    const known = ['StartAt', 'States', 'Comment', 'ProcessorConfig'];
    const config = reader.object(held, at, 'ProcessorConfig');
    if (config !== null) {
      const configAt = pointerTo(at, 'ProcessorConfig');
      if (config['Mode'] === 'DISTRIBUTED') {
        reader.problem(
          'UNSUPPORTED_FIELD',
          pointerTo(configAt, 'Mode'),
          'Distributed maps are not supported',
          'DISTRIBUTED',
          'INLINE',
        );
      } else {
        reader.fields(config, configAt, 'ProcessorConfig', ['Mode']);
        reader.oneOf(config, configAt, 'Mode', ['INLINE']);
      }
    }
    const processor = parseInner(held, at, 'item processor', known, context);
    return processor === null ? null : { ...map, processor };
  },
  Succeed: (name, given, pointer, { reader }) => ({
    type: 'Succeed',
    name,
    output: reader.template(given, pointer, 'Output'),
  }),
  Fail: (name, given, pointer, { reader }) => {
    const text = (field: string): Template | null => {
      const template = reader.template(given, pointer, field);
      if (template !== null && typeof template.json !== 'string') {
        reader.string(given, pointer, field);
      }
      return template;
    };
    return { type: 'Fail', name, error: text('Error'), cause: text('Cause') };
  },
};

/** Null when the state cannot be used; then at least one problem was noted. */
export function parseState(
  name: string,
  value: Json,
  pointer: string,
  context: StateContext,
): State | null {
  const { reader } = context;
  if (name.length > LIMITS.nameLength || name === '') {
    reader.problem(
      'SCHEMA_VALIDATION_FAILED',
      pointer,
      `a state's name has 1 to ${LIMITS.nameLength} characters`,
      name,
    );
  }
  if (!isJsonObject(value)) {
    reader.problem('SCHEMA_VALIDATION_FAILED', pointer, 'a state is an object', value);
    return null;
  }
  const type = reader.oneOf(value, pointer, 'Type', STATE_TYPES, 'required');
  if (type === null) return null;
  reader.fields(value, pointer, `${type} state`, FIELDS[type]);
  reader.string(value, pointer, 'Comment');
  const own = reader.oneOf(value, pointer, 'QueryLanguage', ['JSONata', 'JSONPath']);
  if ((own ?? context.language) !== 'JSONata') {
    reader.problem(
      'UNSUPPORTED_QUERY_LANGUAGE',
      pointerTo(pointer, 'QueryLanguage'),
      "the state's query language is JSONPath; only JSONata is supported",
      own ?? undefined,
      'JSONata, here or for the whole machine',
    );
  }
  return PARSERS[type](name, value, pointer, context);
}

/** Fully qualified times as the States Language takes them: RFC 3339 with capitals T and Z. */
export function isTimestamp(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(value) &&
    !Number.isNaN(Date.parse(value))
  );
}

function parseExit(given: JsonObject, pointer: string, { reader }: StateContext): Exit {
  const next = reader.string(given, pointer, 'Next');
  const end = reader.boolean(given, pointer, 'End') ?? false;
  if ((next === null) === !end) {
    reader.problem(
      'SCHEMA_VALIDATION_FAILED',
      pointer,
      "a state has exactly one of 'Next' and 'End': true",
    );
  }
  return { ...parseAssignOutput(given, pointer, reader, '', false), next };
}

function parseChoice(
  name: string,
  given: JsonObject,
  pointer: string,
  { reader }: StateContext,
): ChoiceState {
  const rules: ChoiceState['rules'][number][] = [];
  const list = reader.array(given, pointer, 'Choices', 'required') ?? [];
  list.forEach((rule, index) => {
    const at = pointerTo(pointer, 'Choices', index);
    if (!isJsonObject(rule)) {
      reader.problem('SCHEMA_VALIDATION_FAILED', at, 'a choice rule is an object', rule);
      return;
    }
    reader.fields(rule, at, 'choice rule', ['Condition', 'Next', 'Assign', 'Output', 'Comment']);
    const prefix = `Choices[${index}]/`;
    const next = reader.string(rule, at, 'Next', 'required');
    const location = `${prefix}Condition`;
    const condition = reader.template(rule, at, 'Condition', { location });
    // AWS takes a constant true or false too; a rule with one is dead or hides what follows it.
    const isCondition =
      typeof condition?.json === 'boolean' || (condition?.expressions[0]?.path.length ?? 1) === 0;
    if (!isCondition) {
      reader.problem(
        'SCHEMA_VALIDATION_FAILED',
        pointerTo(at, 'Condition'),
        "a choice rule has a 'Condition' that is an expression, true or false",
        condition?.json,
      );
    }
    if (next === null) return;
    const test = condition ?? { json: false, expressions: [] };
    rules.push({ condition: test, next, ...parseAssignOutput(rule, at, reader, prefix, false) });
  });
  const next = reader.string(given, pointer, 'Default');
  const rest = parseAssignOutput(given, pointer, reader, '', false);
  return { type: 'Choice', name, rules, otherwise: next === null ? null : { ...rest, next } };
}

/** A number field that may be one expression instead: seconds, and `MaxConcurrency`. */
function parseSeconds(
  given: JsonObject,
  pointer: string,
  field: string,
  least: number,
  { reader }: StateContext,
): Template | null {
  const value = given[field];
  if (typeof value === 'string' && value.startsWith('{%')) {
    return reader.template(given, pointer, field);
  }
  const constant = reader.integer(given, pointer, field, least, LIMITS.seconds);
  return constant === null ? null : { json: constant, expressions: [] };
}

function parseInner(
  value: Json,
  pointer: string,
  what: string,
  known: readonly string[],
  context: StateContext,
): Scope | null {
  if (!isJsonObject(value)) {
    context.reader.problem('SCHEMA_VALIDATION_FAILED', pointer, `a ${what} is an object`, value);
    return null;
  }
  context.reader.fields(value, pointer, what, known);
  return context.parseScope(value, pointer);
}
