import type { Body, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { WorkflowPause } from '#ports/workflow-store.ts';
import type { Principal } from '../identity/principal.ts';
import { changed, etagOf, requireMatch } from '../shared/etag.ts';
import { notFound } from '../shared/problems.ts';
import type { WorkflowDeps } from './deps.ts';
import { presentWorkflow } from './present.ts';

interface Changed<B = ResponseBody<'resumeWorkflow'>> {
  readonly etag: string;
  readonly body: B;
}

/** Executions that are counted, and named, of those that a pause leaves running. */
const COUNTED = 1_000;
const NAMED = 20;

/** From here on starts are accepted and wait; what runs goes on, and so do its children. */
export async function pauseWorkflow(
  deps: WorkflowDeps,
  principal: Principal,
  workflowId: string,
  body: Body<'pauseWorkflow'>,
  ifMatch: string | null,
): Promise<Changed<ResponseBody<'pauseWorkflow'>>> {
  const pause = {
    at: deps.clock.now(),
    by: principal.subject,
    reason: body.reason ?? null,
  };
  const { etag, body: shown } = await change(deps, principal, workflowId, ifMatch, pause);
  const running = await deps.store.runningOf(principal.tenant, principal.mode, workflowId, COUNTED);
  const named = { count: running.length, execution_ids: running.slice(0, NAMED) };
  return { etag, body: { ...shown, running: named } };
}

/** Starts begin again, those which waited first and the oldest of them first. */
export function resumeWorkflow(
  deps: WorkflowDeps,
  principal: Principal,
  workflowId: string,
  ifMatch: string | null,
): Promise<Changed> {
  return change(deps, principal, workflowId, ifMatch, null);
}

async function change(
  deps: WorkflowDeps,
  { tenant, mode }: Principal,
  workflowId: string,
  ifMatch: string | null,
  pause: WorkflowPause | null,
): Promise<Changed> {
  const current = await deps.catalog.workflow(tenant, mode, workflowId);
  requireMatch(ifMatch, etagOf(current));
  const revision = ifMatch === null || ifMatch.trim() === '*' ? null : current.revision;
  const now = deps.clock.now();
  const answer = await deps.store.setPause(tenant, mode, workflowId, { pause, revision, now });
  if (answer === 'changed') throw changed();
  if (answer === 'not_found') throw notFound('workflow');
  if (answer === 'same') {
    throw pause === null
      ? new CloudFlowError('WORKFLOW_NOT_PAUSED', `workflow ${workflowId} is not paused`)
      : new CloudFlowError('CONFLICT', `workflow ${workflowId} is paused already`);
  }
  const record = await deps.catalog.workflow(tenant, mode, workflowId);
  await deps.catalog.changed(tenant, mode, workflowId, record.revision);
  return { etag: etagOf(record), body: presentWorkflow(record) };
}
