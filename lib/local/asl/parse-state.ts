/** One state of a definition. A new state type that is missed here does not compile. */
import { isJsonObject, type Json, type JsonObject, pointerTo } from '#core/json.ts';
import {
  type Catcher,
  type ChoiceState,
  type Exit,
  LIMITS,
  type Resource,
  type Retrier,
  type Scope,
  type State,
  type StateOf,
  type StateType,
  type Template,
} from './machine.ts';
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
    const resource = parseResource(given, pointer, context);
    const task = {
      type: 'Task' as const,
      name,
      ...parseExit(given, pointer, context),
      ...parseFallible(given, pointer, context),
      arguments: context.reader.template(given, pointer, 'Arguments'),
      timeoutSeconds: parseSeconds(given, pointer, 'TimeoutSeconds', 1, context),
      heartbeatSeconds: parseSeconds(given, pointer, 'HeartbeatSeconds', 1, context),
    };
    if (resource !== null) checkArguments(given, pointer, resource, context);
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
      ...parseFallible(given, pointer, context),
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
      ...parseFallible(given, pointer, context),
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

/** `prefix` is the place of a rule or Catcher in event locations: `Choices[0]/`. */
function parseAssignOutput(
  given: JsonObject,
  pointer: string,
  reader: Reader,
  prefix: string,
  inCatcher: boolean,
): { assign: Template | null; output: Template | null } {
  const assign = reader.object(given, pointer, 'Assign');
  for (const variable of Object.keys(assign ?? {})) {
    const at = pointerTo(pointer, 'Assign', variable);
    if (variable === 'states') {
      reader.problem('SCHEMA_VALIDATION_FAILED', at, "'states' is reserved", variable);
    } else if (
      variable.length > LIMITS.nameLength ||
      !/^[\p{ID_Start}_][\p{ID_Continue}]*$/u.test(variable)
    ) {
      reader.problem(
        'SCHEMA_VALIDATION_FAILED',
        at,
        `a variable's name is an identifier of at most ${LIMITS.nameLength} characters`,
        variable,
      );
    }
  }
  const options = { inCatcher };
  return {
    assign:
      assign === null
        ? null
        : reader.template(given, pointer, 'Assign', { ...options, location: `${prefix}Assign` }),
    output: reader.template(given, pointer, 'Output', { ...options, location: `${prefix}Output` }),
  };
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

function parseFallible(
  given: JsonObject,
  pointer: string,
  { reader }: StateContext,
): { retry: readonly Retrier[]; catch: readonly Catcher[] } {
  const retry: Retrier[] = [];
  const catchers: Catcher[] = [];
  each(given, pointer, 'Retry', reader, (retrier, at) => {
    reader.fields(retrier, at, 'retrier', [
      ...['ErrorEquals', 'IntervalSeconds', 'MaxAttempts', 'BackoffRate', 'MaxDelaySeconds'],
      ...['JitterStrategy', 'Comment'],
    ]);
    retry.push({
      errorEquals: reader.strings(retrier, at, 'ErrorEquals'),
      intervalSeconds: reader.integer(retrier, at, 'IntervalSeconds', 1, LIMITS.seconds) ?? 1,
      maxAttempts: reader.integer(retrier, at, 'MaxAttempts', 0, LIMITS.seconds) ?? 3,
      backoffRate: reader.number(retrier, at, 'BackoffRate', 1, Number.MAX_VALUE) ?? 2,
      maxDelaySeconds: reader.integer(retrier, at, 'MaxDelaySeconds', 1, 31_622_399),
      jitter: reader.oneOf(retrier, at, 'JitterStrategy', ['NONE', 'FULL']) ?? 'NONE',
    });
  });
  each(given, pointer, 'Catch', reader, (catcher, at, index) => {
    reader.fields(catcher, at, 'catcher', ['ErrorEquals', 'Next', 'Assign', 'Output', 'Comment']);
    catchers.push({
      errorEquals: reader.strings(catcher, at, 'ErrorEquals'),
      next: reader.string(catcher, at, 'Next', 'required') ?? '',
      ...parseAssignOutput(catcher, at, reader, `Catch[${index}]/`, true),
    });
  });
  checkWildcards(retry, pointerTo(pointer, 'Retry'), reader);
  checkWildcards(catchers, pointerTo(pointer, 'Catch'), reader);
  return { retry, catch: catchers };
}

/** `States.ALL` stands alone and last. */
function checkWildcards(
  list: readonly { readonly errorEquals: readonly string[] }[],
  pointer: string,
  reader: Reader,
): void {
  list.forEach(({ errorEquals }, index) => {
    if (!errorEquals.includes('States.ALL')) return;
    if (errorEquals.length === 1 && index === list.length - 1) return;
    reader.problem(
      'SCHEMA_VALIDATION_FAILED',
      pointerTo(pointer, index, 'ErrorEquals'),
      "'States.ALL' must be alone in its list, and its list the last",
      [...errorEquals],
    );
  });
}

function each(
  given: JsonObject,
  pointer: string,
  field: string,
  reader: Reader,
  read: (member: JsonObject, pointer: string, index: number) => void,
): void {
  (reader.array(given, pointer, field) ?? []).forEach((member, index) => {
    const at = pointerTo(pointer, field, index);
    if (isJsonObject(member)) read(member, at, index);
    else
      reader.problem('SCHEMA_VALIDATION_FAILED', at, `a member of '${field}' is an object`, member);
  });
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

const RESOURCE_NAMES: { readonly [resource: string]: Resource } = {
  'lambda:invoke': 'lambda',
  'lambda:invoke.waitForTaskToken': 'lambda-token',
  'states:startExecution.sync:2': 'execution-sync',
};

function parseResource(
  given: JsonObject,
  pointer: string,
  { reader }: StateContext,
): Resource | null {
  const arn = reader.string(given, pointer, 'Resource', 'required');
  if (arn === null) return null;
  const name = /^arn:aws[a-z-]*:states:::(.+)$/.exec(arn)?.[1] ?? '';
  const resource = Object.hasOwn(RESOURCE_NAMES, name) ? RESOURCE_NAMES[name] : undefined;
  if (resource !== undefined) return resource;
  const what = /^arn:aws[a-z-]*:states:[^:]*:[^:]*:activity:/.test(arn)
    ? 'activities are not supported'
    : 'this resource is not supported';
  reader.problem(
    'UNSUPPORTED_RESOURCE',
    pointerTo(pointer, 'Resource'),
    what,
    arn,
    Object.keys(RESOURCE_NAMES)
      .map((each) => `arn:aws:states:::${each}`)
      .join(', '),
  );
  return null;
}

const ARGUMENTS: { readonly [R in Resource]: { required: string; known: readonly string[] } } = {
  lambda: { required: 'FunctionName', known: ['FunctionName', 'Payload'] },
  'lambda-token': { required: 'FunctionName', known: ['FunctionName', 'Payload'] },
  'execution-sync': { required: 'StateMachineArn', known: ['StateMachineArn', 'Input', 'Name'] },
};

/** Arguments are checked here as far as they are written out; one expression is checked when it ran. */
function checkArguments(
  given: JsonObject,
  pointer: string,
  resource: Resource,
  { reader }: StateContext,
): void {
  const at = pointerTo(pointer, 'Arguments');
  const value = given['Arguments'];
  const { required, known } = ARGUMENTS[resource];
  if (typeof value === 'string' && value.startsWith('{%')) return;
  if (!isJsonObject(value)) {
    reader.problem('SCHEMA_VALIDATION_FAILED', at, `'Arguments' must hold '${required}'`, value);
    return;
  }
  reader.fields(value, at, 'list of arguments', known);
  reader.string(value, at, required, 'required');
}
