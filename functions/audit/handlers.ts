import { listAuditEvents, listAuditHeads, type ReadAuditDeps } from '#services/audit/read-audit.ts';
import type { Handlers, OperationsOf } from '../shared/api.ts';

export function auditHandlers(deps: ReadAuditDeps): Handlers<OperationsOf<'audit'>> {
  return {
    listAuditEvents: async ({ principal, query }) => ({
      body: await listAuditEvents(deps, principal, query),
    }),
    listAuditHeads: async ({ principal, query }) => ({
      body: await listAuditHeads(deps, principal, query),
    }),
  };
}
