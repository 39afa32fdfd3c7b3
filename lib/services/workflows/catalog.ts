import type { Cache } from '#ports/cache.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { VersionRecord, WorkflowRecord, WorkflowStore } from '#ports/workflow-store.ts';
import { cachedWorkflows, versionName, workflowName } from '../caches/cached-workflows.ts';
import { coalesce } from '../shared/coalesce.ts';
import { notFound } from '../shared/problems.ts';

/**
 * Reading definitions on the hot path. Versions never change, so they may come out of the cache; which
 * version is current, and whether the workflow still exists, is read every time (joined with others
 * that ask for the same at the same moment), but for answers that may lag.
 */
export interface Catalog {
  /** Throws NOT_FOUND. */
  workflow(tenant: string, mode: Mode, workflowId: string): Promise<WorkflowRecord>;
  /** `version` null: the current one. Throws NOT_FOUND. */
  version(
    tenant: string,
    mode: Mode,
    workflowId: string,
    version: string | null,
  ): Promise<VersionRecord>;
  /** For whoever has just committed it: answers that may lag need not lag behind this. */
  changed(tenant: string, mode: Mode, workflowId: string, revision: number): Promise<void>;
}

interface Name {
  readonly tenant: string;
  readonly mode: Mode;
  readonly workflowId: string;
}

/** `mayLag`: for such answers alone; nothing is started or changed on its word. */
export function createCatalog(
  store: WorkflowStore,
  cache: Cache,
  { mayLag = false }: { readonly mayLag?: boolean } = {},
): Catalog {
  const kept = cachedWorkflows(cache);
  const current = coalesce(
    ({ tenant, mode, workflowId }: Name) => store.find(tenant, mode, workflowId),
    ({ tenant, mode, workflowId }) => `${tenant}/${mode}/${workflowId}`,
  );
  const workflow: Catalog['workflow'] = async (tenant, mode, workflowId) => {
    const name = { tenant, mode, workflowId };
    const found = mayLag
      ? await kept.workflow.read(workflowName(name), () => current(name))
      : await current(name);
    if (found === null) throw notFound('workflow');
    return found;
  };
  return {
    workflow,
    async version(tenant, mode, workflowId, version) {
      // Also for a version given by name: a deleted workflow cannot be started or shown.
      const record = await workflow(tenant, mode, workflowId);
      const wanted = version ?? record.version;
      const found = await kept.version.read(versionName(record, wanted), () =>
        store.findVersion(tenant, mode, workflowId, wanted),
      );
      if (found === null) throw notFound('version');
      return found;
    },
    async changed(tenant, mode, workflowId, revision) {
      await kept.workflow.forget(workflowName({ tenant, mode, workflowId }), revision);
    },
  };
}
