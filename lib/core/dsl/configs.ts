import * as Type from 'typebox';
import { naming } from '#core/naming.ts';
import type { CompensationType, StepType } from '#core/plan/program.ts';
import { LIMITS } from './limits.ts';
import {
  duration,
  Expression,
  HttpMethod,
  named,
  oneOf,
  RetrySchema,
  registered,
  steps,
  strict,
  template,
  text,
} from './parts.ts';
import type { StepDefinition } from './schema.ts';

/** What a step does: the `config` of each step type, and of what may compensate. */

const HEADER_NAME = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$";

const request = {
  url: Type.String({
    minLength: 1,
    maxLength: LIMITS.urlCharacters,
    description: 'Absolute http or https URL, or a path when a connection is named.',
  }),
  headers: Type.Optional(
    named(
      'Header values by name.',
      HEADER_NAME,
      'an object of texts, numbers or booleans by header name, or one expression that yields it',
    ),
  ),
  query: Type.Optional(
    named(
      'Query parameters by name, added to the URL.',
      '^[\\s\\S]{1,256}$',
      'an object of texts, numbers or booleans by name, or one expression that yields it',
    ),
  ),
  body: Type.Optional(template('Sent as JSON; a text is sent as it is.')),
  expect_status: Type.Optional(
    Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), {
      minItems: 1,
      maxItems: LIMITS.expectedStatuses,
      uniqueItems: true,
      description: 'Statuses that count as success. Default: every 2xx.',
    }),
  ),
  connection: Type.Optional(
    naming('connection', registered('A registered connection: base URL, credentials, limits.')),
  ),
};

function method(fallback: 'GET' | 'POST') {
  return Type.Optional(
    oneOf(HttpMethod, { default: fallback, description: 'HTTP method of the request.' }),
  );
}

const called = {
  timeout: Type.Optional(
    duration('How long one attempt may take.', {
      most: LIMITS.connectorTimeoutMs,
      default: LIMITS.connectorTimeoutDefaultMs,
    }),
  ),
  retry: Type.Optional(RetrySchema),
};

const notification = {
  channel: oneOf(['email', 'sms', 'webhook', 'in_app'], { description: 'How it is delivered.' }),
  template: Type.Optional(text('Name of the notification template.')),
  to: Type.Optional(template('Who receives it: one address or a list, or as the channel asks.')),
  data: Type.Optional(template('Values for the template.')),
};

/** What an operation that the tenant has registered is called with. */
const statement = {
  connection: Type.Optional(
    naming('connection', registered('The connection that the operation is registered on.')),
  ),
  parameters: Type.Optional(template('Parameters of the operation, by name.')),
};

const child = {
  workflow_id: naming('workflow', text('The workflow to start.', 256)),
  version: Type.Optional(naming('version', text('Its version. Default: the latest.', 256))),
  input: Type.Optional(template('The input of the child.')),
};

const HttpRequest = strict({ ...request, method: method('GET'), ...called });
const DatabaseOperation = strict({
  operation: Type.Optional(
    naming(
      'connection_operation',
      registered('A registered operation. Default: the id of the step.'),
    ),
  ),
  ...statement,
  ...called,
});
const Notification = strict({ ...notification, ...called });
const Transform = strict({ value: template('The output of the step.') });
const Wait = Type.Unsafe<{ duration?: number | string; until?: string }>({
  type: 'object',
  properties: {
    duration: {
      anyOf: [
        { type: 'integer', minimum: 1, maximum: LIMITS.durationMs },
        { type: 'string', minLength: 1, maxLength: LIMITS.textCharacters },
      ],
      description:
        'How long: milliseconds or a text such as "30s", or an expression that yields milliseconds. Rounded up to a second.',
      allowed: "milliseconds, a text such as '30s' or '7d', or one expression",
    },
    until: text('Until when: an instant of RFC 3339, or an expression that yields one.'),
  },
  additionalProperties: false,
  oneOf: [{ required: ['duration'] }, { required: ['until'] }],
  allowed: "either 'duration' or 'until'",
});
const assignee = naming('user', {
  type: 'string',
  minLength: 1,
  maxLength: LIMITS.textCharacters,
} as Type.TSchema);
const Approval = strict({
  assignee: Type.Unsafe<string | readonly string[]>({
    anyOf: [assignee, { type: 'array', minItems: 1, maxItems: LIMITS.assignees, items: assignee }],
    description: 'Who may answer: a user or role, or a list of them.',
    allowed: 'a text, or a list of 1 to 20 texts',
  }),
  message: Type.Optional(text('What the assignee is asked.')),
  timeout: duration('How long an answer is waited for.'),
  on_reject: Type.Optional(
    oneOf(['fail', 'continue'], {
      default: 'fail',
      description: 'Whether a rejection fails the step, or is an output like any other.',
    }),
  ),
});
const Callback = strict({
  request: strict(
    { ...request, method: method('POST') },
    { description: 'The HTTP request that hands the token out.' },
  ),
  timeout: duration('How long the answer is waited for.'),
  heartbeat: Type.Optional(duration('The step times out when no heartbeat comes for this long.')),
});
const SubWorkflow = strict({
  ...child,
  mode: Type.Optional(
    oneOf(['wait', 'detach'], {
      default: 'wait',
      description:
        'wait: the output of the child is the output of the step. detach: only start it.',
    }),
  ),
  timeout: Type.Optional(duration('How long the child is waited for.')),
});
const ForEach = strict({
  items: Type.Unsafe<string | readonly unknown[]>({
    anyOf: [{ type: 'array' }, { type: 'string', minLength: 1 }],
    description: 'An array, or an expression that yields one.',
    allowed: "an array, or one expression: '{% ... %}'",
  }),
  concurrency: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: LIMITS.forEachConcurrency,
      default: LIMITS.forEachConcurrencyDefault,
      description: 'Iterations that may run at once.',
    }),
  ),
  max_items: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: LIMITS.forEachItems,
      default: LIMITS.forEachItemsDefault,
      description: 'More items than this fail the step before any iteration starts.',
    }),
  ),
  steps: steps<StepDefinition>('Run once per item; they see $item and $index.'),
});
const Branch = strict({
  cases: Type.Array(
    strict({
      when: Expression,
      steps: steps<StepDefinition>('Run when this is the first case whose `when` is true.'),
    }),
    {
      minItems: 1,
      maxItems: LIMITS.branchCases,
      description: 'Tested in order; the first that is true runs.',
    },
  ),
  else: Type.Optional(steps<StepDefinition>('Run when no case is true.')),
});
const Loop = Type.Unsafe<{
  while?: string;
  until?: string;
  max_iterations: number;
  steps: readonly StepDefinition[];
}>({
  type: 'object',
  properties: {
    while: { ...Expression, description: 'Tested before each iteration: true goes on.' },
    until: { ...Expression, description: 'Tested before each iteration: true ends the loop.' },
    max_iterations: {
      type: 'integer',
      minimum: 1,
      maximum: LIMITS.loopIterations,
      description: 'The loop fails when it would go on after this many iterations.',
    },
    steps: steps<StepDefinition>('Run in each iteration; they see $loop.'),
  },
  required: ['steps', 'max_iterations'],
  additionalProperties: false,
  oneOf: [{ required: ['while'] }, { required: ['until'] }],
  allowed: "either 'while' or 'until'",
});
const Group = strict({ steps: steps<StepDefinition>('Run as one step.') });
const Fail = strict({
  error: Type.String({
    pattern: '^(?!CloudFlow\\.)(?!States\\.)[A-Za-z][A-Za-z0-9._-]{0,79}$',
    description: 'Error name; the prefixes CloudFlow. and States. are taken.',
    allowed:
      "a name of letters, digits, '.', '_' and '-' without the prefixes 'CloudFlow.' and 'States.'",
  }),
  message: Type.Optional(text('What went wrong, for people.')),
});

