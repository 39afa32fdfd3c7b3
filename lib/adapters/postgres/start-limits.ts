import type { Pool, PoolClient } from 'pg';
import { LIMITS } from '#core/dsl/limits.ts';
import type { HeldBecause, HeldStart } from '#core/execution/held.ts';
import type { StartLimits } from '#core/plan/program.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { StartGate, StartLimitStore } from '#ports/start-limits.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds } from './rows.ts';

/** The gate of all workflows together: no workflow can have this name. */
const ALL = '*';
/** Executions counted; more are not told apart. */
const MOST_COUNTED = 10_000;

const ONE = 'tenant_id = $1 and mode = $2 and workflow_id = $3';

/** `pool`: role `cloudflow_app`. */
export function createStartLimits(pool: Pool): StartLimitStore {
  return {
    startGate: (tenant, mode, workflowId) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<GateRow>(
          `select ${GATE_COLUMNS} from start_gates g where ${ONE}`,
          [tenant, mode, workflowId ?? ALL],
        );
        const gate = rows[0];
        const running =
          workflowId === null && gate?.limited !== true
            ? await countRunning(client, tenant, mode)
            : workflowId === null
              ? await countLetIn(client, tenant, mode)
              : (await readRunning(client, tenant, mode, workflowId, MOST_COUNTED)).length;
        const waits = await client.query<{ waiting: number; oldest: number | null }>(
          `select count(*)::integer as waiting, min(e.created_at) as oldest
           from (select execution_id from waiting_starts
                 where tenant_id = $1 and mode = $2 and ($3::text is null or workflow_id = $3)
                 limit ${MOST_COUNTED}) w
           join workflow_executions e on e.tenant_id = $1 and e.id = w.execution_id`,
          [tenant, mode, workflowId],
        );
        const { waiting = 0, oldest = null } = waits.rows[0] ?? {};
        return { ...toLimits(gate), running, waiting, oldestWaiting: oldest };
      }),

    setStartLimits: (tenant, mode, workflowId, { limits, revision, by, now }) =>
      withTenant(pool, tenant, async (client) => {
        if (workflowId !== null) {
          const { rowCount } = await client.query(
            `select from workflows where ${ONE} and deleted_at is null for update`,
            [tenant, mode, workflowId],
          );
          if (rowCount === 0) return 'not_found';
        }
        const { rowCount } = await client.query(
          `insert into start_gates as g
             (tenant_id, mode, workflow_id, concurrency, starts, per, max_waiting, set_at, set_by,
              uncounted_since, uncounted_at, set_revision)
           select $1, $2, $3, $4, $5, $6 * interval '1 millisecond', $7,
                  case when $10 then to_timestamp($8) end, case when $10 then $9 end,
                  pg_current_xact_id(), to_timestamp($8), 1
           where $11::integer is null or $11 = 0 or exists (select from start_gates where ${ONE})
           on conflict (tenant_id, mode, workflow_id) do update
             set concurrency = excluded.concurrency, starts = excluded.starts, per = excluded.per,
                 max_waiting = excluded.max_waiting, set_at = excluded.set_at,
                 set_by = excluded.set_by, set_revision = g.set_revision + 1, ${UNCOUNTED}
             where $11::integer is null or g.set_revision = $11`,
          [
            ...[tenant, mode, workflowId ?? ALL],
            ...[limits?.concurrency ?? null, limits?.starts?.count ?? null],
            limits?.starts?.perMs ?? null,
            limits?.maxWaiting ?? LIMITS.waitingStarts,
            ...[seconds(now), by, limits !== null, revision],
          ],
        );
        return rowCount === 0 ? 'changed' : 'done';
      }),

    runningOf: (tenant, mode, workflowId, limit) =>
      readTenant(pool, tenant, (client) => readRunning(client, tenant, mode, workflowId, limit)),
  };
}

