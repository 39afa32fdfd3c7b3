import type { Pool } from 'pg';
import { seconds } from './rows.ts';

/** How long a repeat of the same published message is recognised. */
const REMEMBERED_MS = 8 * 86_400_000;
/** How long it can be seen what became of a message that was laid aside. */
const CLOSED_LETTERS_MS = 90 * 86_400_000;

/** Which rows nothing can ask for any more, as a condition on the business time in seconds. */
const EXPIRED = {
  idempotency_records: 'expires_at <= to_timestamp($1)',
  callbacks: 'expires_at <= to_timestamp($1)',
  records: 'expires_at <= to_timestamp($1)',
  sessions: `expires_at <= to_timestamp($1) - interval '${REMEMBERED_MS} milliseconds'`,
  one_time_tokens: 'expires_at <= to_timestamp($1)',
  sign_ins: 'expires_at <= to_timestamp($1)',
  login_guesses: 'until <= to_timestamp($1)',
  processed_events: 'until <= to_timestamp($1)',
  execution_commands: 'until <= to_timestamp($1)',
  mail_tries: 'until <= to_timestamp($1)',
  dead_letters: `status <> 'open' and closed_at <= to_timestamp($1) - interval '${CLOSED_LETTERS_MS} milliseconds'`,
  published_messages: `at <= to_timestamp($1) - interval '${REMEMBERED_MS} milliseconds'`,
  bulk_operations: `ended_at <= to_timestamp($1) - interval '30 days'`,
} as const;

export type Purged = { readonly [table in keyof typeof EXPIRED]: number };

export interface PurgeLimits {
  /** Rows of one statement: how long it may hold their locks. */
  readonly batch: number;
  /** Statements for each table. What is left is for the next time. */
  readonly batches: number;
}

/** Deletes what has expired; answers how many rows of which table. `pool`: role `cloudflow_relay`. */
export async function purgeExpired(
  pool: Pool,
  now: number,
  limits: PurgeLimits = { batch: 5_000, batches: 1_000 },
): Promise<Purged> {
  const tables = Object.keys(EXPIRED) as (keyof typeof EXPIRED)[];
  const purged = Object.fromEntries(tables.map((table) => [table, 0])) as Record<
    keyof typeof EXPIRED,
    number
  >;
  for (const table of tables) {
    for (let batches = 0; batches < limits.batches; batches++) {
      const { rowCount } = await pool.query(
        // The condition again: a key that is taken anew meanwhile is not expired.
        `delete from ${table} where ${EXPIRED[table]}
           and ctid = any (array(select ctid from ${table} where ${EXPIRED[table]} limit $2))`,
        [seconds(now), limits.batch],
      );
      purged[table] += rowCount ?? 0;
      if ((rowCount ?? 0) < limits.batch) break;
    }
  }
  return purged;
}
