import * as Type from 'typebox';
import type { JsonObject } from '#core/json.ts';
import {
  type Author,
  type CompensationType,
  type StepType,
  TRIGGER_RULES,
  TYPES_OF,
} from '#core/plan/program.ts';
import type { CompensationConfigOf, ConfigOf } from './configs.ts';
import { LIMITS } from './limits.ts';
import {
  duration,
  Expression,
  oneOf,
  StepId,
  steps,
  strict,
  template,
  Version,
  WorkflowId,
} from './parts.ts';

/** The envelopes: what every workflow and every step has, whatever it does. */

export const WorkflowEnvelope = strict(
  {
    $schema: Type.Optional(
      Type.String({ maxLength: 256, description: 'For editors; not read by CloudFlow.' }),
    ),
    dsl: Type.Optional(
      Type.Literal('1', { default: '1', description: 'Version of the language.' }),
    ),
    workflow_id: WorkflowId,
    version: Version,
    name: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: LIMITS.nameCharacters,
        description: 'A name for people; searchable.',
      }),
    ),
    description: Type.Optional(
      Type.String({
        maxLength: LIMITS.descriptionCharacters,
        description: 'What the workflow is for; searchable.',
      }),
    ),
    labels: Type.Optional(
      Type.Unsafe<Readonly<Record<string, string>>>({
        type: 'object',
        maxProperties: LIMITS.labels,
        propertyNames: {
          pattern: `^[a-z](?:[a-z0-9._-]{0,${LIMITS.labelKeyCharacters - 2}}[a-z0-9])?$`,
          allowed: "a name of lower-case letters, digits, '.', '_' and '-'",
        },
        additionalProperties: { type: 'string', maxLength: LIMITS.labelValueCharacters },
        description: 'Short texts by name, to search by.',
        allowed: 'up to 20 texts of at most 128 characters by lower-case name',
      }),
    ),
    input_schema: Type.Optional(
      Type.Unsafe<JsonObject>({
        type: 'object',
        description: 'JSON Schema (2020-12) that the input of every execution must match.',
      }),
    ),
    timeout: Type.Optional(duration('How long one execution may take.')),
    on_cancel: Type.Optional(
      oneOf(['abandon', 'compensate'], {
        default: 'abandon',
        description: 'Whether what was done is undone when an execution is cancelled.',
      }),
    ),
    on_failure: Type.Optional(
      oneOf(['drain', 'halt'], {
        default: 'drain',
        description:
          'drain: independent steps still run after a failure. halt: no new step starts after one.',
      }),
    ),
    runtime: Type.Optional(
      oneOf(['auto', 'engine', 'step_functions'], {
        default: 'auto',
        description: 'What runs it. Both mean the same; auto chooses.',
      }),
    ),
    priority: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: LIMITS.priority,
        default: 0,
        description:
          'Which of two starts that wait goes first, where a start says nothing else: each step is worth five minutes of waiting.',
      }),
    ),
    limits: Type.Optional(
      strict(
        {
          concurrency: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: LIMITS.concurrency,
              description:
                'Executions that may run at once; a start beyond waits. A child that a step waits for runs in the place of its parent and is not counted (R44).',
            }),
          ),
          starts: Type.Optional(
            strict(
              {
                count: Type.Integer({
                  minimum: 1,
                  maximum: LIMITS.starts,
                  description: 'Executions that may begin within `per`; a start beyond waits.',
                }),
                per: duration('Any span of this length.', {
                  least: LIMITS.startsPerLeastMs,
                  most: LIMITS.startsPerMs,
                }),
              },
              { description: 'How fast executions may begin.' },
            ),
          ),
          max_waiting: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: LIMITS.waitingStarts,
              default: LIMITS.waitingStarts,
              description: 'Starts that may wait; one beyond is refused.',
            }),
          ),
        },
        {
          minProperties: 1,
          description:
            'Of all versions of the workflow together; what its highest version says holds. They bound starts, retries and detached children, not children that a step waits for (R44).',
        },
      ),
    ),
    output: Type.Optional(
      template('The output of the workflow. Default: the outputs of the top-level steps by id.'),
    ),
    steps: steps<StepDefinition>('What is done. Order is given by depends_on alone.'),
  },
  { description: 'A CloudFlow workflow definition.' },
);

const compensation = (author: Author) =>
  strict(
    {
      type: Type.Unsafe<CompensationType>({
        type: 'string',
        enum: [...TYPES_OF[author].compensations],
        description: 'What undoes the step.',
      }),
      config: Type.Optional(
        Type.Unsafe<JsonObject>({ type: 'object', description: 'As of a step of this type.' }),
      ),
    },
    { description: 'Done when the workflow fails after this step has succeeded.' },
  );

const stepFields = {
  description: Type.Optional(
    Type.String({ maxLength: LIMITS.stepDescriptionCharacters, description: 'For people.' }),
  ),
  depends_on: Type.Optional(
    Type.Array(
      Type.String({ minLength: 1, maxLength: 64, allowed: 'the id of a step of the same list' }),
      {
        maxItems: LIMITS.stepsPerScope,
        uniqueItems: true,
        description: 'Steps of the same list that must have ended before.',
      },
    ),
  ),
  when: Type.Optional({
    ...Expression,
    description: 'The step runs only if this is exactly true: {% ... %}',
  }),
  trigger: Type.Optional(
    oneOf(TRIGGER_RULES, {
      default: 'all_success',
      description: 'How the steps in depends_on must have ended.',
    }),
  ),
  continue_on_failure: Type.Optional(
    Type.Boolean({
      default: false,
      description: 'A failure of this step counts as a success for what follows.',
    }),
  ),
  max_output_bytes: Type.Optional(
    Type.Integer({
      minimum: LIMITS.outputBytesLeast,
      maximum: LIMITS.outputBytes,
      description: 'Bytes of JSON that the output may have. Default: an equal share.',
    }),
  ),
  result: Type.Optional({
    ...Expression,
    description: 'Shapes $result, the raw result of the call, into the output: {% ... %}',
  }),
};

const envelopeOf = (author: Author) =>
  strict({
    id: StepId,
    type: Type.Unsafe<StepType>({
      type: 'string',
      enum: [...TYPES_OF[author].steps],
      description: 'What the step does.',
    }),
    ...stepFields,
    compensate: Type.Optional(compensation(author)),
    config: Type.Optional(
      Type.Unsafe<JsonObject>({ type: 'object', description: 'As the type asks.' }),
    ),
  });

/** What every step has; which types it may be of depends on whose workflow it is. */
export const STEP_ENVELOPES = {
  tenant: envelopeOf('tenant'),
  platform: envelopeOf('platform'),
} as const satisfies { readonly [A in Author]: unknown };

/** The one that is published. */
export const StepEnvelope = STEP_ENVELOPES.tenant;

type EnvelopeOf = Omit<Type.Static<typeof StepEnvelope>, 'type' | 'config' | 'compensate'>;

export type CompensationDefinition = {
  [T in CompensationType]: { readonly type: T; readonly config?: CompensationConfigOf<T> };
}[CompensationType];

export type StepDefinitionOf<T extends StepType> = EnvelopeOf & {
  readonly type: T;
  readonly compensate?: CompensationDefinition;
  readonly config?: ConfigOf<T>;
};

/** One step as written, by type. */
export type StepDefinition = { [T in StepType]: StepDefinitionOf<T> }[StepType];

/** A workflow as written: valid by shape. `checkDefinition` says whether it also makes sense. */
export type WorkflowDefinition = Omit<Type.Static<typeof WorkflowEnvelope>, 'steps'> & {
  readonly steps: readonly StepDefinition[];
};
