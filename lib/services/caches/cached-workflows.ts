import { CACHES } from '#config/caches.ts';
import type { Program } from '#core/plan/program.ts';
import type { Cache, Cached, CacheName } from '#ports/cache.ts';
import type { VersionRecord, WorkflowRecord } from '#ports/workflow-store.ts';

/** What is kept of workflows, each under the names below. */
export interface CachedWorkflows {
  readonly workflow: Cached<WorkflowRecord>;
  readonly version: Cached<VersionRecord>;
  readonly program: Cached<Program>;
}

export function cachedWorkflows(cache: Cache): CachedWorkflows {
  return {
    workflow: cache.of<WorkflowRecord>(CACHES.workflow, ({ revision }) => revision),
    version: cache.of<VersionRecord>(CACHES['workflow-version']),
    program: cache.of<Program>(CACHES.program),
  };
}

type Named = Pick<WorkflowRecord, 'tenant' | 'mode' | 'workflowId'>;

export function workflowName({ tenant, mode, workflowId }: Named): CacheName {
  return { tenant, parts: [mode, workflowId] };
}

/** A workflow that is deleted and stored anew has another beginning, and other versions. */
export function versionName(
  workflow: Named & Pick<WorkflowRecord, 'createdAt'>,
  version: string,
): CacheName {
  const { tenant, parts } = workflowName(workflow);
  return { tenant, parts: [...parts, String(workflow.createdAt), version] };
}
