import type { Body, Query, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Principal } from '../identity/principal.ts';
import { mayTouchWorkflow, workflowsOf } from '../identity/workflow-scope.ts';
import { iso } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import type { ExecutionDeps } from './deps.ts';
import { type CallFacts, tracedBy } from './execute-workflow.ts';
import { requireExecution } from './load-state.ts';
import { presentApproval } from './present.ts';

export async function listApprovals(
  deps: ExecutionDeps,
  principal: Principal,
  query: Query<'listApprovals'>,
): Promise<ResponseBody<'listApprovals'>> {
  const scope = { principal, operation: 'listApprovals' };
  const page = await deps.executions.listApprovals(
    principal.tenant,
    {
      mode: principal.mode,
      ...workflowsOf(principal),
      ...(query.status === undefined ? {} : { status: query.status }),
      ...(query.execution_id === undefined ? {} : { executionId: query.execution_id }),
    },
    deps.cursors.request(scope, query),
  );
  return deps.cursors.page(scope, query, page, presentApproval);
}

/** The first answer wins; a later one is told of it. */
export async function answerApproval(
  deps: ExecutionDeps,
  principal: Principal,
  approvalId: string,
  body: Body<'answerApproval'>,
  facts: Pick<CallFacts, 'trace'> = {},
): Promise<ResponseBody<'answerApproval'>> {
  const { tenant, mode, subject } = principal;
  const asked = await deps.executions.getApproval(tenant, approvalId);
  if (asked === null || asked.mode !== mode || !mayTouchWorkflow(principal, asked.workflowId)) {
    throw notFound('approval');
  }
  const at = deps.clock.now();
  const { decision, comment = null } = body;
  const answer = await deps.executions.answerApproval(tenant, approvalId, {
    decision,
    comment,
    by: subject,
    at,
  });
  if (answer.kind === 'not_found') throw notFound('approval');
  const { approval } = answer;
  if (answer.kind === 'answered') {
    throw new CloudFlowError(
      'APPROVAL_ANSWERED',
      approval.answeredAt === null
        ? 'the approval was closed: its step ended, or its time was over, without an answer'
        : `the approval was ${approval.status} at ${iso(approval.answeredAt)}`,
    );
  }
  const { executionId, step } = approval;
  const execution = await requireExecution(deps, principal, executionId);
  deps.hints.signalled({
    tenant,
    executionId,
    runtime: execution.runtime,
    signal: { kind: 'approval_answered', step, decision, by: subject, comment, at },
    ...tracedBy(facts),
  });
  return presentApproval(approval);
}
