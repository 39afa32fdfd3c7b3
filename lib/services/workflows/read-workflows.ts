import type { Query, ResponseBody } from '#contract/routes.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { LatestExecution } from '#ports/workflow-store.ts';
import type { Principal } from '../identity/principal.ts';
import { workflowsOf } from '../identity/workflow-scope.ts';
import { coalesce } from '../shared/coalesce.ts';
import { etagOf } from '../shared/etag.ts';
import { iso, isoOrNull } from '../shared/present.ts';
import { checkDefinition } from './check-definition.ts';
import type { WorkflowDeps } from './deps.ts';
import { presentVersion, presentWorkflow } from './present.ts';

export interface WorkflowReader {
  getWorkflow(
    principal: Principal,
    workflowId: string,
  ): Promise<{ readonly etag: string; readonly body: ResponseBody<'getWorkflow'> }>;
  listWorkflows(
    principal: Principal,
    query: Query<'listWorkflows'>,
  ): Promise<ResponseBody<'listWorkflows'>>;
  getVersion(
    principal: Principal,
    workflowId: string,
    version: string,
  ): Promise<{ readonly etag: string; readonly body: ResponseBody<'getVersion'> }>;
  listVersions(
    principal: Principal,
    workflowId: string,
    query: Query<'listVersions'>,
  ): Promise<ResponseBody<'listVersions'>>;
  validateWorkflow(
    principal: Principal,
    document: unknown,
  ): Promise<ResponseBody<'validateWorkflow'>>;
}

export function createWorkflowReader(deps: WorkflowDeps): WorkflowReader {
  const { catalog, store, cursors } = deps;
  const latest = coalesce(
    (of: { tenant: string; mode: Mode; workflowId: string }) =>
      store.latestExecution(of.tenant, of.mode, of.workflowId),
    ({ tenant, mode, workflowId }) => `${tenant}/${mode}/${workflowId}`,
  );
  return {
    async getWorkflow({ tenant, mode }, workflowId) {
      const [record, execution] = await Promise.all([
        catalog.workflow(tenant, mode, workflowId),
        latest({ tenant, mode, workflowId }),
      ]);
      const { definition } = await catalog.version(tenant, mode, workflowId, record.version);
      return {
        etag: etagOf(record),
        body: {
          ...presentWorkflow(record),
          definition,
          latest_execution: execution === null ? null : presentLatest(execution),
        },
      };
    },

    async listWorkflows(principal, query) {
      const scope = { principal, operation: 'listWorkflows' };
      const page = await store.list(
        principal.tenant,
        principal.mode,
        {
          ...workflowsOf(principal),
          ...(query.text === undefined ? {} : { text: query.text }),
          ...(query.step_type === undefined ? {} : { stepType: query.step_type }),
        },
        cursors.request(scope, query),
      );
      return cursors.page(scope, query, page, presentWorkflow);
    },

    async getVersion({ tenant, mode }, workflowId, version) {
      const record = await catalog.version(tenant, mode, workflowId, version);
      return {
        etag: record.definitionHash.slice(0, 32),
        body: { ...presentVersion(record), definition: record.definition },
      };
    },

    async listVersions(principal, workflowId, query) {
      const { tenant, mode } = principal;
      await catalog.workflow(tenant, mode, workflowId);
      const scope = { principal, operation: 'listVersions', of: workflowId };
      const page = await store.listVersions(
        tenant,
        mode,
        workflowId,
        cursors.request(scope, query),
      );
      return cursors.page(scope, query, page, presentVersion);
    },

    async validateWorkflow(principal, document) {
      const checked = await checkDefinition(deps, principal, document);
      return {
        valid: checked.ok,
        problems: checked.ok ? [] : [...checked.problems],
        warnings: [...checked.warnings],
        report: checked.ok ? checked.report : null,
      };
    },
  };
}

function presentLatest(
  execution: LatestExecution,
): NonNullable<ResponseBody<'getWorkflow'>['latest_execution']> {
  return {
    id: execution.id,
    status: execution.status,
    version: execution.version,
    created_at: iso(execution.createdAt),
    ended_at: isoOrNull(execution.endedAt),
  };
}
