/**
 * Does bulk operations, a batch at a time.
 *
 *  B1 an operation goes on where it was saved: a batch that was under way when its process died is done
 *     again, and doing one again changes nothing (a retry has an id of its own for each operation);
 *  B2 tenants take turns, and a turn is one batch: who asks for a hundred thousand holds up nobody;
 *  B3 each change is told to the audit trail under the name of whoever asked, as if asked for alone;
 *  B4 what cannot be changed is counted and named, and the next one goes on.
 */
import { METRICS } from '#config/metrics.ts';
import { API_ERRORS, CloudFlowError } from '#core/errors.ts';
import { derivedId } from '#core/ids.ts';
import type { BulkAction, BulkOperation, BulkRefusal, BulkWork } from '#ports/bulk-operations.ts';
import type { ExecutionSummary } from '#ports/execution-store.ts';
import type { Log } from '#ports/log.ts';
import { type Metrics, NO_METRICS } from '#ports/metrics.ts';
import type { Auditor } from '../audit/auditor.ts';
import { PLAIN_ADMISSION, type Principal } from '../identity/principal.ts';
import type { ExecutionDeps } from './deps.ts';
import { cancelExecution, pauseExecution, resumeExecution } from './operate-execution.ts';
import { retryExecution } from './retry-execution.ts';

export interface BulkWorkerDeps extends Omit<ExecutionDeps, 'cursors' | 'tokens'> {
  readonly work: BulkWork;
  readonly auditor: Auditor;
  readonly log: Log;
  /** Default: nobody listens. */
  readonly metrics?: Metrics;
}

/** Executions of one turn. */
const BATCH = 50;
/** Real milliseconds within which a batch is done, or done again by somebody else. */
const LEASE_MS = 60_000;
const NAMED_REFUSALS = 20;

type Act = (
  deps: BulkWorkerDeps,
  principal: Principal,
  operation: BulkOperation,
  executionId: string,
) => Promise<unknown>;

const ACTS: { readonly [A in BulkAction]: { readonly operation: string; readonly act: Act } } = {
  cancel: {
    operation: 'cancelExecution',
    act: (deps, principal, { request: { compensate, reason } }, id) =>
      cancelExecution(deps, principal, id, {
        ...(compensate === null ? {} : { compensate }),
        ...(reason === null ? {} : { reason }),
      }),
  },
  pause: { operation: 'pauseExecution', act: (deps, by, _, id) => pauseExecution(deps, by, id) },
  resume: { operation: 'resumeExecution', act: (deps, by, _, id) => resumeExecution(deps, by, id) },
  retry: {
    operation: 'retryExecution',
    act: (deps, principal, operation, id) =>
      retryExecution(
        deps,
        principal,
        id,
        {},
        {
          correlationId: operation.id,
          idempotency: null,
          executionId: derivedId(id, `bulk/${operation.id}`),
        },
      ),
  },
};

/** One batch of the operation whose turn it is. False: there is none. */
export async function bulkTurn(deps: BulkWorkerDeps): Promise<boolean> {
  const operation = await deps.work.claim(LEASE_MS);
  if (operation === null) return false;
  const { tenant, request, most, position } = operation;
  const page = await deps.executions.listExecutions(tenant, request.filter, {
    limit: Math.min(BATCH, most - operation.seen),
    after: position,
  });
  const progress = {
    seen: operation.seen,
    changed: operation.changed,
    refused: operation.refused,
    failed: operation.failed,
    refusals: [...operation.refusals],
  };
  for (const execution of page.items) {
    const refusal = await change(deps, operation, execution);
    if (refusal === 'not meant') continue;
    progress.seen += 1;
    if (refusal === null) progress.changed += 1;
    else if (isOurs(refusal)) progress.failed += 1;
    else progress.refused += 1;
    if (refusal !== null && progress.refusals.length < NAMED_REFUSALS) {
      progress.refusals.push(refusal);
    }
  }
  (deps.metrics ?? NO_METRICS).add(METRICS.BulkExecutionsSeen, {}, progress.seen - operation.seen);
  const over = page.next === null || progress.seen >= most;
  await deps.work.save(operation, {
    ...progress,
    position: page.next ?? position,
    endedAt: over ? deps.clock.now() : null,
  });
  return true;
}

async function change(
  deps: BulkWorkerDeps,
  operation: BulkOperation,
  execution: ExecutionSummary,
): Promise<BulkRefusal | null | 'not meant'> {
  // An id tells when an execution was asked for; one that goes on from another takes that one's time.
  if (execution.createdAt > operation.createdAt) return 'not meant';
  const { tenant, mode, createdBy, request } = operation;
  const { operation: name, act } = ACTS[operation.action];
  const principal: Principal = {
    ...{ tenant, mode, subject: createdBy, permissions: [], workflows: request.workflows },
    ...{ endsAt: null, user: null, admission: PLAIN_ADMISSION },
  };
  const audit = deps.auditor.open({
    ...{ operation: name, audit: 'change', requestId: operation.id, correlationId: operation.id },
    client: { source: null, userAgent: null },
  });
  audit.know({ tenant, mode, actor: createdBy, target: `execution:${execution.id}` });
  audit.note({ bulk_operation: operation.id });
  try {
    await audit.begin();
    await act(deps, principal, operation, execution.id);
    await audit.done();
    return null;
  } catch (error) {
    const code = error instanceof CloudFlowError ? error.code : 'INTERNAL';
    const refusal = { executionId: execution.id, code };
    if (isOurs(refusal)) {
      deps.log.error('BULK_CHANGE_FAILED', { tenant, execution_id: execution.id, error });
    }
    await audit.refused(code).catch(() => undefined); // logged where it was told
    return refusal;
  }
}

function isOurs({ code }: BulkRefusal): boolean {
  return API_ERRORS[code as keyof typeof API_ERRORS].status >= 500;
}
