import type { Pool } from 'pg';
import type { LoginGuard } from '#ports/login-guard.ts';
import { seconds } from './rows.ts';

/** `pool`: role `cloudflow_login`. */
export function createPostgresLoginGuard(pool: Pool): LoginGuard {
  return {
    async reserve(keys, now, windowMs) {
      // In one order, so that two calls with the same keys never wait for each other in a ring.
      const sorted = [...keys].sort((a, b) => Buffer.compare(a.key, b.key));
      const { rows } = await pool.query<{ until: number | null }>({
        name: 'reserve-guess',
        text: `select reserve_guess($1, $2, to_timestamp($3), $4 * interval '1 millisecond') as until`,
        values: [
          sorted.map(({ key }) => Buffer.from(key)),
          sorted.map(({ limit }) => limit),
          seconds(now),
          windowMs,
        ],
      });
      return rows[0]?.until ?? null;
    },

    async forget(key) {
      await pool.query('delete from login_guesses where key = $1', [Buffer.from(key)]);
    },

    async giveBack(keys) {
      if (keys.length === 0) return;
      await pool.query(
        'update login_guesses set guesses = guesses - 1 where key = any ($1) and guesses > 0',
        [keys.map((key) => Buffer.from(key))],
      );
    },
  };
}
