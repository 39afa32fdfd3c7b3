import { answerApproval, listApprovals } from '#services/executions/approvals.ts';
import {
  type BulkDeps,
  cancelBulkOperation,
  getBulkOperation,
  listBulkOperations,
  startBulkOperation,
} from '#services/executions/bulk-operations.ts';
import {
  completeCallback,
  failCallback,
  heartbeatCallback,
} from '#services/executions/callbacks.ts';
import { executeWorkflow } from '#services/executions/execute-workflow.ts';
import {
  cancelExecution,
  pauseExecution,
  releaseExecution,
  resumeExecution,
} from '#services/executions/operate-execution.ts';
import {
  getExecution,
  getStateMachine,
  listEvents,
  listExecutions,
  listHistory,
  listQuarantined,
  listSteps,
} from '#services/executions/read-executions.ts';
import { retryExecution } from '#services/executions/retry-execution.ts';
import type { Handlers, OperationsOf } from '../shared/api.ts';

export function executionHandlers(
  deps: BulkDeps,
): Handlers<OperationsOf<'executions' | 'approvals' | 'callbacks'>> {
  return {
    executeWorkflow: async (call) => {
      const { principal, params, body, idempotency } = call;
      const started = await executeWorkflow(deps, principal, params.workflow_id, body, call);
      return {
        // A repeat under a key gets the answer of the first; one under an id learns that it is one.
        status: started.kind === 'existing' && idempotency === null ? 200 : 202,
        body: started.body,
        location: `/api/v1/executions/${started.body.execution_id}`,
      };
    },
    retryExecution: async (call) => {
      const { principal, params, body } = call;
      const retried = await retryExecution(deps, principal, params.execution_id, body, call);
      const { execution_id } = retried.body;
      return {
        status: retried.kind === 'dry_run' ? 200 : 202,
        body: retried.body,
        ...(execution_id === null ? {} : { location: `/api/v1/executions/${execution_id}` }),
      };
    },
    cancelExecution: async ({ principal, params, query, body, trace }) => ({
      body: await cancelExecution(deps, principal, params.execution_id, body, { ...query, trace }),
    }),
    pauseExecution: async ({ principal, params, query, trace }) => ({
      body: await pauseExecution(deps, principal, params.execution_id, { ...query, trace }),
    }),
    resumeExecution: async ({ principal, params, query, trace }) => ({
      body: await resumeExecution(deps, principal, params.execution_id, { ...query, trace }),
    }),
    releaseExecution: async ({ principal, params }) => ({
      body: await releaseExecution(deps, principal, params.execution_id),
    }),
    listQuarantined: async ({ principal, query }) => ({
      body: await listQuarantined(deps, principal, query),
    }),
    startBulkOperation: async ({ principal, body }) => {
      const operation = await startBulkOperation(deps, principal, body);
      return operation.id === null
        ? { status: 200, body: operation }
        : { body: operation, location: `/api/v1/bulk-operations/${operation.id}` };
    },
    listBulkOperations: async ({ principal, query }) => ({
      body: await listBulkOperations(deps, principal, query),
    }),
    getBulkOperation: async ({ principal, params }) => ({
      body: await getBulkOperation(deps, principal, params.operation_id),
    }),
    cancelBulkOperation: async ({ principal, params }) => ({
      body: await cancelBulkOperation(deps, principal, params.operation_id),
    }),
    listExecutions: async ({ principal, query }) => ({
      body: await listExecutions(deps, principal, query),
    }),
    listHistory: async ({ principal, params, query }) => ({
      body: await listHistory(deps, principal, params.workflow_id, query),
    }),
    getExecution: async ({ principal, params }) => ({
      body: await getExecution(deps, principal, params.execution_id),
    }),
    listEvents: async ({ principal, params, query }) => ({
      body: await listEvents(deps, principal, params.execution_id, query),
    }),
    listSteps: async ({ principal, params, query }) => ({
      body: await listSteps(deps, principal, params.execution_id, query),
    }),
    getStateMachine: async ({ principal, params }) => ({
      body: await getStateMachine(deps, principal, params.execution_id),
    }),
    listApprovals: async ({ principal, query }) => ({
      body: await listApprovals(deps, principal, query),
    }),
    answerApproval: async (call) => ({
      body: await answerApproval(deps, call.principal, call.params.approval_id, call.body, call),
    }),
    completeCallback: async (call) => ({
      body: await completeCallback(deps, call.params.token, call.body, call),
    }),
    failCallback: async (call) => ({
      body: await failCallback(deps, call.params.token, call.body, call),
    }),
    heartbeatCallback: async (call) => ({
      body: await heartbeatCallback(deps, call.params.token, call),
    }),
  };
}
