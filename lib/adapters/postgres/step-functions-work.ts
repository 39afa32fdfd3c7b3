import type { Pool } from 'pg';
import type { Signal } from '#core/execution/commands.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import type { StepFunctionsWork } from '#ports/step-functions-work.ts';
import { letIn } from './let-in.ts';
import { seconds } from './rows.ts';

/** `pool` is of role `cloudflow_engine`. */
export function createStepFunctionsWork(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
}): StepFunctionsWork {
  const { pool, codec } = deps;
  return {
    letIn: (after, now) => letIn(pool, after, now),
    async open(status, after, limit) {
      const { rows } = await pool.query<{ tenant_id: string; id: string }>({
        name: 'open_on_step_functions',
        text: `select tenant_id, id from workflow_executions
               where runtime = 'step_functions' and status = $1 and owner is null
                 and wake_at is null and phase is distinct from 'queued' and id > $2 order by id limit $3`,
        values: [status, after ?? '00000000-0000-0000-0000-000000000000', limit],
      });
      return rows.map((row) => ({ tenant: row.tenant_id, executionId: row.id }));
    },
    async find(executionId) {
      const { rows } = await pool.query<{ tenant_id: string; open: boolean }>({
        name: 'find_on_step_functions',
        text: `select tenant_id, owner is null and wake_at is null
                      and status in ('PENDING', 'RUNNING') as open
               from workflow_executions where id = $1 and runtime = 'step_functions'`,
        values: [executionId],
      });
      return rows[0] === undefined ? null : { tenant: rows[0].tenant_id, open: rows[0].open };
    },
    async signals(limit) {
      const { rows } = await pool.query<{
        id: string;
        tenant_id: string;
        execution_id: string;
        payload: string;
      }>({
        name: 'signals_on_step_functions',
        text: `select s.id, s.tenant_id, s.execution_id, s.payload
               from workflow_executions e
               join execution_signals s on s.tenant_id = e.tenant_id and s.execution_id = e.id
               where e.runtime = 'step_functions' and e.status in ('PENDING', 'RUNNING')
                 and e.owner is null and e.wake_at is null
               order by s.id limit $1`,
        values: [limit],
      });
      return rows.map((row) => ({
        id: row.id,
        tenant: row.tenant_id,
        executionId: row.execution_id,
        signal: codec.decode(row.payload, row.tenant_id) as unknown as Signal,
      }));
    },
    async consumed({ tenant, executionId, id }) {
      await pool.query({
        name: 'consume_signal',
        text: `delete from execution_signals
               where tenant_id = $1 and execution_id = $2 and id = $3`,
        values: [tenant, executionId, id],
      });
    },
    async handToEngine(tenant, executionId, now) {
      const { rows } = await pool.query<{ handed: boolean | null }>({
        name: 'hand_to_engine',
        text: 'select hand_to_engine($1, $2, to_timestamp($3)) as handed',
        values: [tenant, executionId, seconds(now)],
      });
      return rows[0]?.handed ?? false;
    },
    async fallBack(tenant, executionId, now) {
      const { rows } = await pool.query<{ fell: boolean | null }>({
        name: 'fall_back_to_engine',
        text: 'select fall_back_to_engine($1, $2, to_timestamp($3)) as fell',
        values: [tenant, executionId, seconds(now)],
      });
      return rows[0]?.fell ?? false;
    },
  };
}
