import type { Pool } from 'pg';
import type { SecondFactors } from '#ports/second-factors.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds } from './rows.ts';

interface Row {
  readonly secret: Buffer;
  readonly confirmed: boolean;
  readonly recovery_left: number;
}

/** `pool`: role `cloudflow_app`. */
export function createPostgresSecondFactors(pool: Pool): SecondFactors {
  /** One statement whose condition lets one of many calls through. */
  const changes = (tenant: string, text: string, values: readonly unknown[]): Promise<boolean> =>
    withTenant(pool, tenant, async (client) => {
      const { rowCount } = await client.query(text, [tenant, ...values]);
      return rowCount === 1;
    });
  return {
    find: (tenant, user) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row>(
          `select secret, confirmed_at is not null as confirmed,
                  cardinality(recovery) as recovery_left
           from second_factors where tenant_id = $1 and user_id = $2`,
          [tenant, user],
        );
        const row = rows[0];
        return row === undefined
          ? null
          : { secret: row.secret, confirmed: row.confirmed, recoveryLeft: row.recovery_left };
      }),

    async begin({ tenant, user, secret }, now) {
      const begun = await changes(
        tenant,
        `insert into second_factors as f (tenant_id, user_id, secret, created_at)
         values ($1, $2, $3, to_timestamp($4))
         on conflict (tenant_id, user_id) do update
           set secret = excluded.secret, created_at = excluded.created_at, last_step = 0
           where f.confirmed_at is null`,
        [user, Buffer.from(secret), seconds(now)],
      );
      return begun ? 'begun' : 'confirmed';
    },

    confirm: (tenant, user, step, recovery, now) =>
      changes(
        tenant,
        andUser(`update second_factors
         set confirmed_at = to_timestamp($5), last_step = $3, recovery = $4
         where tenant_id = $1 and user_id = $2 and confirmed_at is null and last_step < $3`),
        [user, step, recovery.map((digest) => Buffer.from(digest)), seconds(now)],
      ),

    useStep: (tenant, user, step) =>
      changes(
        tenant,
        `update second_factors set last_step = $3
         where tenant_id = $1 and user_id = $2 and confirmed_at is not null and last_step < $3`,
        [user, step],
      ),

    useRecovery: (tenant, user, digests) =>
      changes(
        tenant,
        `update second_factors
         set recovery = array(select kept from unnest(recovery) kept where kept <> all ($3::bytea[]))
         where tenant_id = $1 and user_id = $2 and confirmed_at is not null
           and recovery && $3::bytea[]`,
        [user, digests.map((each) => Buffer.from(each))],
      ),

    remove: (tenant, user) =>
      withTenant(pool, tenant, async (client) => {
        const gone = 'delete from second_factors where tenant_id = $1 and user_id = $2';
        await client.query(andUser(gone), [tenant, user]);
        await client.query(
          `update sessions
           set second_factor_at = null,
               methods = array(select m from unnest(methods) m where m not in ('otp', 'kba', 'mfa'))
           where tenant_id = $1 and user_id = $2 and ended_at is null`,
          [tenant, user],
        );
      }),
  };
}

/** Whether they have one is part of what is told of a user, so it is another revision of the user. */
function andUser(change: string): string {
  return `with changed as (${change} returning tenant_id, user_id)
    update users u set revision = u.revision + 1
    from changed c where u.tenant_id = c.tenant_id and u.id = c.user_id`;
}
