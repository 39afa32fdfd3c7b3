import type { Body, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import { type Trace, traceText } from '#core/trace.ts';
import { type AcceptAnswer, type AcceptRequest, QUEUED_PHASE } from '#ports/execution-store.ts';
import type { Principal } from '../identity/principal.ts';
import { iso } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import { chooseRuntime } from './choose-runtime.ts';
import type { ExecutionDeps } from './deps.ts';
import { checkInput } from './input.ts';
import { findExecution } from './load-state.ts';

export interface CallFacts {
  readonly correlationId: string;
  /** What the execution goes on under; null or absent: nothing. */
  readonly trace?: Trace | null;
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
  /** Of the execution that is made; absent: a new one. */
  readonly executionId?: string;
}

export interface Started {
  /** `existing`: the same request came before, and this is its execution. */
  readonly kind: 'accepted' | 'existing';
  readonly body: ResponseBody<'executeWorkflow'>;
}

/** Ids of clients are UUID v7: their time says in which month the execution is kept. */
const OLDEST_ID_MS = 90 * 86_400_000;
const NEWEST_ID_MS = 3_600_000;
/** What waits before it begins within a pause, or at a rate that somebody chose to be slow. */
const FULL_RETRY_SECONDS = 30;

/** Accepts an execution. When this resolves it is durable, and will reach an end. */
export async function executeWorkflow(
  deps: ExecutionDeps,
  principal: Principal,
  workflowId: string,
  body: Body<'executeWorkflow'>,
  facts: CallFacts,
): Promise<Started> {
  const { tenant, mode } = principal;
  const version = await deps.catalog.version(tenant, mode, workflowId, body.version ?? null);
  const input = body.input ?? null;
  checkInput(version.program, input);
  const { runtime, asked, reason } = chooseRuntime(version.runtime, body.runtime, deps.runtimes);
  const now = deps.clock.now();
  if (body.execution_id !== undefined) checkTime(body.execution_id, now);
  const id = body.execution_id ?? deps.ids.next(now);
  const request: AcceptRequest = {
    tenant,
    mode,
    id,
    workflowId,
    version: version.version,
    programHash: version.programHash,
    runtime,
    choice: { asked, reason },
    input,
    rootId: id,
    parent: null,
    depth: 0,
    retryOf: null,
    carried: null,
    labels: body.labels ?? {},
    priority: body.priority ?? version.program.priority ?? 0,
    correlationId: facts.correlationId,
    ...tracedBy(facts),
    idempotency: keyOf(principal, facts),
    now,
  };
  const answer = await deps.executions.accept(request);
  refuseConflict(answer, id, facts.idempotency !== null);
  refuseFull(answer, workflowId);
  if (answer.kind === 'existing') {
    const existing = await findExecution(deps, principal, answer.executionId);
    // Ids are of both modes together, and what the other has under this one is not told here.
    if (existing === null) throw answer.executionId === id ? taken(id) : notFound('execution');
    return {
      kind: 'existing',
      body: {
        execution_id: existing.id,
        workflow_id: existing.workflowId,
        version: existing.version,
        runtime: existing.runtime,
        runtime_reason: reason,
        status: 'PENDING',
        held: existing.phase === QUEUED_PHASE,
        created_at: iso(existing.createdAt),
      },
    };
  }
  if (answer.kind === 'accepted') {
    deps.hints.accepted({ tenant, executionId: id, runtime, ...tracedBy(facts) });
  }
  return {
    kind: 'accepted',
    body: {
      execution_id: id,
      workflow_id: workflowId,
      version: version.version,
      runtime,
      runtime_reason: reason,
      status: 'PENDING',
      held: answer.kind === 'queued',
      created_at: iso(now),
    },
  };
}

export function tracedBy({ trace }: Pick<CallFacts, 'trace'>): Pick<AcceptRequest, 'trace'> {
  return trace === null || trace === undefined ? {} : { trace: traceText(trace) };
}

/** Live and test keys of one tenant do not meet. */
export function keyOf(principal: Principal, facts: CallFacts): AcceptRequest['idempotency'] {
  return facts.idempotency === null
    ? null
    : {
        key: `${principal.mode}:${facts.idempotency.key}`,
        fingerprint: facts.idempotency.fingerprint,
      };
}

export function refuseConflict(answer: AcceptAnswer, id: string, keyed: boolean): void {
  if (answer.kind !== 'conflict') return;
  if (keyed && answer.executionId !== id) {
    throw new CloudFlowError(
      'IDEMPOTENCY_KEY_REUSED',
      'this Idempotency-Key came before with another request; use a new one',
    );
  }
  throw taken(id);
}

function taken(id: string): CloudFlowError {
  return new CloudFlowError(
    'EXECUTION_CONFLICT',
    `the execution id ${id} is taken by another workflow, input or mode; use a new one`,
  );
}

export function refuseFull(answer: AcceptAnswer, workflowId: string): void {
  if (answer.kind !== 'full') return;
  throw new CloudFlowError(
    'TOO_MANY_WAITING',
    `as many executions wait to begin as may, of workflow ${workflowId} or of all together`,
    { details: { retry_after_seconds: FULL_RETRY_SECONDS } },
  );
}

function checkTime(id: string, now: number): void {
  const at = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  if (at >= now - OLDEST_ID_MS && at <= now + NEWEST_ID_MS) return;
  throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
    problems: [
      {
        code: 'REQUEST_INVALID',
        pointer: '/body/execution_id',
        message: 'carries a time that is too far from now',
        given: JSON.stringify(id),
        allowed: 'a UUID version 7 made within the last 90 days',
      },
    ],
  });
}
