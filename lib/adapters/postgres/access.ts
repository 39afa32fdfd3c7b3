import type { Pool, PoolClient } from 'pg';
import type { Signal } from '#core/execution/commands.ts';
import { type ExecutionStatus, isFinal } from '#core/execution/events.ts';
import type { Json } from '#core/json.ts';
import type {
  ExecutionAccess,
  ExecutionRecord,
  ExecutionSummary,
  SignalAnswer,
  StepRecord,
} from '#ports/execution-store.ts';
import { type AcceptorDeps, createAcceptor } from './accept.ts';
import { createAnswers } from './answers.ts';
import { readLines } from './list-executions.ts';
import { clampLimit, paged } from './paging.ts';
import { readTenant } from './pool.ts';
import { listQuarantined } from './quarantine.ts';
import {
  decodeError,
  decodeEvent,
  decodeOptional,
  type HeaderRow,
  type LoadedRow,
  seconds,
  signalAnswer,
  toHeader,
  toLoaded,
} from './rows.ts';
import { readHeld } from './start-limits.ts';

export interface ExecutionAccessDeps extends AcceptorDeps {
  /** Role `cloudflow_app`, for everything but accepting. */
  readonly readers: Pool;
}

/** The API's face of the truth: one tenant a transaction, row-level security behind each statement. */
export function createExecutionAccess(deps: ExecutionAccessDeps): ExecutionAccess {
  const { readers: pool, codec, adopter } = deps;

  async function signalIn(
    client: PoolClient | Pool,
    tenant: string,
    executionId: string,
    signal: Signal,
    now: number,
  ): Promise<SignalAnswer> {
    const { rows } = await client.query<{ found: string }>({
      name: 'signal_execution',
      text: 'select signal_execution($1, $2, to_timestamp($3), $4) as found',
      values: [tenant, executionId, seconds(now), codec.encode(signal as unknown as Json, tenant)],
    });
    return signalAnswer(rows[0]?.found);
  }

  return {
    accept: createAcceptor(deps),

    async signal(tenant, executionId, signal, now) {
      const answer = await signalIn(pool, tenant, executionId, signal, now);
      if (answer.kind === 'stored') adopter?.signalled(tenant, executionId);
      return answer;
    },

    getExecution(tenant, executionId) {
      return readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<RecordRow>({
          name: 'get_execution',
          text: `select e.*, v.payload as created, q.code as quarantine_code,
                        q.reason as quarantine_reason, q.at as quarantined_at
                 from workflow_executions e
                 left join execution_events v
                   on v.tenant_id = e.tenant_id and v.execution_id = e.id and v.seq = 1
                 left join quarantined_executions q
                   on q.tenant_id = e.tenant_id and q.execution_id = e.id
                 where e.tenant_id = $1 and e.id = $2`,
          values: [tenant, executionId],
        });
        const row = rows[0];
        if (row === undefined) return null;
        const created = row.created === null ? null : codec.decode(row.created, tenant);
        return {
          ...toSummary(row),
          quarantine: quarantineOf(row),
          input: (created as { input?: Json } | null)?.input ?? null,
          output: decodeOptional(codec, row.output, tenant),
        } satisfies ExecutionRecord;
      });
    },

    async listQuarantined(tenant, mode, workflows, page) {
      const limit = clampLimit(page);
      const of = { tenant, mode, workflows, after: page.after, limit };
      return paged(await listQuarantined(pool, of), limit, (each) => each.executionId);
    },

    async releaseQuarantined(tenant, executionId, now) {
      const { rows } = await pool.query<{ released: boolean }>(
        'select release_quarantined($1, $2, to_timestamp($3)) as released',
        [tenant, executionId, seconds(now)],
      );
      return rows[0]?.released === true;
    },

    heldStart: (tenant, executionId, now) =>
      readTenant(pool, tenant, (client) => readHeld(client, tenant, executionId, now)),

    listExecutions(tenant, filter, page) {
      const limit = clampLimit(page);
      return readTenant(pool, tenant, async (client) => {
        const { lines, searchedTo } = await readLines<SummaryRow>(client, tenant, filter, {
          ...page,
          limit,
        });
        const { items, next } = paged(lines.map(toSummary), limit, (item) => item.id);
        return { items, next: next ?? searchedTo };
      });
    },

    listEvents(tenant, executionId, page) {
      const limit = clampLimit(page);
      return readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<{ seq: number; at: number; payload: string }>(
          `select seq, at, payload from execution_events
           where tenant_id = $1 and execution_id = $2 and seq > $3 order by seq limit $4`,
          [tenant, executionId, Number(page.after ?? 0), limit + 1],
        );
        const events = rows.map((row) => decodeEvent(codec, row, tenant));
        return paged(events, limit, (event) => String(event.seq));
      });
    },

    listSteps(tenant, executionId, page) {
      const limit = clampLimit(page);
      return readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<StepRow>(
          `select * from workflow_steps
           where tenant_id = $1 and execution_id = $2 and step > $3 order by step limit $4`,
          [tenant, executionId, page.after ?? '', limit + 1],
        );
        const steps = rows.map(
          (row): StepRecord => ({
            step: row.step,
            status: row.status,
            class: row.class,
            reason: row.reason,
            phase: row.phase,
            attempts: row.attempts,
            startedAt: row.started_at,
            endedAt: row.ended_at,
            dueAt: row.due_at,
            output: decodeOptional(codec, row.output, tenant),
            error: decodeError(codec, row.error, tenant),
          }),
        );
        return paged(steps, limit, (step) => step.step);
      });
    },

    loadExecution(tenant, executionId, whole = false) {
      return readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<LoadedRow>({
          name: 'load_executions',
          text: 'select * from load_executions($1, $2, $3, $4)',
          values: [null, [tenant], [executionId], whole],
        });
        return rows[0] === undefined ? null : toLoaded(codec, rows[0]);
      });
    },

    ...createAnswers({
      pool,
      codec,
      signalIn,
      signalled: (tenant, id) => adopter?.signalled(tenant, id),
    }),
  };

  function toSummary(row: SummaryRow): ExecutionSummary {
    return {
      ...toHeader(row),
      retryOf: row.retry_of,
      status: row.status,
      phase: row.phase,
      priority: row.priority,
      owner: row.owner,
      epoch: row.epoch,
      wakeAt: row.wake_at,
      startedAt: row.started_at,
      endedAt: isFinal(row.status) ? row.ended_at : null,
      error: decodeError(codec, row.error, row.tenant_id),
      compensation: row.compensation,
    };
  }
}

interface SummaryRow extends HeaderRow {
  readonly retry_of: string | null;
  readonly status: ExecutionStatus;
  readonly phase: string | null;
  readonly priority: number;
  readonly owner: string | null;
  readonly epoch: number;
  readonly wake_at: number | null;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly error: string | null;
  readonly compensation: string | null;
}

function quarantineOf(row: RecordRow): ExecutionRecord['quarantine'] {
  const { id, workflow_id, quarantine_code: code, quarantine_reason: reason } = row;
  if (code === null || reason === null) return null;
  return { executionId: id, workflowId: workflow_id, code, reason, at: row.quarantined_at ?? 0 };
}

interface RecordRow extends SummaryRow {
  readonly quarantine_code: string | null;
  readonly quarantine_reason: string | null;
  readonly quarantined_at: number | null;
  readonly output: string | null;
  /** Event 1. */
  readonly created: string | null;
}

interface StepRow {
  readonly step: string;
  readonly status: StepRecord['status'];
  readonly class: StepRecord['class'];
  readonly reason: StepRecord['reason'];
  readonly phase: string | null;
  readonly attempts: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly due_at: number | null;
  readonly output: string | null;
  readonly error: string | null;
}
