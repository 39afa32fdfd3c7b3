import * as Type from 'typebox';
import { LIMITS } from '#core/dsl/limits.ts';
import { inWords } from '#core/in-words.ts';
import {
  AnyJson,
  ClientExecutionId,
  closed,
  ErrorObject,
  Labels,
  nullable,
  oneOf,
  Timestamp,
  Uuid,
  WorkflowId,
  WorkflowVersion,
} from './common.ts';
import { Held } from './limits.ts';

export const Runtime = oneOf(['engine', 'step_functions']);
export const RuntimeChoice = oneOf(['auto', 'engine', 'step_functions']);
export const ExecutionStatus = oneOf(['PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED']);
export const StepStatus = oneOf(['QUEUED', 'EXECUTING', 'SUCCESS', 'FAILED', 'SKIPPED']);

export const StepKey = Type.String({
  description: 'path of the step, with indices inside iterations: `orders.charge[3]`',
});

/** Where starts wait. */
export const Priority = Type.Integer({ minimum: 0, maximum: LIMITS.priority });

export const ExecuteBody = closed({
  input: Type.Optional({ ...AnyJson, description: "checked by the workflow's `input_schema`" }),
  version: Type.Optional({ ...WorkflowVersion, description: 'without it, the highest' }),
  runtime: Type.Optional({ ...RuntimeChoice, description: "overrides the definition's choice" }),
  labels: Type.Optional(Labels),
  priority: Type.Optional({ ...Priority, description: "overrides the definition's" }),
  execution_id: Type.Optional(ClientExecutionId),
});

export const ExecutionSummary = closed({
  id: Uuid,
  workflow_id: WorkflowId,
  version: WorkflowVersion,
  runtime: Runtime,
  status: ExecutionStatus,
  phase: nullable(
    Type.String({
      description: 'finer than status: queued, waiting, paused, retrying, compensating, ...',
    }),
  ),
  labels: Labels,
  priority: {
    ...Priority,
    description:
      'which of two that wait to begin goes first: each step is worth five minutes of waiting',
  },
  created_at: Timestamp,
  started_at: nullable(Timestamp),
  ended_at: nullable(Timestamp),
  error: nullable(closed({ ...ErrorObject.properties, step: Type.Optional(StepKey) })),
  retry_of: nullable({ ...Uuid, description: 'the execution that it goes on from' }),
  root_id: { ...Uuid, description: 'the first of its chain of retries; itself when it is none' },
  parent: nullable(
    closed({ execution_id: Uuid, step: StepKey }, { description: 'the step that started it' }),
  ),
  correlation_id: nullable(
    Type.String({ description: '`X-Correlation-Id` of the call that started it' }),
  ),
});

const WAIT_REASONS = [
  'start',
  'turn',
  'dependencies',
  'evaluation',
  'attempt',
  'retry',
  'timer',
  'approval',
  'callback',
  'child',
  'body',
  'slot',
  'pause',
  'compensation',
  'engine',
  'deadline',
] as const;

/** Why something has not happened yet, computed from state. */
export const Wait = closed({
  step: nullable(StepKey),
  reason: oneOf(WAIT_REASONS),
  on: Type.Array(Type.String(), { description: 'steps or executions that have to end first' }),
  until: nullable({ ...Timestamp, description: 'when it ends by itself' }),
  detail: Type.String({ description: 'the same in words' }),
});

export const TimelineEntry = closed({
  seq: Type.Integer(),
  at: Timestamp,
  event: Type.String(),
  step: nullable(StepKey),
});

const quarantined = {
  code: Type.String({ description: 'what does not hold, as a word: `sequence`, `fold`, ...' }),
  reason: Type.String({
    description: 'the same in a sentence; it quotes nothing of the execution',
  }),
  at: Timestamp,
};

export const QuarantinedExecution = closed({
  execution_id: Uuid,
  workflow_id: WorkflowId,
  ...quarantined,
});

export const Execution = closed({
  ...ExecutionSummary.properties,
  input: AnyJson,
  output: AnyJson,
  compensation: nullable(
    oneOf(['NONE', 'COMPLETE', 'PARTIAL'], 'what was undone; null until the execution has ended'),
  ),
  held: { ...nullable(Held), description: 'why it has not begun; null: nothing holds it' },
  quarantine: {
    ...nullable(closed(quarantined)),
    description: 'why it is set aside and moved by nobody; null: it is not',
  },
  waits: Type.Array(Wait),
  timeline: Type.Array(TimelineEntry, {
    description: 'the first 200 transitions, without payloads; all of them are at /events',
  }),
});

