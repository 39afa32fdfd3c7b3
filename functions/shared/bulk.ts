import { randomBytes } from 'node:crypto';
import type { AuditTrail } from '#ports/audit-trail.ts';
import type { Metrics } from '#ports/metrics.ts';
import { createAuditor } from '#services/audit/auditor.ts';
import { type BulkWorkerDeps, bulkTurn } from '#services/executions/bulk-worker.ts';
import { every } from './every.ts';

/** Real milliseconds between batches of bulk operations: bounds what they ask of the database. */
const TURN_MS = 500;

/** Does bulk operations of all tenants until it is stopped; resolves when the batch under way has ended. */
export function startBulkWorker(
  deps: Omit<BulkWorkerDeps, 'auditor'> & { readonly trail: AuditTrail; readonly metrics: Metrics },
): () => Promise<void> {
  const worker: BulkWorkerDeps = {
    ...deps,
    auditor: createAuditor({ ...deps, randomBytes }),
  };
  return every(deps.clock, TURN_MS, async () => {
    try {
      await bulkTurn(worker);
    } catch (error) {
      // Its lease runs out, and the batch is done again.
      deps.log.error('BULK_TURN_FAILED', { error });
    }
  });
}