/** What an operation of the platform is called with; which there are is said by who performs them. */
const operated = {
  operation: registered('An operation of the platform.'),
  parameters: Type.Optional(template('Parameters of the operation, by name.')),
};

/** The schema of `config` by step type. */
export const CONFIGS = {
  http_request: HttpRequest,
  database_operation: DatabaseOperation,
  notification: Notification,
  platform_operation: strict({ ...operated, ...called }),
  transform: Transform,
  wait: Wait,
  approval: Approval,
  callback: Callback,
  sub_workflow: SubWorkflow,
  for_each: ForEach,
  branch: Branch,
  loop: Loop,
  group: Group,
  fail: Fail,
} as const satisfies { readonly [T in StepType]: Type.TSchema };

export type ConfigOf<T extends StepType> = Type.Static<(typeof CONFIGS)[T]>;

const undoTimeout = { timeout: called.timeout };

/** The schema of `compensate.config` by type. Retries are the platform's: three, after 2, 4 and 8 s. */
export const COMPENSATIONS = {
  http_request: strict({ ...request, method: method('GET'), ...undoTimeout }),
  database_operation: strict({
    operation: naming('connection_operation', registered('A registered operation.')),
    ...statement,
    ...undoTimeout,
  }),
  notification: strict({ ...notification, ...undoTimeout }),
  platform_operation: strict({ ...operated, ...undoTimeout }),
  sub_workflow: strict({
    ...child,
    timeout: Type.Optional(duration('How long the child is waited for.')),
  }),
} as const satisfies { readonly [T in CompensationType]: Type.TSchema };

export type CompensationConfigOf<T extends CompensationType> = Type.Static<
  (typeof COMPENSATIONS)[T]
>;

/** What each type is for, in a line: shown by editors and in problems. */
export const STEP_TYPE_TITLES: { readonly [T in StepType]: string } = {
  http_request: 'calls an HTTP endpoint',
  database_operation: 'runs a registered statement',
  notification: 'sends a message to a person or a system',
  platform_operation: 'operates the platform itself',
  transform: 'computes a value',
  wait: 'waits for a duration or until an instant',
  approval: 'asks a person',
  callback: 'hands out a token and waits until it is answered',
  sub_workflow: 'starts another workflow',
  for_each: 'runs steps once per item',
  branch: 'runs the steps of the first case that is true',
  loop: 'runs steps again and again while, or until, something is true',
  group: 'runs steps as one',
  fail: 'fails with an error of its own',
};

/** Types that call out and so have a raw result that `result` can shape. */
export const RESULT_TYPES = [
  'http_request',
  'database_operation',
  'notification',
  'platform_operation',
  'approval',
  'callback',
  'sub_workflow',
] as const satisfies readonly StepType[];

/** Types that hold steps (which are compensated themselves) or never succeed. */
export const UNCOMPENSATED_TYPES = [
  'for_each',
  'branch',
  'loop',
  'group',
  'fail',
] as const satisfies readonly StepType[];
