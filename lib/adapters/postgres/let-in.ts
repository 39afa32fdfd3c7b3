import type { Pool } from 'pg';
import type { LetIn } from '#ports/execution-store.ts';
import { seconds } from './rows.ts';

/** Tenants and modes of one pass, and executions let in of each: bounds what one statement changes. */
const TENANTS = 32;
const STARTS = 100;

/** `pool` is of role `cloudflow_engine`. */
export async function letIn(pool: Pool, after: string | null, now: number): Promise<LetIn> {
  const { rows } = await pool.query<{ tenant_id: string; let_in: number }>({
    name: 'let_in',
    text: 'select * from let_in($1, $2, $3, to_timestamp($4))',
    values: [after, TENANTS, STARTS, seconds(now)],
  });
  return {
    count: rows.reduce((sum, row) => sum + row.let_in, 0),
    waiting: rows.length > 0,
    after: rows.length < TENANTS ? null : (rows.at(-1)?.tenant_id ?? null),
  };
}