export const ExecutionEvent = closed({
  seq: Type.Integer(),
  at: Timestamp,
  type: Type.String(),
  step: nullable(StepKey),
  data: AnyJson,
});

export const ExecutionStep = closed({
  step: StepKey,
  type: nullable(Type.String()),
  status: StepStatus,
  reason: nullable(Type.String({ description: 'why it was skipped' })),
  phase: nullable(Type.String()),
  attempts: Type.Integer(),
  started_at: nullable(Timestamp),
  ended_at: nullable(Timestamp),
  due_at: nullable({ ...Timestamp, description: 'when a timer or a retry is due' }),
  output: AnyJson,
  error: nullable(ErrorObject),
});

export const StateMachine = closed({
  execution_id: Uuid,
  workflow_id: WorkflowId,
  version: WorkflowVersion,
  definition: AnyJson,
});

export const CancelBody = closed({
  compensate: Type.Optional(
    Type.Boolean({ description: "undo what was done; without it, the definition's `on_cancel`" }),
  ),
  reason: Type.Optional(Type.String({ maxLength: 1024 })),
});

export const RetryBody = closed({
  dry_run: Type.Optional(
    Type.Boolean({ description: 'only show what would be carried and what would run again' }),
  ),
  input: Type.Optional(AnyJson),
  version: Type.Optional(WorkflowVersion),
  runtime: Type.Optional(RuntimeChoice),
});

export const RetryPreview = closed({
  execution_id: nullable({ ...Uuid, description: 'the new execution; null for a dry run' }),
  retry_of: Uuid,
  root_id: { ...Uuid, description: 'its id goes into idempotency keys, so receivers still dedupe' },
  workflow_id: WorkflowId,
  version: WorkflowVersion,
  runtime: Runtime,
  carried: Type.Array(StepKey, { description: 'recorded results that are used: not run again' }),
  compensated: Type.Array(StepKey, { description: 'undone by compensation: run from the start' }),
  repeated: Type.Array(
    closed({
      step: StepKey,
      attempts: Type.Integer({ description: 'calls already made' }),
      error: nullable(ErrorObject),
    }),
    {
      description:
        'steps that reach outside, called before without a success: may have taken effect, and called again',
    },
  ),
  pending: Type.Array(StepKey, {
    description:
      'steps that reach outside, never called so far; what only waits or computes simply runs again and is not listed',
  }),
});

export const Accepted = closed({
  execution_id: Uuid,
  workflow_id: WorkflowId,
  version: WorkflowVersion,
  runtime: Runtime,
  runtime_reason: nullable(Type.String({ description: 'why `auto` chose this runtime' })),
  status: ExecutionStatus,
  held: Type.Boolean({
    description: 'whether it waits until it may begin: for a slot, a rate, or the end of a pause',
  }),
  created_at: Timestamp,
});

export const Approval = closed({
  id: Uuid,
  execution_id: Uuid,
  workflow_id: WorkflowId,
  step: StepKey,
  assignees: Type.Array(Type.String()),
  message: nullable(Type.String()),
  status: oneOf(['pending', 'approved', 'rejected', 'closed'], 'closed: the step ended unanswered'),
  requested_at: Timestamp,
  due_at: Timestamp,
  answer: nullable(closed({ by: Type.String(), at: Timestamp, comment: nullable(Type.String()) })),
});

export const AnswerBody = closed({
  decision: oneOf(['approved', 'rejected']),
  comment: Type.Optional(Type.String({ maxLength: 2048 })),
});

export const CompleteBody = closed({ result: Type.Optional(AnyJson) });

export const FailBody = closed({
  code: Type.Optional(
    inWords(
      '1 to 128 letters, digits, `_`, `.` and `-`, beginning with a letter and not with `CloudFlow.` or `States.`',
      Type.String({
        pattern: '^[A-Za-z][A-Za-z0-9_.-]{0,127}$',
        description: 'a name of your own, not beginning with `CloudFlow.` or `States.`',
      }),
    ),
  ),
  message: Type.Optional(Type.String({ maxLength: 2048 })),
});

export const CallbackAccepted = closed({
  execution_id: Uuid,
  step: StepKey,
  accepted: Type.Literal(true),
});
