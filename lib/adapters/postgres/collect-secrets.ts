import type { Pool } from 'pg';
import type { Mode } from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Secrets } from '#ports/secrets.ts';
import { tellDoing } from './audit-doings.ts';
import { withTransaction } from './pool.ts';
import { seconds } from './rows.ts';

/**
 * How long the value of a secret outlives its use: for steps that read the connection before it
 * changed, and for requests that have stored values and not yet the connection that names them.
 */
export const SECRET_KEPT_MS = 3_600_000;
/** Of one run: what is left is for the next. */
const MOST = 500;

/**
 * Deletes values of secrets that no connection names any more, or never did. May be repeated, stopped
 * anywhere and run by many at once: a row says `going` before its value goes, and goes after it. One
 * that cannot be deleted keeps no other from it; the first error is the cause of what is thrown then.
 * `pool`: role `cloudflow_relay`. Answers how many went.
 */
export async function collectSecrets(
  deps: {
    readonly pool: Pool;
    readonly secrets: Pick<Secrets, 'delete'>;
    readonly ids: Pick<Ids, 'next'>;
  },
  now: number,
): Promise<number> {
  const { rows } = await deps.pool.query<{ tenant_id: string; mode: Mode; kept_as: string }>(
    `update connection_secrets set going = true
     where ctid = any (array(
       select ctid from connection_secrets where unused_since <= to_timestamp($1)
       order by unused_since limit $2 for update skip locked))
     returning tenant_id, mode, kept_as`,
    [seconds(now - SECRET_KEPT_MS), MOST],
  );
  const errors: unknown[] = [];
  for (const { tenant_id: tenant, mode, kept_as: name } of rows) {
    try {
      await deps.secrets.delete({ tenant, mode, name });
      await withTransaction(deps.pool, async (client) => {
        const { rowCount } = await client.query(
          'delete from connection_secrets where tenant_id = $1 and mode = $2 and kept_as = $3',
          [tenant, mode, name],
        );
        // Another run may have come before this one, and told it.
        if (rowCount === 0) return;
        const doing = { operation: 'deleteConnectionSecret', target: `secret:${name}` } as const;
        await tellDoing(client, deps.ids, { tenant, mode, ...doing, at: now });
      });
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) {
    throw new Error(`${errors.length} of ${rows.length} secrets could not be deleted`, {
      cause: errors[0],
    });
  }
  return rows.length;
}
