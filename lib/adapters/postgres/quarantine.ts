import type { Pool } from 'pg';
import type { AuditFacts } from '#core/audit-chain.ts';
import type { Ids } from '#ports/ids.ts';
import type { Quarantine, QuarantinedExecution } from '#ports/quarantine.ts';
import { readTenant } from './pool.ts';
import { seconds } from './rows.ts';

/** Sets aside as `cloudflow_auditor`, which may do this one thing besides reading. */
export function createQuarantine(deps: {
  /** Role `cloudflow_auditor`. */
  readonly pool: Pool;
  readonly ids: Pick<Ids, 'next'>;
}): Quarantine {
  const { pool, ids } = deps;
  return {
    async setAside({ tenant, executionId }, { code, reason, at }) {
      const id = ids.next(at);
      const facts: AuditFacts = {
        ...{ id, at, actor: 'platform', mode: null, operation: 'quarantineExecution' },
        ...{ target: `execution:${executionId}`, outcome: 'done', code: null },
        ...{ request_id: null, correlation_id: null, details: { code } },
      };
      const { rows } = await pool.query<{ done: boolean }>(
        `select quarantine_execution($1, $2, $3, $4, to_timestamp($5), $6, $7) as done`,
        [
          tenant,
          executionId,
          code,
          reason,
          seconds(at),
          id,
          JSON.stringify({ facts, personal: {} }),
        ],
      );
      return rows[0]?.done === true;
    },
  };
}

interface Row {
  readonly execution_id: string;
  readonly workflow_id: string;
  readonly code: string;
  readonly reason: string;
  readonly at: number;
}

function toQuarantined(row: Row): QuarantinedExecution {
  const { execution_id, workflow_id, code, reason, at } = row;
  return { executionId: execution_id, workflowId: workflow_id, code, reason, at };
}

/** In order of ids; `limit + 1` at the most, the last of which says that there are more. */
export function listQuarantined(
  pool: Pool,
  of: {
    readonly tenant: string;
    readonly mode: string;
    /** Null: all. */
    readonly workflows: readonly string[] | null;
    readonly after: string | null;
    readonly limit: number;
  },
): Promise<readonly QuarantinedExecution[]> {
  return readTenant(pool, of.tenant, async (client) => {
    const { rows } = await client.query<Row>(
      `select execution_id, workflow_id, code, reason, at from quarantined_executions
       where tenant_id = $1 and mode = $2 and ($3::text[] is null or workflow_id = any ($3))
         and ($4::uuid is null or execution_id > $4)
       order by execution_id limit $5`,
      [of.tenant, of.mode, of.workflows, of.after, of.limit + 1],
    );
    return rows.map(toQuarantined);
  });
}
