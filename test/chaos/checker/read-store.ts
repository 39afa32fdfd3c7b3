/** Reads the store with plain SQL, past the product: as the superuser, row by row. */
import type { Pool } from 'pg';
import type {
  AuditRow,
  DeadLetterRow,
  LoggedEvent,
  OutboxRow,
  PlatformEvidence,
  StepRow,
  StoredExecution,
} from './evidence.ts';

const PAGE = 500;
const OF_PAGE = 'unnest($1::uuid[], $2::uuid[]) as page (tenant_id, execution_id)';
const NOBODY = '00000000-0000-0000-0000-000000000000';

interface Row {
  readonly tenant: string;
  readonly id: string;
  readonly workflow: string;
  readonly version: string;
  readonly hash: string;
  readonly runtime: string;
  readonly status: string;
  readonly output: string | null;
  readonly error: string | null;
  readonly compensation: string | null;
  readonly owner: string | null;
  readonly epoch: number;
  readonly parent: string | null;
  readonly parentStep: string | null;
  readonly key: string | null;
  readonly started: number | null;
  readonly ended: number | null;
}

/** A payload is `<key id>:<text>`, plain on a laptop. */
function plain(text: string | null): unknown {
  return text === null ? null : JSON.parse(text.slice(text.indexOf(':') + 1));
}

/** Every execution, in pages, each with its whole log and its steps. */
export async function* readExecutions(pool: Pool): AsyncGenerator<StoredExecution> {
  // Along the keys of the tables, or each page would look through all rows there are.
  let after: Pick<Row, 'tenant' | 'id'> = { tenant: NOBODY, id: NOBODY };
  for (;;) {
    const { rows } = await pool.query<Row>(
      `select tenant_id as tenant, id, workflow_id as workflow, version, program_hash as hash, runtime,
              status, output, error, compensation, owner, epoch, parent_id as parent, parent_step as "parentStep",
              labels ->> 'key' as key,
              (extract(epoch from started_at) * 1000)::float8 as started,
              (extract(epoch from ended_at) * 1000)::float8 as ended
       from workflow_executions where (tenant_id, id) > ($1, $2) order by tenant_id, id limit ${PAGE}`,
      [after.tenant, after.id],
    );
    if (rows.length === 0) return;
    const of = [rows.map(({ tenant }) => tenant), rows.map(({ id }) => id)];
    const { rows: events } = await pool.query<{
      id: string;
      seq: number;
      epoch: number;
      at: number;
      payload: string;
    }>(
      `select execution_id as id, seq, epoch, (extract(epoch from at) * 1000)::float8 as at, payload
       from execution_events join ${OF_PAGE} using (tenant_id, execution_id) order by execution_id, seq`,
      of,
    );
    const { rows: steps } = await pool.query<{
      id: string;
      step: string;
      status: string;
      attempts: number;
      started: number | null;
      ended: number | null;
      output: string | null;
    }>(
      `select execution_id as id, step, status, attempts, output,
              (extract(epoch from started_at) * 1000)::float8 as started,
              (extract(epoch from ended_at) * 1000)::float8 as ended
       from workflow_steps join ${OF_PAGE} using (tenant_id, execution_id)`,
      of,
    );
    const eventsOf = Map.groupBy(events, ({ id }) => id);
    const stepsOf = Map.groupBy(steps, ({ id }) => id);
    for (const row of rows) {
      yield {
        ...{ tenant: row.tenant, id: row.id, workflow: row.workflow, version: row.version },
        ...{ programHash: row.hash, runtime: row.runtime, status: row.status },
        output: plain(row.output),
        errorCode: (plain(row.error) as { code?: string } | null)?.code ?? null,
        ...{ compensation: row.compensation, owner: row.owner, epoch: row.epoch },
        ...{
          parent: row.parent,
          parentStep: row.parentStep,
          key: row.key,
          startedAt: row.started,
          endedAt: row.ended,
        },
        events: (eventsOf.get(row.id) ?? []).map(
          ({ seq, epoch, at, payload }): LoggedEvent => ({
            ...{ seq, epoch, at },
            event: plain(payload) as LoggedEvent['event'],
          }),
        ),
        steps: (stepsOf.get(row.id) ?? []).map(
          ({ step, status, attempts, started, ended, output }): StepRow => ({
            ...{
              step,
              status,
              attempts,
              startedAt: started,
              endedAt: ended,
              output: plain(output),
            },
          }),
        ),
      };
    }
    after = rows.at(-1) as Row;
  }
}

