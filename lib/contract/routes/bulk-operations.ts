import * as Type from 'typebox';
import type { Route } from '../route.ts';
import { BulkBody, BulkOperation } from '../schemas/bulk-operations.ts';
import { Cursor, closed, idOf, PageSize, page } from '../schemas/common.ts';

const ById = closed({ operation_id: idOf('bulk_operation') });

export const bulkRoutes = {
  startBulkOperation: {
    method: 'POST',
    path: '/api/v1/bulk-operations',
    tag: 'executions',
    tenant: 'caller',
    permission: 'execution:control',
    audit: 'change',
    summary: 'cancel, pause, resume or retry all executions that a filter finds',
    description:
      'It is done in the background, the newest execution first, a few dozen a second, and goes on after any crash. Executions that are started after it was asked for are not meant. Each change is in the audit trail like one that was asked for alone. Of a tenant and mode one is done after the other, 20 at most wait. With `dry_run` nothing is changed: the answer counts and shows what would be.',
    body: BulkBody,
    response: BulkOperation,
    status: 202,
    alternative: { status: 200, when: '`dry_run` was asked for' },
    idempotent: 'key',
    errors: ['TOO_MANY_WAITING'],
  },
  listBulkOperations: {
    method: 'GET',
    reads: 'current',
    path: '/api/v1/bulk-operations',
    tag: 'executions',
    tenant: 'caller',
    permission: 'execution:read',
    audit: 'nothing',
    summary: 'list bulk operations, newest first; those that ended are kept for 30 days',
    query: closed({ limit: Type.Optional(PageSize), cursor: Type.Optional(Cursor) }),
    response: page(BulkOperation),
    status: 200,
    idempotent: 'natural',
    errors: [],
  },
  getBulkOperation: {
    method: 'GET',
    reads: 'current',
    path: '/api/v1/bulk-operations/{operation_id}',
    tag: 'executions',
    tenant: 'caller',
    permission: 'execution:read',
    audit: 'nothing',
    summary: 'get a bulk operation: how far it has got',
    params: ById,
    response: BulkOperation,
    status: 200,
    idempotent: 'natural',
    errors: [],
  },
  cancelBulkOperation: {
    method: 'POST',
    path: '/api/v1/bulk-operations/{operation_id}/cancel',
    tag: 'executions',
    tenant: 'caller',
    permission: 'execution:control',
    audit: 'change',
    summary: 'end a bulk operation early',
    description:
      'What it has done stays done. One that has ended is answered as it is, and is not changed.',
    params: ById,
    response: BulkOperation,
    status: 200,
    idempotent: 'key',
    errors: [],
  },
} as const satisfies Record<string, Route>;
