import { notFound } from '../shared/problems.ts';
import type { Principal } from './principal.ts';

/**
 * Keys may be for certain workflows only; to them the others do not exist. Every way to a workflow or to
 * something of one passes here: by the path (the pipeline), by an execution or approval of it, or by the
 * filter of a list.
 */
export function mayTouchWorkflow({ workflows }: Principal, workflowId: string): boolean {
  return workflows === null || workflows.includes(workflowId);
}

export function requireWorkflow(principal: Principal, workflowId: string): void {
  if (!mayTouchWorkflow(principal, workflowId)) throw notFound('workflow');
}

/** What lists are narrowed to; nothing for whoever may touch all. */
export function workflowsOf({ workflows }: Principal): {
  readonly workflowIds?: readonly string[];
} {
  return workflows === null ? {} : { workflowIds: workflows };
}
