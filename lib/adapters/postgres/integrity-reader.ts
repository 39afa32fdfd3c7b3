import type { Pool } from 'pg';
import type { ExecutionEvent } from '#core/execution/events.ts';
import type { StepProjection } from '#core/execution/project.ts';
import type { Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type {
  ExecutionRef,
  IntegrityReader,
  StoredEvent,
  StoredExecution,
  StoredRow,
} from '#ports/integrity-reader.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';

/** Of a table that is sampled: drawn pages are mostly of one time, so more are drawn than are used. */
const DRAWN = 20;
const PROGRAMS_KEPT = 200;

/**
 * Reads as `cloudflow_auditor`, which sees all tenants and can write nothing. Every reading is one
 * statement, so that it is of one instant and no transaction is held open while anybody thinks.
 */
export function createIntegrityReader(deps: {
  /** Role `cloudflow_auditor`. */
  readonly pool: Pool;
  readonly codec: PayloadCodec;
}): IntegrityReader {
  const { pool, codec } = deps;
  const programs = new Map<string, Program | null>();

  async function draw(
    table: 'workflow_executions' | 'execution_events',
    id: 'id' | 'execution_id',
    count: number,
    seed: number,
  ): Promise<ExecutionRef[]> {
    const estimate = await estimateOf(pool, table);
    const percent = estimate === 0 ? 100 : Math.min(100, (100 * DRAWN * count) / estimate);
    const { rows } = await pool.query<{ tenant_id: string; id: string }>(
      `select tenant_id, id from (
         select distinct tenant_id, ${id} as id from ${table}
         tablesample system (${percent}) repeatable (${Math.trunc(seed)})) drawn
       order by md5(id::text || $2::text) limit $1`,
      [count, seed],
    );
    return rows.map(toRef);
  }

  return {
    async totals(exact) {
      const count = async (table: string) => {
        if (!exact) return estimateOf(pool, table);
        const { rows } = await pool.query<{ n: string }>(`select count(*) as n from ${table}`);
        return Number(rows[0]?.n ?? 0);
      };
      const { rows } = await pool.query<{ tenants: string; last: number | null }>(
        // An id begins with the time of its acceptance, and by tenant the last one is found in an index.
        `select count(*) as tenants, max(newest.created_at) as last
         from tenants t left join lateral (
           select created_at from workflow_executions e where e.tenant_id = t.id
           order by id desc limit 1) newest on true`,
      );
      return {
        executions: await count('workflow_executions'),
        events: await count('execution_events'),
        steps: await count('workflow_steps'),
        tenants: Number(rows[0]?.tenants ?? 0),
        exact,
        lastAcceptedAt: rows[0]?.last ?? null,
      };
    },
    async sample(count, seed) {
      const half = Math.ceil(count / 2);
      const drawn = [
        ...(await draw('workflow_executions', 'id', count, seed)),
        ...(await draw('execution_events', 'execution_id', half, seed)),
      ];
      const known = new Map(drawn.map((ref) => [`${ref.tenant}/${ref.executionId}`, ref]));
      return [...known.values()];
    },
    async page(after, limit) {
      const { rows } = await pool.query<{ tenant_id: string; id: string }>(
        `select tenant_id, id from workflow_executions
         where $1::uuid is null or (tenant_id, id) > ($1, $2::uuid)
         order by tenant_id, id limit $3`,
        [after?.tenant ?? null, after?.executionId ?? null, limit],
      );
      return rows.map(toRef);
    },
    async orphans(limit) {
      const { rows } = await pool.query<{ tenant_id: string; id: string }>(
        `select distinct tenant_id, execution_id as id from execution_events v
         where not exists (select from workflow_executions e
                           where e.tenant_id = v.tenant_id and e.id = v.execution_id)
         limit $1`,
        [limit],
      );
      return rows.map(toRef);
    },
    async read(refs) {
      const { rows } = await pool.query<ReadRow>(READ, [
        refs.map(({ tenant }) => tenant),
        refs.map(({ executionId }) => executionId),
      ]);
      return rows.map((row) => toStored(codec, row));
    },
    async program(tenant, hash) {
      const name = `${tenant}/${hash}`;
      const known = programs.get(name);
      if (known !== undefined) return known;
      const { rows } = await pool.query<{ program: Program }>(
        'select program from workflow_versions where tenant_id = $1 and program_hash = $2 limit 1',
        [tenant, hash],
      );
      const program = rows[0]?.program ?? null;
      if (programs.size >= PROGRAMS_KEPT) programs.clear();
      programs.set(name, program);
      return program;
    },
    async close() {
      await pool.end();
    },
  };
}

/** Rows as the server last estimated; those of partitions are their parent's. */
async function estimateOf(pool: Pool, table: string): Promise<number> {
  const { rows } = await pool.query<{ n: string }>(
    `select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint as n
     from pg_class c where c.oid = $1::regclass
        or c.oid in (select inhrelid from pg_inherits where inhparent = $1::regclass)`,
    [table],
  );
  return Number(rows[0]?.n ?? 0);
}

const READ = `
  select w.tenant_id, w.id, e.program_hash, e.status, e.phase, e.output, e.error, e.compensation,
         extract(epoch from e.started_at) * 1000 as started_at,
         extract(epoch from e.ended_at) * 1000 as ended_at,
         coalesce(v.events, '[]') as events, coalesce(s.steps, '[]') as steps
  from unnest($1::uuid[], $2::uuid[]) as w (tenant_id, id)
  left join workflow_executions e on e.tenant_id = w.tenant_id and e.id = w.id
  left join lateral (
    select json_agg(json_build_object('seq', x.seq, 'epoch', x.epoch,
                    'at', extract(epoch from x.at) * 1000, 'payload', x.payload)
                    order by x.seq) as events
    from execution_events x where x.tenant_id = w.tenant_id and x.execution_id = w.id) v on true
  left join lateral (
    select json_agg(json_build_object(
             'step', x.step, 'status', x.status, 'class', x.class, 'reason', x.reason,
             'phase', x.phase, 'attempts', x.attempts,
             'startedAt', extract(epoch from x.started_at) * 1000,
             'endedAt', extract(epoch from x.ended_at) * 1000,
             'dueAt', extract(epoch from x.due_at) * 1000,
             'output', x.output, 'error', x.error)) as steps
    from workflow_steps x where x.tenant_id = w.tenant_id and x.execution_id = w.id) s on true`;

interface ReadRow {
  readonly tenant_id: string;
  readonly id: string;
  readonly program_hash: string | null;
  readonly status: StoredRow['status'];
  readonly phase: string | null;
  readonly output: string | null;
  readonly error: string | null;
  readonly compensation: StoredRow['compensation'];
  /** Milliseconds, as numeric text. */
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly events: readonly {
    readonly seq: number;
    readonly epoch: number;
    readonly at: number;
    readonly payload: string;
  }[];
  readonly steps: readonly (Omit<StepProjection, 'output' | 'error'> & {
    readonly output: string | null;
    readonly error: string | null;
  })[];
}

function toStored(codec: PayloadCodec, row: ReadRow): StoredExecution {
  const tenant = row.tenant_id;
  const readable = (text: string | null): Json => {
    if (text === null) return null;
    try {
      return codec.decode(text, tenant);
    } catch {
      // Differs from whatever the log says, which is what it is.
      return { unreadable: true };
    }
  };
  return {
    ref: toRef(row),
    row:
      row.program_hash === null
        ? null
        : {
            programHash: row.program_hash,
            status: row.status,
            phase: row.phase,
            startedAt: milliseconds(row.started_at),
            endedAt: milliseconds(row.ended_at),
            output: readable(row.output),
            error: readable(row.error) as StoredRow['error'],
            compensation: row.compensation,
          },
    events: row.events.map(({ seq, epoch, at, payload }): StoredEvent => {
      try {
        return {
          seq,
          epoch,
          at,
          event: codec.decode(payload, tenant) as unknown as ExecutionEvent,
        };
      } catch {
        return { seq, epoch, at, event: null };
      }
    }),
    steps: row.steps.map(({ output, error, ...step }) => ({
      ...step,
      output: readable(output),
      error: readable(error) as StepProjection['error'],
    })),
  };
}

function milliseconds(text: string | null): number | null {
  return text === null ? null : Number(text);
}

function toRef(row: { readonly tenant_id: string; readonly id: string }): ExecutionRef {
  return { tenant: row.tenant_id, executionId: row.id };
}
