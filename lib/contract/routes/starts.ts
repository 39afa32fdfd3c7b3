import * as Type from 'typebox';
import type { Route } from '../route.ts';
import { Cursor, closed, PageSize, page, WorkflowId } from '../schemas/common.ts';
import { Accepted, ExecuteBody, ExecutionSummary } from '../schemas/executions.ts';

const ById = closed({ workflow_id: WorkflowId });
const Page = { limit: Type.Optional(PageSize), cursor: Type.Optional(Cursor) };

/** Executions, by their workflow. */
export const startRoutes = {
  executeWorkflow: {
    method: 'POST',
    path: '/api/v1/workflows/{workflow_id}/execute',
    tag: 'executions',
    tenant: 'caller',
    permission: 'workflow:execute',
    audit: 'change',
    summary: 'start an execution',
    description:
      'Accepted means durable: it will reach an end whatever crashes. Starting again with the same execution_id or Idempotency-Key and the same body gives the same execution. Of a workflow that is paused, or beyond its limits or the limits of all together, it waits in phase `queued` (`held`).',
    params: ById,
    body: ExecuteBody,
    bodyOptional: true,
    response: Accepted,
    status: 202,
    alternative: { status: 200, when: 'an execution with this execution_id was accepted before' },
    idempotent: 'key',
    errors: ['INPUT_INVALID', 'EXECUTION_CONFLICT', 'RUNTIME_UNAVAILABLE', 'TOO_MANY_WAITING'],
  },
  listHistory: {
    method: 'GET',
    reads: 'may_lag',
    path: '/api/v1/workflows/{workflow_id}/history',
    tag: 'executions',
    tenant: 'caller',
    permission: 'workflow:read',
    audit: 'read',
    summary: 'list the executions of a workflow, newest first',
    params: ById,
    query: closed(Page),
    response: page(ExecutionSummary),
    status: 200,
    idempotent: 'natural',
    errors: [],
  },
} as const satisfies Record<string, Route>;
