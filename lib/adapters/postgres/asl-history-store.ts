import type { Pool } from 'pg';
import type { HistoryStore } from '#ports/history-store.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';

/**
 * Histories of machines that run on the local interpreter of the States Language. `pool` is of role
 * `cloudflow_engine`; texts are bound to their execution, so that one moved to another cannot be read.
 */
export function createAslHistoryStore(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
}): HistoryStore {
  const { pool, codec } = deps;
  return {
    async append(executionArn, rows) {
      const { rows: answer } = await pool.query<{ written: boolean }>({
        name: 'append_asl_history',
        text: 'select append_asl_history($1, $2, $3, $4) as written',
        values: [
          executionArn,
          rows.map(({ seq }) => seq),
          rows.map(({ text }) => codec.encode(text, executionArn)),
          rows.some(({ ends }) => ends),
        ],
      });
      return answer[0]?.written ?? false;
    },
    async load(executionArn) {
      const { rows } = await pool.query<{ payload: string }>({
        name: 'load_asl_history',
        text: 'select payload from asl_history where execution_arn = $1 order by seq',
        values: [executionArn],
      });
      // Written by `append` above and by nobody else, so these are texts.
      return rows.map(({ payload }) => codec.decode(payload, executionArn) as string);
    },
    async unfinished(after, limit) {
      const { rows } = await pool.query<{ execution_arn: string }>(
        'select execution_arn from asl_open where execution_arn > $1 order by execution_arn limit $2',
        [after ?? '', limit],
      );
      return rows.map((row) => row.execution_arn);
    },
  };
}
