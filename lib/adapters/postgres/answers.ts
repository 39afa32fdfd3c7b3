import type { Pool, PoolClient } from 'pg';
import type { Signal } from '#core/execution/commands.ts';
import type { Json } from '#core/json.ts';
import type { ApprovalRecord, ExecutionAccess, SignalAnswer } from '#ports/execution-store.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import type { TenantSettings } from '#ports/users.ts';
import { clampLimit, HIGHEST_ID, paged } from './paging.ts';
import { storableText } from './payload-codec.ts';
import { readTenant, withTenant } from './pool.ts';
import { decodeOptional, seconds } from './rows.ts';
import { withDefaults } from './tenant-store.ts';

export interface AnswersDeps {
  /** Role `cloudflow_app`. */
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  /** Writes a signal in the transaction of `client`. */
  signalIn(
    client: PoolClient,
    tenant: string,
    executionId: string,
    signal: Signal,
    now: number,
  ): Promise<SignalAnswer>;
  signalled(tenant: string, executionId: string): void;
}

/** What people and other systems answer to. The answer and its signal are one transaction. */
export function createAnswers({
  pool,
  codec,
  signalIn,
  signalled,
}: AnswersDeps): Pick<
  ExecutionAccess,
  'listApprovals' | 'getApproval' | 'answerApproval' | 'findCallback' | 'answerCallback'
> {
  return {
    listApprovals(tenant, filter, page) {
      const limit = clampLimit(page);
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
      if (filter.workflowIds !== undefined) {
        where.push(`workflow_id = any ($${values.push(filter.workflowIds)})`);
      }
      return readTenant(pool, tenant, async (client) => {
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
      return readTenant(pool, tenant, async (client) => {
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
        // Its time is over, or the execution ended first: the question is void, and says so from now on.
        const open =
          toApproval(approval, tenant).dueAt > answer.at &&
          (
            await signalIn(
              client,
              tenant,
              approval.execution_id,
              { kind: 'approval_answered', step: approval.step, ...answer },
              answer.at,
            )
          ).kind === 'stored';
        const { rows: updated } = await client.query<ApprovalRow>(
          `update approvals set status = $3, answered_by = $4, answered_at = to_timestamp($5), comment = $6
           where tenant_id = $1 and id = $2 returning *`,
          [
            tenant,
            id,
            open ? answer.decision : 'closed',
            open ? storableText(answer.by) : null,
            seconds(answer.at),
            open && answer.comment !== null ? codec.encode(answer.comment, tenant) : null,
          ],
        );
        return {
          kind: open ? 'stored' : 'answered',
          approval: toApproval(updated[0] ?? approval, tenant),
        } as const;
      });
      if (result.kind === 'stored') signalled(tenant, result.approval.executionId);
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
        tenantPerMinute: withDefaults(found.settings).requests_per_minute,
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
        const stored = await signalIn(
          client,
          tenant,
          executionId,
          { ...signal, step: found.step },
          now,
        );
        if (stored.kind !== 'stored' || signal.kind !== 'callback_heartbeat') {
          await client.query(
            'update callbacks set finished_at = to_timestamp($2) where token_hash = $1',
            [tokenHash, seconds(now)],
          );
        }
        return { kind: stored.kind === 'stored' ? 'stored' : 'finished' } as const;
      });
      if (result.kind === 'stored') signalled(tenant, executionId);
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
      answeredBy: row.answered_by,
      answeredAt: row.answered_at,
      comment: textOrNull(decodeOptional(codec, row.comment, tenant)),
    };
  }
}

function textOrNull(value: Json): string | null {
  return typeof value === 'string' ? value : null;
}

async function callbackOf(pool: Pool, tokenHash: string): Promise<CallbackRow | null> {
  const { rows } = await pool.query<CallbackRow>({
    name: 'find_answerable',
    text: 'select * from find_answerable($1)',
    values: [tokenHash],
  });
  return rows[0] ?? null;
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
  readonly settings: Partial<TenantSettings>;
}
