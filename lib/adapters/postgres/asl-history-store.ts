import type { Pool } from 'pg';
import type { Json } from '#core/json.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';

/** A row as its owner numbers it; what else is in it is the owner's business. */
interface NumberedRow {
  readonly seq: number;
}

/**
 * Histories of machines that run on the local interpreter of the States Language: rows by execution
 * and number, written once. `pool` is of role `cloudflow_engine`; payloads are bound to their
 * execution, so that a row moved to another cannot be read there.
 */
export function createAslHistoryStore<Row extends NumberedRow>(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  /** Whether a row is the last of its execution. */
  readonly ends: (row: Row) => boolean;
}): {
  append(executionArn: string, rows: readonly Row[]): Promise<boolean>;
  load(executionArn: string): Promise<readonly Row[]>;
  unfinished(after: string | null, limit: number): Promise<readonly string[]>;
} {
  const { pool, codec, ends } = deps;
  return {
    async append(executionArn, rows) {
      const encoded = rows.map((row) => codec.encode(row as unknown as Json, executionArn));
      const { rows: answer } = await pool.query<{ written: boolean }>({
        name: 'append_asl_history',
        text: 'select append_asl_history($1, $2, $3, $4) as written',
        values: [executionArn, rows.map(({ seq }) => seq), encoded, rows.some(ends)],
      });
      return answer[0]?.written ?? false;
    },
    async load(executionArn) {
      const { rows } = await pool.query<{ payload: string }>({
        name: 'load_asl_history',
        text: 'select payload from asl_history where execution_arn = $1 order by seq',
        values: [executionArn],
      });
      // Written by `append` above and by nobody else.
      return rows.map(({ payload }) => codec.decode(payload, executionArn) as unknown as Row);
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