/** What an update of a gate says of L2 (0130): one that was not limited before counts anew. */
const UNCOUNTED = `
  uncounted_since = case when g.limited then g.uncounted_since else excluded.uncounted_since end,
  uncounted_at = case when g.limited then g.uncounted_at else excluded.uncounted_at end,
  counted_to = case when g.limited then g.counted_to end`;

/**
 * Under the workflow's lock: what its highest version says becomes what its gate says. `isNew`: it never
 * was there before, so nothing of it can run.
 */
export async function declareLimits(
  client: PoolClient,
  tenant: string,
  mode: Mode,
  workflowId: string,
  isNew: boolean,
  now: number,
): Promise<void> {
  // A workflow that never said anything has no gate, and its tenant pays nothing for any.
  await client.query(
    `insert into start_gates as g
       (tenant_id, mode, workflow_id, declared_concurrency, declared_starts, declared_per,
        declared_waiting, uncounted_since, uncounted_at)
     select $1, $2, $3, (l.limits ->> 'concurrency')::integer,
            (l.limits #>> '{starts,count}')::integer,
            (l.limits #>> '{starts,perMs}')::float8 * interval '1 millisecond',
            (l.limits ->> 'maxWaiting')::integer,
            case when not $5 then pg_current_xact_id() end,
            case when not $5 then to_timestamp($4) end
     from (select v.program -> 'limits' as limits from workflow_versions v
           where v.tenant_id = $1 and v.mode = $2 and v.workflow_id = $3 and v.deleted_at is null
           order by v.numbers desc limit 1) l
     where l.limits is not null or exists (select from start_gates where ${ONE})
     on conflict (tenant_id, mode, workflow_id) do update
       set declared_concurrency = excluded.declared_concurrency,
           declared_starts = excluded.declared_starts, declared_per = excluded.declared_per,
           declared_waiting = excluded.declared_waiting, ${UNCOUNTED}`,
    [tenant, mode, workflowId, seconds(now), isNew],
  );
}

/** Why it has not begun, and when it may; null: it is not held. */
export async function readHeld(
  client: PoolClient,
  tenant: string,
  executionId: string,
  now: number,
): Promise<HeldStart | null> {
  const { rows } = await client.query<{
    mode: Mode;
    workflow_id: string;
    place: number;
    waiting: number;
  }>(
    `select w.mode, w.workflow_id,
            (select count(*)::integer from (
               select from waiting_starts o
               where o.tenant_id = w.tenant_id and o.mode = w.mode and o.workflow_id = w.workflow_id
                 and (o.turn, o.execution_id) <= (w.turn, w.execution_id)
               limit ${MOST_COUNTED}) b) as place,
            (select count(*)::integer from (
               select from waiting_starts o
               where o.tenant_id = w.tenant_id and o.mode = w.mode and o.workflow_id = w.workflow_id
               limit ${MOST_COUNTED}) a) as waiting
     from waiting_starts w where w.tenant_id = $1 and w.execution_id = $2`,
    [tenant, executionId],
  );
  const held = rows[0];
  if (held === undefined) return null;
  const { place, waiting } = held;
  const gates = await client.query<ClosedRow>(
    `select g.workflow_id, g.paused_at is not null as paused, g.uncounted_since is not null as uncounted,
            least(g.declared_concurrency, g.concurrency) as most,
            starts_running(g.tenant_id, g.mode, g.workflow_id,
              coalesce(least(g.declared_concurrency, g.concurrency), 0)) as running,
            next_start_at(g, to_timestamp($4)) as next_at
     from start_gates g
     where g.tenant_id = $1 and g.mode = $2
       and (g.workflow_id = $3 or (g.workflow_id = '${ALL}' and g.limited))
     order by g.workflow_id desc`,
    [tenant, held.mode, held.workflow_id, seconds(now)],
  );
  for (const gate of gates.rows) {
    const closed = closedBy(gate);
    if (closed !== null) return { ...closed, place, waiting };
  }
  return { because: 'turn', limit: null, running: null, until: null, place, waiting };
}

