import type { Pool, PoolClient } from 'pg';
import type { Signal } from '#core/execution/commands.ts';
import { type ExecutionStatus, isFinal } from '#core/execution/events.ts';
import type { Json } from '#core/json.ts';
import type {
  ApprovalRecord,
  ExecutionAccess,
  ExecutionRecord,
  ExecutionSummary,
  Page,
  SignalAnswer,
  StepRecord,
} from '#ports/execution-store.ts';
import { type AcceptorDeps, createAcceptor } from './accept.ts';
import { listQuery, searchIds } from './list-executions.ts';
import { storableText } from './payload-codec.ts';
import { withTenant } from './pool.ts';
import {
  decodeError,
  decodeEvent,
  decodeOptional,
  type HeaderRow,
  type LoadedRow,
  seconds,
  toHeader,
  toLoaded,
} from './rows.ts';

/** No page is longer, whatever is asked for. */
export const MAX_PAGE = 500;

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
    const found = rows[0]?.found;
    if (found === 'stored') return { kind: 'stored' };
    if (found === 'not_found' || found === undefined) return { kind: 'not_found' };
    return { kind: 'finished', status: found as ExecutionStatus };
  }

  return {
    accept: createAcceptor(deps),

    async signal(tenant, executionId, signal, now) {
      const answer = await signalIn(pool, tenant, executionId, signal, now);
      if (answer.kind === 'stored') adopter?.signalled(tenant, executionId);
      return answer;
    },

    getExecution(tenant, executionId) {
      return withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<RecordRow>({
          name: 'get_execution',
          text: `select e.*, v.payload as created from workflow_executions e
                 left join execution_events v
                   on v.tenant_id = e.tenant_id and v.execution_id = e.id and v.seq = 1
                 where e.tenant_id = $1 and e.id = $2`,
          values: [tenant, executionId],
        });
        const row = rows[0];
        if (row === undefined) return null;
        const created = row.created === null ? null : codec.decode(row.created, tenant);
        return {
          ...toSummary(row),
          input: (created as { input?: Json } | null)?.input ?? null,
          output: decodeOptional(codec, row.output, tenant),
        } satisfies ExecutionRecord;
      });
    },

    listExecutions(tenant, filter, page) {
      const limit = Math.min(Math.max(page.limit, 1), MAX_PAGE);
      return withTenant(pool, tenant, async (client) => {
        const ids = await searchIds(client, filter, page.after, limit + 1);
        const { text, values } = listQuery(tenant, filter, ids, page.after, limit + 1);
        const { rows } = await client.query<SummaryRow>(text, values);
        return paged(rows.map(toSummary), limit, (item) => item.id);
      });
    },

    listEvents(tenant, executionId, page) {
      const limit = Math.min(Math.max(page.limit, 1), MAX_PAGE);
      return withTenant(pool, tenant, async (client) => {
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
      const limit = Math.min(Math.max(page.limit, 1), MAX_PAGE);
      return withTenant(pool, tenant, async (client) => {
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

    loadExecution(tenant, executionId) {
      return withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<LoadedRow>({
          name: 'load_executions',
          text: 'select * from load_executions($1, $2, $3, $4)',
          values: [null, [tenant], [executionId], false],
        });
        return rows[0] === undefined ? null : toLoaded(codec, rows[0]);
      });
    },

    listApprovals(tenant, filter, page) {
      const limit = Math.min(Math.max(page.limit, 1), MAX_PAGE);
      const values: unknown[] = [tenant, page.after ?? HIGHEST_ID];
      const where = ['tenant_id = $1', 'id < $2'];
      const add = (column: string, value: unknown): void => {
        if (value !== undefined) where.push(`${column} = $${values.push(value)}`);
      };
      add('status', filter.status);
      if (filter.assignee !== undefined) {
        where.push(`$${values.push(filter.assignee)} = any (assignees)`);
      }
      add('execution_id', filter.executionId);
      add('mode', filter.mode);
      return withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<ApprovalRow>(
          `select * from approvals where ${where.join(' and ')} order by id desc limit $${values.push(limit + 1)}`,
          values,
        );
        return paged(
          rows.map((row) => toApproval(row, tenant)),
          limit,
          (approval) => approval.id,
        );
      });
    },

    getApproval(tenant, id) {
      return withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<ApprovalRow>(
          'select * from approvals where tenant_id = $1 and id = $2',
          [tenant, id],
        );
        return rows[0] === undefined ? null : toApproval(rows[0], tenant);
      });
    },

    async answerApproval(tenant, id, answer) {
      const result = await withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<ApprovalRow>(
          'select * from approvals where tenant_id = $1 and id = $2 for update',
          [tenant, id],
        );
        const approval = rows[0];
        if (approval === undefined) return { kind: 'not_found' } as const;
        if (approval.status !== 'pending') {
          return { kind: 'answered', approval: toApproval(approval, tenant) } as const;
        }
        const signalled = await signalIn(
          client,
          tenant,
          approval.execution_id,
          { kind: 'approval_answered', step: approval.step, ...answer },
          answer.at,
        );
        // The execution ended first: the question is void, and says so from now on.
        const open = signalled.kind === 'stored';
        const { rows: updated } = await client.query<ApprovalRow>(
          `update approvals set status = $3, answered_by = $4, answered_at = to_timestamp($5), comment = $6
           where tenant_id = $1 and id = $2 returning *`,
          [
            tenant,
            id,
            open ? answer.decision : 'closed',
            open ? answer.by : null,
            seconds(answer.at),
            open && answer.comment !== null ? codec.encode(answer.comment, tenant) : null,
          ],
        );
        return {
          kind: open ? 'stored' : 'answered',
          approval: toApproval(updated[0] ?? approval, tenant),
        } as const;
      });
      if (result.kind === 'stored') adopter?.signalled(tenant, result.approval.executionId);
      return result;
    },

    async findCallback(tokenHash, now) {
      const found = await callbackOf(pool, tokenHash);
      if (found === null || found.expires_at <= now) return null;
      return {
        tenant: found.tenant_id,
        executionId: found.execution_id,
        step: found.step,
        expiresAt: found.expires_at,
        finished: found.finished_at !== null,
      };
    },

    async answerCallback(tokenHash, signal, now) {
      const found = await callbackOf(pool, tokenHash);
      if (found === null || found.expires_at <= now) return { kind: 'not_found' };
      const { tenant_id: tenant, execution_id: executionId } = found;
      const result = await withTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<{ finished_at: number | null }>(
          'select finished_at from callbacks where token_hash = $1 for update',
          [tokenHash],
        );
        if (rows[0] === undefined) return { kind: 'not_found' } as const;
        if (rows[0].finished_at !== null) return { kind: 'finished' } as const;
        const signalled = await signalIn(
          client,
          tenant,
          executionId,
          { ...signal, step: found.step },
          now,
        );
        if (signalled.kind !== 'stored' || signal.kind !== 'callback_heartbeat') {
          await client.query(
            'update callbacks set finished_at = to_timestamp($2) where token_hash = $1',
            [tokenHash, seconds(now)],
          );
        }
        return { kind: signalled.kind === 'stored' ? 'stored' : 'finished' } as const;
      });
      if (result.kind === 'stored') adopter?.signalled(tenant, executionId);
      return result;
    },
  };

  function toApproval(row: ApprovalRow, tenant: string): ApprovalRecord {
    return {
      id: row.id,
      executionId: row.execution_id,
      workflowId: row.workflow_id,
      step: row.step,
      mode: row.mode,
      assignees: row.assignees,
      message: textOrNull(decodeOptional(codec, row.message, tenant)),
      status: row.status,
      requestedAt: row.requested_at,
      dueAt: row.due_at,
      answeredBy: row.answered_by === null ? null : storableText(row.answered_by),
      answeredAt: row.answered_at,
      comment: textOrNull(decodeOptional(codec, row.comment, tenant)),
    };
  }

  function toSummary(row: SummaryRow): ExecutionSummary {
    return {
      ...toHeader(row),
      retryOf: row.retry_of,
      status: row.status,
      phase: row.phase,
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

const HIGHEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

function paged<T>(items: readonly T[], limit: number, cursor: (item: T) => string): Page<T> {
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown, next: items.length > limit && last !== undefined ? cursor(last) : null };
}

function textOrNull(value: Json): string | null {
  return typeof value === 'string' ? value : null;
}

async function callbackOf(pool: Pool, tokenHash: string): Promise<CallbackRow | null> {
  const { rows } = await pool.query<CallbackRow>({
    name: 'find_callback',
    text: 'select * from find_callback($1)',
    values: [tokenHash],
  });
  return rows[0] ?? null;
}

interface SummaryRow extends HeaderRow {
  readonly retry_of: string | null;
  readonly status: ExecutionStatus;
  readonly phase: string | null;
  readonly owner: string | null;
  readonly epoch: number;
  readonly wake_at: number | null;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly error: string | null;
  readonly compensation: string | null;
}

interface RecordRow extends SummaryRow {
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

interface ApprovalRow {
  readonly id: string;
  readonly execution_id: string;
  readonly workflow_id: string;
  readonly step: string;
  readonly mode: ApprovalRecord['mode'];
  readonly assignees: readonly string[];
  readonly message: string | null;
  readonly status: ApprovalRecord['status'];
  readonly requested_at: number;
  readonly due_at: number;
  readonly answered_by: string | null;
  readonly answered_at: number | null;
  readonly comment: string | null;
}

interface CallbackRow {
  readonly tenant_id: string;
  readonly execution_id: string;
  readonly step: string;
  readonly expires_at: number;
  readonly finished_at: number | null;
}
