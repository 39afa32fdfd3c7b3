import type { PoolClient } from 'pg';
import { eventEnvelope } from '#core/event-envelope.ts';
import type { WorkflowChanged } from '#core/events/schemas.ts';
import type { Ids } from '#ports/ids.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { seconds } from './rows.ts';

export const CACHE_TOPIC = 'cache.invalidation';

/** Tells what keeps workflows besides that one is another now: in the transaction that makes it so. */
export async function tellWorkflowChanged(
  client: PoolClient,
  { codec, ids }: { readonly codec: PayloadCodec; readonly ids: Pick<Ids, 'random'> },
  change: { readonly tenant: string; readonly at: number; readonly payload: WorkflowChanged },
): Promise<void> {
  const { tenant, at, payload } = change;
  const envelope = eventEnvelope({
    id: ids.random(),
    type: 'workflow.definition.changed',
    at,
    correlationId: null,
    tenant,
    source: 'workflows',
    payload: { ...payload },
  });
  await client.query({
    name: 'tell_workflow_changed',
    text: `insert into outbox (tenant_id, topic, key, at, payload)
           values ($1, $2, $3, to_timestamp($4), $5)`,
    values: [
      tenant,
      CACHE_TOPIC,
      `${payload.mode}/${payload.workflow_id}`,
      seconds(at),
      codec.encode(envelope, tenant),
    ],
  });
}