function closedBy(gate: ClosedRow): Omit<HeldStart, 'place' | 'waiting'> | null {
  const whose = gate.workflow_id === ALL ? 'tenant' : 'workflow';
  const told = (because: HeldBecause, more: Partial<HeldStart> = {}) => ({
    ...{ because, limit: null, running: null, until: null },
    ...more,
  });
  if (gate.paused) return told('paused');
  if (gate.uncounted) return told('counting');
  const { most, running } = gate;
  if (most !== null && running >= most) {
    return told(`${whose}_concurrency`, { limit: most, running });
  }
  return gate.next_at === null ? null : told(`${whose}_starts`, { until: gate.next_at });
}

async function readRunning(
  client: PoolClient,
  tenant: string,
  mode: Mode,
  workflowId: string,
  limit: number,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ id: string }>(
    `select id from workflow_executions
     where ${ONE} and outcome is null and ${NOBODY_WAITS} and phase is distinct from 'queued'
     order by id desc limit $4`,
    [tenant, mode, workflowId, limit],
  );
  return rows.map(({ id }) => id);
}

async function countLetIn(client: PoolClient, tenant: string, mode: Mode): Promise<number> {
  const { rows } = await client.query<{ running: number }>(
    `select starts_running($1, $2, '${ALL}', ${MOST_COUNTED}) as running`,
    [tenant, mode],
  );
  return rows[0]?.running ?? 0;
}

async function countRunning(client: PoolClient, tenant: string, mode: Mode): Promise<number> {
  const { rows } = await client.query<{ running: number }>(
    `select count(*)::integer as running from (
       select from workflow_executions
       where tenant_id = $1 and mode = $2 and outcome is null and ${NOBODY_WAITS}
         and phase is distinct from 'queued' limit ${MOST_COUNTED}) r`,
    [tenant, mode],
  );
  return rows[0]?.running ?? 0;
}

/** What limits and pauses hold and count: see 0250. */
const NOBODY_WAITS = 'parent_id is null and parent_step is null';
const GATE_COLUMNS = `limited, set_revision, declared_concurrency, declared_starts, declared_waiting, concurrency,
  starts, max_waiting, set_at, set_by,
  extract(epoch from declared_per)::float8 * 1000 as declared_per_ms,
  extract(epoch from per)::float8 * 1000 as per_ms`;

interface GateRow {
  readonly limited: boolean;
  readonly set_revision: number;
  readonly declared_concurrency: number | null;
  readonly declared_starts: number | null;
  readonly declared_per_ms: number | null;
  readonly declared_waiting: number | null;
  readonly concurrency: number | null;
  readonly starts: number | null;
  readonly per_ms: number | null;
  readonly max_waiting: number;
  readonly set_at: number | null;
  readonly set_by: string | null;
}

interface ClosedRow {
  readonly workflow_id: string;
  readonly paused: boolean;
  readonly uncounted: boolean;
  readonly most: number | null;
  readonly running: number;
  readonly next_at: number | null;
}

function toLimits(row: GateRow | undefined): Pick<StartGate, 'declared' | 'set' | 'revision'> {
  if (row === undefined) return { declared: null, set: null, revision: 0 };
  const rate = (count: number | null, perMs: number | null): StartLimits['starts'] =>
    count === null || perMs === null ? null : { count, perMs };
  const declared = {
    concurrency: row.declared_concurrency,
    starts: rate(row.declared_starts, row.declared_per_ms),
    maxWaiting: row.declared_waiting,
  };
  const says = Object.values(declared).some((value) => value !== null);
  return {
    revision: row.set_revision,
    declared: says ? declared : null,
    set:
      row.set_at === null || row.set_by === null
        ? null
        : {
            concurrency: row.concurrency,
            starts: rate(row.starts, row.per_ms),
            maxWaiting: row.max_waiting === LIMITS.waitingStarts ? null : row.max_waiting,
            at: row.set_at,
            by: row.set_by,
          },
  };
}
