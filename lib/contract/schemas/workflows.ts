import * as Type from 'typebox';
import type { JsonObject } from '#core/json.ts';
import { STEP_TYPES, type StepType } from '#core/plan/program.ts';
import {
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
  paused: {
    ...nullable(
      closed({
        at: Timestamp,
        by: Type.String({ description: 'who paused it: `user:` or `key:` and an id' }),
        reason: nullable(Type.String()),
      }),
    ),
    description: 'since when its starts wait; null: they begin',
  },
});

export const PauseBody = closed({
  reason: Type.Optional(
    Type.String({ minLength: 1, maxLength: 1024, description: 'for whoever finds it paused' }),
  ),
});

/** What a pause leaves running. */
export const PausedWorkflow = closed({
  ...WorkflowSummary.properties,
  running: closed({
    count: Type.Integer({
      description:
        'executions that have begun and go on, without children that a step waits for; 1,000 at most',
    }),
    execution_ids: Type.Array(Type.String(), { description: 'the newest 20 of them' }),
  }),
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
  hash: Type.String({
    description: 'SHA-256 of the canonical definition: two versions with one hash say the same',
  }),
  created_at: Timestamp,
  created_by: Type.String(),
});

export const Version = closed({ ...VersionSummary.properties, definition: Definition });

const Costs = closed(
  { happy: Type.Integer(), worst: Type.Integer() },
  { description: 'when all goes well, and at worst' },
);

export const StepPlan = closed({
  path: Type.String({ description: '`outer.inner`, unique in the workflow' }),
  type: Type.Unsafe<StepType>({ type: 'string', enum: [...STEP_TYPES] }),
  no: Type.Integer({ description: 'topological number: what it depends on has smaller ones' }),
  pointer: Type.String({ description: 'JSON Pointer into the definition' }),
  max_output_bytes: Type.Integer({ description: 'the budget of its output' }),
  live: Type.Boolean({ description: 'whether somebody reads its output' }),
  slow: Type.Boolean({ description: 'whether it may wait for long' }),
  estimate_ms: Type.Integer(),
  runs: Type.Integer({ description: 'most times it can run in one execution' }),
  calls: Type.Integer({ description: 'most calls in one execution, retries included' }),
});

const Pairs = Type.Array(Type.Array(Type.String(), { minItems: 2, maxItems: 2 }));
export const BarrierPlan = closed({
  scope: Type.String({ description: "path of the container; empty for the workflow's own list" }),
  pointer: Type.String({ description: 'JSON Pointer to the first step that waits' }),
  before: Type.Array(Type.String()),
  after: Type.Array(Type.String()),
  pairs: {
    ...Pairs,
    description: '`[a, b]`: b waits for a although it does not depend on it',
  },
  slow_pairs: { ...Pairs, description: 'those of them that wait for something slow' },
  stretch: Type.Number({ description: 'time with barriers over time without: 1 is no loss' }),
});

export const Report = closed(
  {
    workflow_id: Type.String(),
    version: Type.String(),
    program_hash: Type.String({
      description:
        'SHA-256 of the compiled program, named by the first event of an execution; the `hash` of a version is that of its definition',
    }),
    runtime: oneOf(['auto', 'engine', 'step_functions'], 'what the definition asks for'),
    choice: closed({
      runtime: oneOf(['engine', 'step_functions'], 'what that becomes here'),
      reason: Type.String(),
      obstacles: Type.Array(Problem, {
        description: 'why Step Functions cannot run it (`E_ASL_...`); empty when it can',
      }),
    }),
    steps: Type.Array(StepPlan),
    critical_path: closed({ steps: Type.Array(Type.String()), estimate_ms: Type.Integer() }),
    barriers: Type.Array(BarrierPlan, {
      description: 'where Step Functions waits for more than the graph says',
    }),
    calls: Type.Unsafe<{ readonly [T in StepType]?: number }>({
      type: 'object',
      additionalProperties: { type: 'integer' },
      description: 'most calls of one execution by step type, retries included',
    }),
    total_calls: Type.Integer(),
    record_bytes: Type.Integer({
      description: 'of all records of an execution when every output is as large as its budget',
    }),
    machine: {
      ...nullable(
        closed({
          states: Type.Integer(),
          bytes: Type.Integer({ description: 'of the machine as it is sent to AWS' }),
          barriers: Type.Integer({ description: 'orderings that it adds to the graph' }),
          transitions: Costs,
          events: Costs,
          usd_per_million: Type.Number({ description: 'of standard workflows when all goes well' }),
        }),
      ),
      description: 'the state machine; null when none could be written',
    },
  },
  { description: 'what can be said of a workflow before it runs; the same as `cloudflow plan`' },
);

/** What storing a definition answers: the version, and what is worth knowing about it. */
export const StoredVersion = closed({
  ...VersionSummary.properties,
  warnings: Type.Array(Problem),
  report: Report,
});

export const CheckedDefinition = closed({
  valid: Type.Boolean(),
  problems: Type.Array(Problem),
  warnings: Type.Array(Problem),
  report: nullable(Report),
});
