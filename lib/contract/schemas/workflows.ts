import { Type } from 'typebox';
import type { JsonObject } from '#core/json.ts';
import {
  AnyJson,
  closed,
  nullable,
  oneOf,
  Problem,
  Timestamp,
  WorkflowId,
  WorkflowVersion,
} from './common.ts';

/** Checked by the language, which reports everything wrong at once, not by this schema. */
export const Definition = Type.Unsafe<JsonObject>({
  type: 'object',
  description: 'a workflow definition; its schema is at /api/v1/schemas/workflow',
});

export const WorkflowSummary = closed({
  workflow_id: WorkflowId,
  version: { ...WorkflowVersion, description: 'the highest version stored' },
  description: nullable(Type.String()),
  runtime: oneOf(['auto', 'engine', 'step_functions']),
  step_count: Type.Integer(),
  version_count: Type.Integer(),
  created_at: Timestamp,
  updated_at: Timestamp,
});

export const LatestExecution = closed({
  id: Type.String(),
  status: Type.String(),
  version: Type.String(),
  created_at: Timestamp,
  ended_at: nullable(Timestamp),
});

export const Workflow = closed({
  ...WorkflowSummary.properties,
  definition: Definition,
  latest_execution: nullable(LatestExecution),
});

export const VersionSummary = closed({
  workflow_id: WorkflowId,
  version: WorkflowVersion,
  description: nullable(Type.String()),
  hash: Type.String({ description: 'SHA-256 of the canonical definition' }),
  created_at: Timestamp,
  created_by: Type.String(),
});

export const Version = closed({ ...VersionSummary.properties, definition: Definition });

/** What storing a definition answers: the version, and what is worth knowing about it. */
export const StoredVersion = closed({
  ...VersionSummary.properties,
  warnings: Type.Array(Problem),
  report: AnyJson,
});

export const CheckedDefinition = closed({
  valid: Type.Boolean(),
  problems: Type.Array(Problem),
  warnings: Type.Array(Problem),
  report: nullable(AnyJson),
});
