import type { Pool, PoolClient } from 'pg';
import { type AuditFacts, PLATFORM_TENANT } from '#core/audit-chain.ts';
import type { JsonObject } from '#core/json.ts';
import type { Ids } from '#ports/ids.ts';

/** What the platform does by itself: no call of anybody asks for it. */
export interface Doing {
  /** Whose things it changes; absent: nobody's but the platform's. */
  readonly tenant?: string;
  readonly mode?: AuditFacts['mode'];
  readonly operation:
    | 'makeSigningKey'
    | 'deleteSigningKey'
    | 'deleteConnectionSecret'
    | 'noticeOldSecret'
    | 'deleteExpired';
  readonly target: string | null;
  readonly details?: JsonObject;
  /** Business time, milliseconds. */
  readonly at: number;
}

/**
 * Tells the audit trail what was done, in the transaction of `client` that did it, so that neither is
 * without the other. Role `cloudflow_relay`.
 */
export async function tellDoing(
  client: Pool | PoolClient,
  ids: Pick<Ids, 'next'>,
  { tenant = PLATFORM_TENANT, mode = null, operation, target, details = {}, at }: Doing,
): Promise<void> {
  const id = ids.next(at);
  const facts: AuditFacts = {
    ...{ id, at, actor: 'platform', mode, operation, target, outcome: 'done', code: null },
    ...{ request_id: null, correlation_id: null, details },
  };
  await client.query(
    `insert into audit_inbox (tenant_id, id, part, entry) values ($1, $2, 'whole', $3)`,
    [tenant, id, JSON.stringify({ facts, personal: {} })],
  );
}
