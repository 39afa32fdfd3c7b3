import type { TSchema } from 'typebox';
import type { Json, JsonObject } from '#core/json.ts';
import { isJsonObject } from '#core/json.ts';
import { COMPENSATION_TYPES, STEP_TYPES, type StepType } from '#core/plan/program.ts';
import {
  COMPENSATIONS,
  CONFIGS,
  RESULT_TYPES,
  STEP_TYPE_TITLES,
  UNCOMPENSATED_TYPES,
} from './configs.ts';
import { LIMITS } from './limits.ts';
import { asJsonSchema, RetrySchema } from './parts.ts';
import { StepEnvelope, WorkflowEnvelope } from './schema.ts';

/** Names the published schema; a definition may carry it as `$schema`. */
export const WORKFLOW_SCHEMA_ID = 'urn:cloudflow:dsl:1';

/**
 * The schema of a definition, complete and for editors: draft 2020-12, with descriptions, defaults
 * and, by `type`, the config that fits. Made of the same shapes that `parseDefinition` checks.
 */
export function workflowJsonSchema(): JsonObject {
  const step = published(StepEnvelope);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: WORKFLOW_SCHEMA_ID,
    title: 'CloudFlow workflow definition',
    ...published(WorkflowEnvelope),
    $defs: {
      steps: {
        type: 'array',
        minItems: 1,
        maxItems: LIMITS.stepsPerScope,
        items: { $ref: '#/$defs/step' },
        description: 'Steps of one list; depends_on names steps of the same list.',
      },
      step: {
        ...step,
        properties: { ...(step['properties'] as JsonObject), type: typeChoice() },
        allOf: STEP_TYPES.map(whenType),
      },
      retry: published(RetrySchema),
      ...Object.fromEntries(
        STEP_TYPES.map((type) => [
          `config_${type}`,
          { title: `${type}: ${STEP_TYPE_TITLES[type]}`, ...published(CONFIGS[type]) },
        ]),
      ),
      ...Object.fromEntries(
        COMPENSATION_TYPES.map((type) => [
          `compensation_${type}`,
          { title: `undo by ${type}`, ...published(COMPENSATIONS[type]) },
        ]),
      ),
    },
  };
}

/** `oneOf` constants instead of an enum: editors show what each type is for. */
function typeChoice(): JsonObject {
  return {
    description: 'What the step does.',
    oneOf: STEP_TYPES.map((type) => ({ const: type, description: STEP_TYPE_TITLES[type] })),
  };
}

function whenType(type: StepType): Json {
  const needsConfig = isRequired(CONFIGS[type]);
  const either = asJsonSchema(CONFIGS[type])['oneOf'] !== undefined;
  return {
    if: { properties: { type: { const: type } }, required: ['type'] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema, never awaited
    then: {
      properties: {
        config: { $ref: `#/$defs/config_${type}` },
        ...((RESULT_TYPES as readonly StepType[]).includes(type) ? {} : { result: false }),
        compensate: (UNCOMPENSATED_TYPES as readonly StepType[]).includes(type)
          ? false
          : {
              allOf: COMPENSATION_TYPES.map((undo) => ({
                if: { properties: { type: { const: undo } }, required: ['type'] },
                // biome-ignore lint/suspicious/noThenProperty: as above
                then: {
                  properties: { config: { $ref: `#/$defs/compensation_${undo}` } },
                  ...(isRequired(COMPENSATIONS[undo]) ? { required: ['config'] } : {}),
                },
              })),
            },
      },
      ...(needsConfig || either ? { required: ['config'] } : {}),
    },
  };
}

function isRequired(schema: TSchema): boolean {
  return ((asJsonSchema(schema)['required'] ?? []) as readonly string[]).length > 0;
}

/** Plain JSON Schema: without the keywords that only our own messages use. */
function published(schema: TSchema): JsonObject {
  return withoutOurs(JSON.parse(JSON.stringify(schema)) as Json) as JsonObject;
}

function withoutOurs(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutOurs);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'allowed' && key !== 'durationBetween')
      .map(([key, member]) => [key, withoutOurs(member)]),
  );
}
