import { CloudFlowError } from '#core/errors.ts';
import type { Principal } from '../identity/principal.ts';
import { changed, etagOf, requireMatch } from '../shared/etag.ts';
import { notFound } from '../shared/problems.ts';
import type { WorkflowDeps } from './deps.ts';

/** It can no longer be found or started; what runs goes on, and its history stays. */
export async function deleteWorkflow(
  deps: WorkflowDeps,
  principal: Principal,
  workflowId: string,
  ifMatch: string | null,
): Promise<void> {
  const { tenant, mode } = principal;
  const current = await deps.catalog.workflow(tenant, mode, workflowId);
  requireMatch(ifMatch, etagOf(current));
  const revision = ifMatch === null || ifMatch.trim() === '*' ? null : current.revision;
  const now = deps.clock.now();
  const answer = await deps.store.remove(tenant, mode, workflowId, revision, now);
  if (answer === 'changed') throw changed();
  if (answer === 'not_found') throw notFound('workflow');
  if (answer === 'paused') {
    throw new CloudFlowError(
      'WORKFLOW_PAUSED',
      `workflow ${workflowId} is paused, and what waits to begin would wait for ever; resume it first`,
    );
  }
  await deps.catalog.changed(tenant, mode, workflowId, current.revision + 1);
}
