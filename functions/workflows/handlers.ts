import { deleteWorkflow } from '#services/workflows/delete-workflow.ts';
import type { WorkflowDeps } from '#services/workflows/deps.ts';
import { pauseWorkflow, resumeWorkflow } from '#services/workflows/pause-workflow.ts';
import { createWorkflowReader } from '#services/workflows/read-workflows.ts';
import { getStartLimits, setStartLimits } from '#services/workflows/start-limits.ts';
import { createWorkflow, updateWorkflow } from '#services/workflows/store-workflow.ts';
import type { Handlers, OperationsOf } from '../shared/api.ts';

export function workflowHandlers(deps: WorkflowDeps): Handlers<OperationsOf<'workflows'>> {
  const reader = createWorkflowReader(deps);
  return {
    createWorkflow: async ({ principal, body }) => {
      const stored = await createWorkflow(deps, principal, body);
      return {
        status: stored.created ? 201 : 200,
        body: stored.body,
        etag: stored.etag,
        location: `/api/v1/workflows/${stored.body.workflow_id}/versions/${stored.body.version}`,
      };
    },
    updateWorkflow: async ({ principal, params, body, ifMatch }) => {
      const { workflow_id } = params;
      const stored = await updateWorkflow(deps, principal, workflow_id, body, ifMatch);
      return { body: stored.body, etag: stored.etag };
    },
    deleteWorkflow: async ({ principal, params, ifMatch }) => {
      await deleteWorkflow(deps, principal, params.workflow_id, ifMatch);
      return { body: undefined };
    },
    pauseWorkflow: ({ principal, params, body, ifMatch }) =>
      pauseWorkflow(deps, principal, params.workflow_id, body, ifMatch),
    resumeWorkflow: ({ principal, params, ifMatch }) =>
      resumeWorkflow(deps, principal, params.workflow_id, ifMatch),
    getWorkflowLimits: ({ principal, params }) =>
      getStartLimits(deps, principal, params.workflow_id),
    setWorkflowLimits: ({ principal, params, body, ifMatch }) =>
      setStartLimits(deps, principal, params.workflow_id, body, ifMatch),
    getLimits: ({ principal }) => getStartLimits(deps, principal, null),
    setLimits: ({ principal, body, ifMatch }) =>
      setStartLimits(deps, principal, null, body, ifMatch),
    listWorkflows: async ({ principal, query }) => ({
      body: await reader.listWorkflows(principal, query),
    }),
    validateWorkflow: async ({ principal, body }) => ({
      body: await reader.validateWorkflow(principal, body),
    }),
    getWorkflow: ({ principal, params }) => reader.getWorkflow(principal, params.workflow_id),
    listVersions: async ({ principal, params, query }) => ({
      body: await reader.listVersions(principal, params.workflow_id, query),
    }),
    getVersion: ({ principal, params }) =>
      reader.getVersion(principal, params.workflow_id, params.version),
  };
}
