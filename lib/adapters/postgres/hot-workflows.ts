import type { Pool } from 'pg';
import type { HotWorkflow, HotWorkflows } from '#ports/hot-workflows.ts';

/** By what the reader of events has counted. `pool`: role `cloudflow_relay`. */
export function createHotWorkflows(pool: Pool): HotWorkflows {
  return {
    async list(since, limit) {
      const { rows } = await pool.query<HotWorkflow>(
        `select tenant_id as tenant, mode, workflow_id as "workflowId" from execution_days
         where day >= $1::date group by 1, 2, 3 order by sum(created) desc, 1, 2, 3 limit $2`,
        [new Date(since).toISOString().slice(0, 10), limit],
      );
      return rows;
    },
  };
}
