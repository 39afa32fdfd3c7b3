import { CACHES } from '#config/caches.ts';
import type { Cache } from '#ports/cache.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { VersionRecord, WorkflowRecord, WorkflowStore } from '#ports/workflow-store.ts';
import { coalesce } from '../shared/coalesce.ts';
import { notFound } from '../shared/problems.ts';

/**
 * Reading definitions on the hot path. Versions never change, so they may come out of the cache; which
 * version is current, and whether the workflow still exists, is read every time (joined with others
 * that ask for the same at the same moment).
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
}

interface Name {
  readonly tenant: string;
  readonly mode: Mode;
  readonly workflowId: string;
}

export function createCatalog(store: WorkflowStore, cache: Cache): Catalog {
  const versions = cache.of<VersionRecord>(CACHES['workflow-version']);
  const current = coalesce(
    ({ tenant, mode, workflowId }: Name) => store.find(tenant, mode, workflowId),
    ({ tenant, mode, workflowId }) => `${tenant}/${mode}/${workflowId}`,
  );
  const workflow: Catalog['workflow'] = async (tenant, mode, workflowId) => {
    const found = await current({ tenant, mode, workflowId });
    if (found === null) throw notFound('workflow');
    return found;
  };
  return {
    workflow,
    async version(tenant, mode, workflowId, version) {
      // Also for a version given by name: a deleted workflow cannot be started or shown.
      const { version: highest, createdAt } = await workflow(tenant, mode, workflowId);
      const wanted = version ?? highest;
      // A workflow that is deleted and stored anew has another beginning, and other versions.
      const found = await versions.read(
        { tenant, parts: [mode, workflowId, String(createdAt), wanted] },
        () => store.findVersion(tenant, mode, workflowId, wanted),
      );
      if (found === null) throw notFound('version');
      return found;
    },
  };
}
