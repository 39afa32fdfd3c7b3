import type { Pool } from 'pg';
import type { TaskTokens } from '#ports/task-tokens.ts';

/** `pool` is of role `cloudflow_engine`. A token is as long as Step Functions makes it. */
export function createTaskTokens(pool: Pool): TaskTokens {
  return {
    async put(tenant, executionId, key, token) {
      await pool.query({
        name: 'put_task_token',
        text: `insert into task_tokens (tenant_id, execution_id, key, token) values ($1, $2, $3, $4)
               on conflict (tenant_id, execution_id, key) do update set token = excluded.token`,
        values: [tenant, executionId, key, token],
      });
    },
    async find(tenant, executionId, key) {
      const { rows } = await pool.query<{ token: string }>({
        name: 'find_task_token',
        text: `select token from task_tokens
               where tenant_id = $1 and execution_id = $2 and key = $3`,
        values: [tenant, executionId, key],
      });
      return rows[0]?.token ?? null;
    },
    async forget(tenant, executionId) {
      await pool.query({
        name: 'forget_task_tokens',
        text: 'delete from task_tokens where tenant_id = $1 and execution_id = $2',
        values: [tenant, executionId],
      });
    },
  };
}
