import * as Type from 'typebox';
import { naming } from '#core/naming.ts';
import type { Route } from '../route.ts';
import { AuditEvent, AuditHead, AuditName, AuditOutcomeName } from '../schemas/audit.ts';
import { Cursor, closed, oneOf, PageSize, page, Timestamp } from '../schemas/common.ts';

const Page = { limit: Type.Optional(PageSize), cursor: Type.Optional(Cursor) };

export const auditRoutes = {
  listAuditEvents: {
    method: 'GET',
    reads: 'current',
    path: '/api/v1/audit',
    tag: 'audit',
    tenant: 'caller',
    permission: 'audit:read',
    audit: 'read',
    summary: 'list who did what, newest first',
    description:
      'An event appears when it is sealed into the chain of the tenant: within a minute, on a laptop within seconds.',
    query: closed({
      actor: Type.Optional(naming('audit_name', AuditName)),
      operation: Type.Optional(AuditName),
      target: Type.Optional(naming('audit_name', AuditName)),
      outcome: Type.Optional(AuditOutcomeName),
      from: Type.Optional(Timestamp),
      to: Type.Optional(Timestamp),
      order: Type.Optional(oneOf(['newest', 'oldest'], 'default newest')),
      ...Page,
    }),
    response: page(AuditEvent),
    status: 200,
    idempotent: 'natural',
    errors: [],
  },
  listAuditHeads: {
    method: 'GET',
    reads: 'current',
    path: '/api/v1/audit/heads',
    tag: 'audit',
    tenant: 'caller',
    permission: 'audit:read',
    audit: 'read',
    summary: 'list the signed ends that the chain had, oldest first',
    query: closed(Page),
    response: page(AuditHead),
    status: 200,
    idempotent: 'natural',
    errors: [],
  },
} as const satisfies Record<string, Route>;
