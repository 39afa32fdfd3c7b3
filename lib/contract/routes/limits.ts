import * as Type from 'typebox';
import type { Route } from '../route.ts';
import { closed, WorkflowId } from '../schemas/common.ts';
import { SetLimitsBody, StartLimits } from '../schemas/limits.ts';

const ById = closed({ workflow_id: WorkflowId });

const SET =
  'Replaces what was set before; an empty body takes all of it away. A start beyond is accepted and waits, PENDING in phase `queued`, until there is room; of those that wait the one with the earliest turn goes first, each step of `priority` being worth five minutes of waiting. Beyond `max_waiting` starts are refused with TOO_MANY_WAITING. What runs already is counted, and nothing that runs is stopped. A child that a step waits for runs in the place of its parent: it is neither held nor counted, whereas detached children and retries are starts as any other.';

/** How many executions run at once, and how fast they begin. */
export const limitRoutes = {
  getWorkflowLimits: {
    method: 'GET',
    reads: 'current',
    path: '/api/v1/workflows/{workflow_id}/limits',
    tag: 'workflows',
    tenant: 'caller',
    permission: 'workflow:read',
    audit: 'nothing',
    summary: 'get what holds the starts of a workflow, and how much of it is used',
    params: ById,
    response: StartLimits,
    status: 200,
    etag: 'state',
    idempotent: 'natural',
    errors: [],
  },
  setWorkflowLimits: {
    method: 'PUT',
    path: '/api/v1/workflows/{workflow_id}/limits',
    tag: 'workflows',
    tenant: 'caller',
    permission: 'execution:control',
    audit: 'change',
    summary: 'limit how many executions of a workflow run at once, and how fast they begin',
    description: `${SET} The definition may say the same in \`limits\`; the stricter holds. In the credential's mode only.`,
    params: ById,
    body: SetLimitsBody,
    response: StartLimits,
    status: 200,
    ifMatch: 'required',
    etag: 'state',
    idempotent: 'natural',
    errors: [],
  },
  getLimits: {
    method: 'GET',
    reads: 'current',
    path: '/api/v1/limits',
    tag: 'workflows',
    tenant: 'caller',
    permission: 'execution:read',
    audit: 'nothing',
    summary: 'get what holds the starts of all workflows together, and how much of it is used',
    query: Type.Object({}, { additionalProperties: false }),
    response: StartLimits,
    status: 200,
    etag: 'state',
    idempotent: 'natural',
    errors: [],
  },
  setLimits: {
    method: 'PUT',
    path: '/api/v1/limits',
    tag: 'workflows',
    tenant: 'caller',
    permission: 'execution:control',
    audit: 'change',
    summary: 'limit how many executions of all workflows together run at once, and begin',
    description: `${SET} In the credential's mode only; a key for certain workflows may not.`,
    body: SetLimitsBody,
    response: StartLimits,
    status: 200,
    ifMatch: 'required',
    etag: 'state',
    idempotent: 'natural',
    errors: [],
  },
} as const satisfies Record<string, Route>;