type Stored = Pick<
  PlatformEvidence,
  | 'keys'
  | 'outbox'
  | 'usage'
  | 'counted'
  | 'audit'
  | 'deadLetters'
  | 'strayCanaries'
  | 'canariesLookedAt'
  | 'leftovers'
>;

export async function readPlatform(
  pool: Pool,
  tenants: PlatformEvidence['tenants'],
): Promise<Stored> {
  const rows = async <T extends object>(text: string, values: unknown[] = []): Promise<T[]> =>
    (await pool.query<T>(text, values)).rows;
  const keys = await rows<{ tenant: string; key: string; execution: string }>(
    // A key is kept under the mode of its caller.
    `select tenant_id as tenant, regexp_replace(key, '^(live|test):', '') as key, execution_id as execution
     from idempotency_records where execution_id is not null`,
  );
  // What is asked of messages is taken out of them there: all texts of a long run are more than is worth a copy.
  const outbox = await rows<OutboxRow>(
    `select tenant_id as tenant, topic, event ->> 'event_id' as "eventId", event ->> 'event_type' as type,
            event -> 'payload' ->> 'execution_id' as execution
     from (select *, substr(payload, strpos(payload, ':') + 1)::jsonb as event from outbox
           where topic = 'workflow.events') o
     where event -> 'payload' ? 'execution_id' order by xid, id`,
  );
  const usage = await rows<{ execution: string; n: number }>(
    'select execution_id as execution, count(*)::integer as n from usage_records group by 1',
  );
  const [counted = {}] = await rows<{ [what: string]: number }>(
    `select sum(created)::integer as created, sum(completed)::integer as completed,
            sum(failed)::integer as failed, sum(cancelled)::integer as cancelled from execution_days`,
  );
  const audit = await rows<AuditRow>(
    `select tenant_id as tenant, seq::float8 as seq, encode(hash, 'hex') as hash, content
     from audit_events`,
  );
  const deadLetters = await rows<DeadLetterRow>(
    `select consumer_group as "group", key, error_name as "errorName", status
     from dead_letters`,
  );
  return {
    ...{ keys, outbox, audit, deadLetters },
    usage: new Map(usage.map(({ execution, n }) => [execution, n])),
    counted,
    ...(await readCanaries(pool, tenants)),
    leftovers: await readLeftovers(pool),
  };
}

/** Every table with a tenant is searched whole, whatever its columns are. */
async function readCanaries(
  pool: Pool,
  tenants: PlatformEvidence['tenants'],
): Promise<Pick<Stored, 'strayCanaries' | 'canariesLookedAt'>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`,
  );
  const strayCanaries: string[] = [];
  let canariesLookedAt = 0;
  for (const { name } of tables) {
    const { rows } = await pool.query<{ n: number }>(`select count(*)::integer as n from ${name}`);
    canariesLookedAt += rows[0]?.n ?? 0;
    for (const { id, canary } of tenants) {
      const { rows: stray } = await pool.query<{ tenant: string; text: string }>(
        `select t.tenant_id as tenant, left(t::text, 120) as text from ${name} t
         where t.tenant_id is distinct from $1 and t::text like '%' || $2 || '%' limit 5`,
        [id, canary],
      );
      for (const row of stray) {
        strayCanaries.push(`${name} holds ${canary} in a row of ${row.tenant}: ${row.text}`);
      }
    }
  }
  return { strayCanaries, canariesLookedAt };
}

async function readLeftovers(pool: Pool): Promise<Stored['leftovers']> {
  const found: { [table: string]: number } = {};
  for (const table of ['execution_checkpoints', 'execution_signals', 'waiting_starts']) {
    const { rows } = await pool.query<{ n: number }>(
      `select count(*)::integer as n from ${table} t where exists (
         select from workflow_executions e where e.tenant_id = t.tenant_id and e.id = t.execution_id
           and e.outcome is not null)`,
    );
    found[table] = rows[0]?.n ?? 0;
  }
  return found;
}
