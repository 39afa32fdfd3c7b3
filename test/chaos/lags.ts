import type { LivenessEvidence } from './checker/evidence.ts';
import { lagOf } from './checker/read-topic.ts';
import { GROUPS } from './faults/events.ts';
import type { World } from './world/world.ts';

export type Lags = LivenessEvidence['healed'];

/** What still waits somewhere on its way. */
export async function lags({ admin, kafka }: World): Promise<Lags> {
  const [broker] = kafka?.brokers ?? [];
  // Without Kafka readers go over the outbox themselves.
  const groups = broker === undefined ? [...GROUPS] : ['relay'];
  const { rows } = await admin.query<{ outbox: number; letters: number; inbox: number }>(
    `select (select count(*)::integer from unnest($1::text[]) g (name)
             join outbox o on o.topic = 'workflow.events'
             left join outbox_offsets f on f.consumer_group = g.name and f.topic = o.topic
             where f.xid is null or (o.xid, o.id) > (f.xid, f.id)) as outbox,
            (select count(*)::integer from dead_letters where status = 'open') as letters,
            (select count(*)::integer from audit_inbox) as inbox`,
    [groups],
  );
  return {
    outboxLag: rows[0]?.outbox ?? 0,
    consumerLag:
      broker === undefined ? null : await lagOf(broker.address, 'workflow.events', GROUPS),
    openDeadLetters: rows[0]?.letters ?? 0,
    auditInbox: rows[0]?.inbox ?? 0,
  };
}
