import type { Pool } from 'pg';
import { METRICS } from '#config/metrics.ts';
import { RUNTIMES, type Runtime } from '#core/plan/program.ts';
import type { Metrics } from '#ports/metrics.ts';
import { seconds } from './rows.ts';

/** What is due and nobody has taken up yet. */
export interface Backlog {
  readonly due: number;
  /** How long the one that waits longest has been due, in seconds; 0 when nothing waits. */
  readonly oldestSeconds: number;
}

/** More than this says nothing more, and would cost a scan of what waits. */
const MOST_COUNTED = 10_000;

const LOOKS: { readonly [R in Runtime]: string } = {
  engine: `select count(*)::integer as due, extract(epoch from min(at))::float8 as oldest
           from (select greatest(wake_at, coalesce(let_in_at, created_at)) as at
                 from workflow_executions
                 where owner is null and wake_at is not null and wake_at <= to_timestamp($1)
                 order by wake_at limit ${MOST_COUNTED}) d`,
  step_functions: `select count(*)::integer as due, extract(epoch from min(at))::float8 as oldest
                   from (select coalesce(let_in_at, created_at) as at from workflow_executions
                         where runtime = 'step_functions' and status = 'PENDING' and owner is null
                           and phase is distinct from 'queued'
                         order by id limit ${MOST_COUNTED}) d`,
};

/** Looks at once at both runtimes. `pool` is of role `cloudflow_engine`. */
export async function readBacklog(
  pool: Pool,
  now: number,
): Promise<{ readonly [R in Runtime]: Backlog }> {
  const found = await Promise.all(
    RUNTIMES.map(async (runtime) => {
      const values = runtime === 'engine' ? [seconds(now)] : [];
      const { rows } = await pool.query<{ due: number; oldest: number | null }>({
        name: `backlog_${runtime}`,
        text: LOOKS[runtime],
        values,
      });
      const { due = 0, oldest = null } = rows[0] ?? {};
      const oldestSeconds = oldest === null ? 0 : Math.max(0, now / 1_000 - oldest);
      return [runtime, { due, oldestSeconds }] as const;
    }),
  );
  return Object.fromEntries(found) as { readonly [R in Runtime]: Backlog };
}

/** Tells what `look` saw last. One program of the platform does this: all would see the same. */
export function watchBacklog(metrics: Metrics, pool: Pool): (now: number) => Promise<void> {
  let seen: { readonly [R in Runtime]: Backlog } | null = null;
  for (const runtime of RUNTIMES) {
    const dimensions = { Runtime: runtime };
    metrics.watch(METRICS.ExecutionsDue, dimensions, () => seen?.[runtime].due ?? 0);
    metrics.watch(METRICS.OldestDue, dimensions, () => seen?.[runtime].oldestSeconds ?? 0);
  }
  return async (now) => {
    seen = await readBacklog(pool, now);
  };
}
