import type { Body, Query, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ExecutionStatus } from '#core/execution/events.ts';
import type { BulkAction, BulkOperation, BulkOperations } from '#ports/bulk-operations.ts';
import type { ExecutionFilter } from '#ports/execution-store.ts';
import type { Principal } from '../identity/principal.ts';
import { iso, isoOrNull } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import type { ExecutionDeps } from './deps.ts';
import { presentExecution } from './present.ts';
import { filterOf } from './read-executions.ts';

export interface BulkDeps extends ExecutionDeps {
  readonly bulk: BulkOperations;
}

/** Executions that a preview counts; more are not told apart. */
const COUNTED = 10_000;
const COUNTED_AT_A_TIME = 500;
const SAMPLE = 10;
/** Of a tenant and mode, under way or waiting for their turn. */
const MOST_OPEN = 20;
const FULL_RETRY_SECONDS = 30;
const DEFAULT_MOST = 1_000;

/** What each action can be done to; the first of them where the filter names no status. */
const POSSIBLE: { readonly [A in BulkAction]: readonly (readonly ExecutionStatus[])[] } = {
  cancel: [['PENDING', 'RUNNING'], ['PENDING'], ['RUNNING']],
  pause: [['PENDING', 'RUNNING'], ['PENDING'], ['RUNNING']],
  resume: [['PENDING', 'RUNNING'], ['PENDING'], ['RUNNING']],
  retry: [['FAILED'], ['CANCELLED'], ['COMPLETED']],
};

type BulkBody = ResponseBody<'startBulkOperation'>;

/** Stores what is to be done and answers; with `dry_run` only counts and shows. */
export async function startBulkOperation(
  deps: BulkDeps,
  principal: Principal,
  body: Body<'startBulkOperation'>,
): Promise<BulkBody> {
  const now = deps.clock.now();
  const most = body.limit ?? DEFAULT_MOST;
  const filter: ExecutionFilter = {
    ...filterOf(principal, body.filter ?? {}),
    statuses: statusesOf(body.action, body.filter?.status),
  };
  const operation: BulkOperation = {
    tenant: principal.tenant,
    mode: principal.mode,
    id: deps.ids.next(now),
    action: body.action,
    request: {
      // What is started from here on, by a retry of its own above all, is not meant.
      filter: { ...filter, createdTo: Math.min(filter.createdTo ?? now + 1, now + 1) },
      compensate: body.compensate ?? null,
      reason: body.reason ?? null,
      workflows: principal.workflows,
    },
    createdBy: principal.subject,
    createdAt: now,
    status: 'RUNNING',
    most,
    ...{ seen: 0, changed: 0, refused: 0, failed: 0, refusals: [] },
    position: null,
    endedAt: null,
  };
  if (body.dry_run === true) {
    const preview = await look(deps, operation);
    return { ...present(operation), id: null, status: 'DRY_RUN', preview };
  }
  if (!(await deps.bulk.create(operation, MOST_OPEN))) {
    throw new CloudFlowError(
      'TOO_MANY_WAITING',
      `${MOST_OPEN} bulk operations are under way or wait already`,
      { details: { retry_after_seconds: FULL_RETRY_SECONDS } },
    );
  }
  return present(operation);
}

function statusesOf(
  action: BulkAction,
  asked: ExecutionStatus | undefined,
): readonly ExecutionStatus[] {
  const [usual = [], ...others] = POSSIBLE[action];
  if (asked === undefined) return usual;
  if ([usual, ...others].some((some) => some.includes(asked))) return [asked];
  throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
    problems: [
      {
        code: 'REQUEST_INVALID',
        pointer: '/body/filter/status',
        message: `an execution that is ${asked} cannot be told to ${action}`,
        given: JSON.stringify(asked),
        allowed: [...new Set(POSSIBLE[action].flat())].join(', '),
      },
    ],
  });
}

async function look(
  deps: BulkDeps,
  { tenant, request, most }: BulkOperation,
): Promise<NonNullable<BulkBody['preview']>> {
  const wanted = Math.min(most, COUNTED);
  const sample: NonNullable<BulkBody['preview']>['sample'] = [];
  let count = 0;
  let after: string | null = null;
  do {
    const limit = Math.min(COUNTED_AT_A_TIME, wanted - count);
    const page = await deps.executions.listExecutions(tenant, request.filter, { limit, after });
    for (const item of page.items) {
      if (sample.length < SAMPLE) sample.push(presentExecution(item));
    }
    count += page.items.length;
    after = page.next;
  } while (after !== null && count < wanted);
  return { count, more: after !== null, sample };
}

export async function getBulkOperation(
  deps: BulkDeps,
  principal: Principal,
  id: string,
): Promise<BulkBody> {
  return present(allowed(principal, await deps.bulk.find(principal.tenant, principal.mode, id)));
}

export async function listBulkOperations(
  deps: BulkDeps,
  principal: Principal,
  query: Query<'listBulkOperations'>,
): Promise<ResponseBody<'listBulkOperations'>> {
  const scope = { principal, operation: 'listBulkOperations' };
  const { tenant, mode } = principal;
  const page = await deps.bulk.list(tenant, mode, deps.cursors.request(scope, query));
  const items = page.items.filter((item) => mayTouch(principal, item));
  return deps.cursors.page(scope, query, { ...page, items }, present);
}

/** What it has done stays done; of what is under way a few may still be changed. */
export async function cancelBulkOperation(
  deps: BulkDeps,
  principal: Principal,
  id: string,
): Promise<BulkBody> {
  const { tenant, mode } = principal;
  allowed(principal, await deps.bulk.find(tenant, mode, id));
  const now = deps.clock.now();
  return present(allowed(principal, await deps.bulk.cancel(tenant, mode, id, now)));
}

/** A key for some workflows sees what is about these and no others. */
function mayTouch({ workflows }: Principal, { request }: BulkOperation): boolean {
  if (workflows === null) return true;
  return request.workflows?.every((workflow) => workflows.includes(workflow)) ?? false;
}

function allowed(principal: Principal, operation: BulkOperation | null): BulkOperation {
  if (operation === null || !mayTouch(principal, operation)) throw notFound('bulk operation');
  return operation;
}

function present(operation: BulkOperation): BulkBody {
  const { filter } = operation.request;
  const statuses = filter.statuses ?? [];
  return {
    id: operation.id,
    action: operation.action,
    status: operation.status,
    filter: {
      statuses: [...statuses],
      // Whoever reads it sees what it is about, in the words of the request.
      ...(filter.workflowId === undefined ? {} : { workflow_id: filter.workflowId }),
      ...(filter.version === undefined ? {} : { version: filter.version }),
      ...(filter.createdFrom === undefined ? {} : { from: iso(filter.createdFrom) }),
      to: iso(filter.createdTo ?? operation.createdAt),
      ...(filter.labels === undefined ? {} : { labels: filter.labels }),
      ...(filter.text === undefined ? {} : { text: filter.text }),
    },
    limit: operation.most,
    seen: operation.seen,
    changed: operation.changed,
    refused: operation.refused,
    failed: operation.failed,
    refusals: operation.refusals.map(({ executionId, code }) => ({
      execution_id: executionId,
      code,
    })),
    created_at: iso(operation.createdAt),
    created_by: operation.createdBy,
    ended_at: isoOrNull(operation.endedAt),
    preview: null,
  };
}
