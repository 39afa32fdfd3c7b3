import * as Type from 'typebox';
import { naming } from '#core/naming.ts';
import {
  closed,
  LabelFilter,
  Labels,
  nullable,
  oneOf,
  Timestamp,
  Uuid,
  WorkflowId,
  WorkflowVersion,
} from './common.ts';
import { ExecutionStatus, ExecutionSummary } from './executions.ts';

const Action = oneOf(['cancel', 'pause', 'resume', 'retry']);

export const BulkBody = closed({
  action: Action,
  filter: Type.Optional(
    closed(
      {
        status: Type.Optional({
          ...ExecutionStatus,
          description:
            'without it, those that the action is possible for: PENDING and RUNNING, or FAILED for a retry',
        }),
        workflow_id: Type.Optional(WorkflowId),
        version: Type.Optional(WorkflowVersion),
        held: Type.Optional(Type.Boolean({ description: 'true: those that wait to begin' })),
        from: Type.Optional({ ...Timestamp, description: 'created at or after this instant' }),
        to: Type.Optional({ ...Timestamp, description: 'created before this instant' }),
        label: Type.Optional(LabelFilter),
        text: Type.Optional(
          naming(
            'words',
            Type.String({
              minLength: 1,
              maxLength: 200,
              description: 'as in the list of executions',
            }),
          ),
        ),
      },
      { description: 'as in the list of executions; without it, all' },
    ),
  ),
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 1_000,
      description: 'how many executions it looks at, at most',
    }),
  ),
  dry_run: Type.Optional(Type.Boolean({ description: 'only count and show what is meant' })),
  compensate: Type.Optional(
    Type.Boolean({
      description: "of a cancel: as there; without it, the definitions' `on_cancel`",
    }),
  ),
  reason: Type.Optional(Type.String({ maxLength: 1024, description: 'of a cancel' })),
});

export const BulkOperation = closed({
  id: nullable({ ...Uuid, description: 'null: it was a dry run' }),
  action: Action,
  status: oneOf(['DRY_RUN', 'RUNNING', 'COMPLETED', 'CANCELLED']),
  filter: closed({
    statuses: Type.Array(ExecutionStatus),
    workflow_id: Type.Optional(WorkflowId),
    version: Type.Optional(WorkflowVersion),
    from: Type.Optional(Timestamp),
    to: { ...Timestamp, description: 'later ones are not meant' },
    labels: Type.Optional(Labels),
    text: Type.Optional(Type.String()),
  }),
  limit: Type.Integer(),
  seen: Type.Integer({ description: 'executions it has looked at' }),
  changed: Type.Integer(),
  refused: Type.Integer({
    description: 'not possible, such as to cancel what has ended meanwhile',
  }),
  failed: Type.Integer({ description: 'our fault' }),
  refusals: Type.Array(closed({ execution_id: Uuid, code: Type.String() }), {
    description: 'the first 20 that were refused or failed',
  }),
  created_at: Timestamp,
  created_by: Type.String(),
  ended_at: nullable(Timestamp),
  preview: nullable(
    closed(
      {
        count: Type.Integer({
          description: 'executions that are meant, as far as they were counted',
        }),
        more: Type.Boolean({
          description: 'there are more: beyond `limit`, or beyond 10,000, which are not counted',
        }),
        sample: Type.Array(ExecutionSummary, { description: 'the newest ten' }),
      },
      { description: 'of a dry run' },
    ),
  ),
});
