import type { EventType } from '#core/events/schemas.ts';
import type { LogBatch, LogMessage } from '#ports/event-log.ts';
import type { TestDatabase } from './database.ts';
import { TENANT } from './platform.ts';

const AT = '2026-11-02T10:00:00.000Z';
let next = 1;

/** An event of an execution as the platform writes it. */
export function anExecutionEvent(type: EventType, payload: object = {}, more: object = {}) {
  const n = next++;
  const id = (kind: string) => `0000${kind}-0000-4000-8000-${String(n).padStart(12, '0')}`;
  return {
    event_id: id('e000'),
    event_type: type,
    timestamp: AT,
    correlation_id: null,
    tenant_id: TENANT,
    payload: {
      workflow_id: 'order',
      version: '1.0.0',
      execution_id: `019a4d2c-8800-7000-8000-${String(n).padStart(12, '0')}`,
      runtime: 'engine',
      mode: 'live',
      status: 'COMPLETED',
      seq: 9,
      duration_ms: 1_200,
      error: null,
      compensation: null,
      ...payload,
    },
    metadata: { source_service: 'workflow-engine', schema_version: '1.0' },
    ...more,
  };
}

/** What a reader is given, of events or of other texts. */
export function aBatch(topic: string, values: readonly (object | string)[]): LogBatch {
  return {
    topic,
    partition: 0,
    messages: values.map(
      (value, i): LogMessage => ({
        tenant: TENANT,
        key: 'k',
        value: typeof value === 'string' ? value : JSON.stringify(value),
        headers: {},
        offset: String(i),
        at: Date.parse(AT),
      }),
    ),
  };
}

/** One that is open and can be sent again, of mode live; answers its id. */
export async function layDeadLetter({ admin }: TestDatabase, tenant: string): Promise<string> {
  const { rows } = await admin.query<{ id: string }>(
    `insert into dead_letters (id, tenant_id, mode, consumer_group, topic, key, event_id, payload,
       error_name, fingerprint, attempts, critical, status, first_at, last_at, due_at)
     values (gen_random_uuid(), $1, 'live', 'billing', 'workflow.events', 'k', gen_random_uuid(),
             '0:{}', 'Error', '0123456789abcdef', 4, true, 'open', now(), now(), now())
     returning id`,
    [tenant],
  );
  return rows[0]?.id ?? '';
}
