import type { Pool } from 'pg';
import { eventEnvelope } from '#core/event-envelope.ts';
import { secretsDueBefore } from '#core/secret-age.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { tellDoing } from './audit-doings.ts';
import type { Partitions } from './partitions.ts';
import { withTransaction } from './pool.ts';
import { seconds } from './rows.ts';

/** Of one run: what is left is for the next. */
const MOST = 500;

interface Row {
  readonly tenant_id: string;
  readonly mode: Mode;
  readonly kept_as: string;
  readonly owner: string | null;
  readonly set_at: number;
  readonly told: 1 | 2;
}

/**
 * Tells tenants of secrets that they set and have not changed for long: an event for whoever notifies, and a line in
 * their audit trail, once when it is due and once when it is overdue. All in one transaction, so that of many at once
 * one tells. `pool`: role `cloudflow_relay`. Answers how many were told of.
 */
export async function tellOldSecrets(
  deps: {
    readonly pool: Pool;
    readonly ids: Pick<Ids, 'next' | 'random'>;
    readonly codec: PayloadCodec;
    readonly partitions: Partitions;
  },
  now: number,
): Promise<number> {
  const { pool, ids, codec, partitions } = deps;
  const before = secretsDueBefore(now);
  if (!partitions.has(now)) await partitions.ensure(now);
  return withTransaction(pool, async (client) => {
    const { rows } = await client.query<Row>(
      `update connection_secrets
       set told = case when set_at <= to_timestamp($2) then 2 else 1 end
       where ctid = any (array(
         select ctid from connection_secrets
         where unused_since is null and told < 2 and not going
           and (set_at <= to_timestamp($2) or (told = 0 and set_at <= to_timestamp($1)))
         order by set_at limit $3 for update skip locked))
       returning tenant_id, mode, kept_as, owner, set_at, told`,
      [seconds(before.due), seconds(before.overdue), MOST],
    );
    for (const { tenant_id: tenant, mode, kept_as, owner, set_at: setAt, told } of rows) {
      const target = owner ?? `secret:${kept_as}`;
      const details = { set_at: new Date(setAt).toISOString(), overdue: told === 2 };
      const news = eventEnvelope({
        id: ids.random(),
        type: 'secret.turn_due',
        at: now,
        correlationId: null,
        tenant,
        source: 'collect-secrets',
        payload: { mode, of: target, ...details },
      });
      await client.query(
        `insert into outbox (tenant_id, topic, key, at, payload)
         values ($1, 'workflow.events', $2, to_timestamp($3), $4)`,
        [tenant, tenant, seconds(now), codec.encode(news, tenant)],
      );
      const doing = { operation: 'noticeOldSecret', target, details } as const;
      await tellDoing(client, ids, { tenant, mode, ...doing, at: now });
    }
    return rows.length;
  });
}
