import type { Pool } from 'pg';
import { METRICS } from '#config/metrics.ts';
import type { Metrics } from '#ports/metrics.ts';
import { seconds } from './rows.ts';

/** What waits until somebody else has done. */
export interface HeldBacklog {
  readonly starts: number;
  /** How long the one that was accepted first has waited, in seconds; without those of paused workflows. */
  readonly oldestStartSeconds: number;
  /** Of the queue that is nearest to its bound: beyond 100 starts are refused. */
  readonly fullestPercent: number;
  readonly bulkOperations: number;
  /** How long the one whose turn it is has had none, in seconds. */
  readonly idleBulkSeconds: number;
}

/** More than these say nothing more. */
const MOST_COUNTED = 200_000;
const MOST_AGED = 10_000;

/** `pool`: role `cloudflow_engine`. */
export async function readHeldBacklog(pool: Pool, now: number): Promise<HeldBacklog> {
  const [queues, oldest, bulk] = await Promise.all([
    pool.query<{ starts: number; fullest: number | null }>({
      name: 'start_queues',
      text: `with queues as (
               select w.tenant_id, w.mode, w.workflow_id, count(*) as n
               from (select tenant_id, mode, workflow_id from waiting_starts limit ${MOST_COUNTED}) w
               group by grouping sets ((w.tenant_id, w.mode, w.workflow_id), (w.tenant_id, w.mode))
             )
             select coalesce(sum(q.n) filter (where q.workflow_id is null), 0)::integer as starts,
                    max(100 * q.n / least(g.max_waiting, g.declared_waiting))::float8 as fullest
             from queues q
             left join start_gates g on g.tenant_id = q.tenant_id and g.mode = q.mode
               and g.workflow_id = coalesce(q.workflow_id, '*')`,
    }),
    pool.query<{ oldest: number | null }>({
      name: 'oldest_start',
      text: `select min(e.created_at) as oldest
             from (select * from waiting_starts limit ${MOST_AGED}) w
             join workflow_executions e on e.tenant_id = w.tenant_id and e.id = w.execution_id
             left join start_gates g on g.tenant_id = w.tenant_id and g.mode = w.mode
               and g.workflow_id = w.workflow_id
             where g.paused_at is null`,
    }),
    // Of a tenant and mode only the oldest has turns.
    pool.query<{ open: number; idle: number | null }>({
      name: 'open_bulk_operations',
      text: `select count(*)::integer as open,
                    extract(epoch from clock_timestamp() - min(o.turn_at) filter (where not exists (
                      select from bulk_operations e
                      where e.tenant_id = o.tenant_id and e.mode = o.mode and e.status = 'RUNNING'
                        and e.id < o.id)))::float8 as idle
             from bulk_operations o where o.status = 'RUNNING'`,
    }),
  ]);
  const first = oldest.rows[0]?.oldest ?? null;
  return {
    starts: queues.rows[0]?.starts ?? 0,
    oldestStartSeconds: first === null ? 0 : Math.max(0, seconds(now - first)),
    fullestPercent: queues.rows[0]?.fullest ?? 0,
    bulkOperations: bulk.rows[0]?.open ?? 0,
    idleBulkSeconds: Math.max(0, bulk.rows[0]?.idle ?? 0),
  };
}

/** Tells what `look` saw last. One program of the platform does this: all would see the same. */
export function watchHeldBacklog(metrics: Metrics, pool: Pool): (now: number) => Promise<void> {
  let seen: HeldBacklog | null = null;
  metrics.watch(METRICS.StartsWaiting, {}, () => seen?.starts ?? 0);
  metrics.watch(METRICS.OldestStartWaiting, {}, () => seen?.oldestStartSeconds ?? 0);
  metrics.watch(METRICS.StartQueueFill, {}, () => seen?.fullestPercent ?? 0);
  metrics.watch(METRICS.BulkOperationsOpen, {}, () => seen?.bulkOperations ?? 0);
  metrics.watch(METRICS.BulkOperationsIdle, {}, () => seen?.idleBulkSeconds ?? 0);
  return async (now) => {
    seen = await readHeldBacklog(pool, now);
  };
}
