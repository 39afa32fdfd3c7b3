import type { Pool, PoolClient } from 'pg';
import { CONSUMERS, type ConsumerName } from '#config/consumers.ts';
import type { AuditFacts } from '#core/audit-chain.ts';
import type { PlatformEvent } from '#core/events/schemas.ts';
import { derivedId } from '#core/ids.ts';
import type { JsonObject } from '#core/json.ts';
import type { Clock } from '#ports/clock.ts';
import type { Projection } from '#ports/projections.ts';
import { noteCompensation } from './dead-letters.ts';
import { createProjection } from './processed-events.ts';
import { seconds } from './rows.ts';

/** What each reader of a topic makes of events. `pool`: role `cloudflow_relay`. */
export function createProjections(deps: { readonly pool: Pool; readonly clock: Clock }): {
  readonly [Name in Exclude<ConsumerName, 'cache-invalidation' | 'mail'>]: Projection;
} {
  const of = (
    name: ConsumerName,
    effect: (client: PoolClient, events: readonly PlatformEvent[]) => Promise<void>,
  ): Projection => createProjection(deps, CONSUMERS[name], effect);
  return {
    analytics: of('analytics', countDays),
    billing: of('billing', recordUse),
    'audit-events': of('audit-events', tellAudit),
    'dead-letters': of('dead-letters', (client, events) =>
      noteCompensation(client, events, deps.clock.now()),
    ),
  };
}

interface Day {
  readonly tenant: string;
  readonly mode: string;
  readonly day: string;
  readonly workflow: string;
  readonly runtime: string;
  created: number;
  started: number;
  completed: number;
  failed: number;
  cancelled: number;
  durationMs: number;
}

async function countDays(client: PoolClient, events: readonly PlatformEvent[]): Promise<void> {
  const days = new Map<string, Day>();
  const dayOf = (event: PlatformEvent & { payload: { workflow_id: string; runtime: string } }) => {
    const { mode, workflow_id: workflow, runtime } = event.payload;
    const day = event.timestamp.slice(0, 10);
    const key = [event.tenant_id, mode, day, workflow, runtime].join('\n');
    let found = days.get(key);
    if (found === undefined) {
      found = {
        tenant: event.tenant_id,
        mode,
        day,
        workflow,
        runtime,
        created: 0,
        started: 0,
        completed: 0,
        failed: 0,
        cancelled: 0,
        durationMs: 0,
      };
      days.set(key, found);
    }
    return found;
  };
  for (const event of events) {
    switch (event.event_type) {
      case 'workflow.execution.created':
        dayOf(event).created += 1;
        break;
      case 'workflow.execution.started':
        dayOf(event).started += 1;
        break;
      case 'workflow.execution.completed':
      case 'workflow.execution.failed':
      case 'workflow.execution.cancelled': {
        const day = dayOf(event);
        day[ENDS[event.event_type]] += 1;
        day.durationMs += event.payload.duration_ms;
        break;
      }
      default:
    }
  }
  if (days.size === 0) return;
  // In one order, so that two partitions of a topic never wait for each other.
  const rows = [...days].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, day]) => day);
  await client.query({
    name: 'count_execution_days',
    text: `insert into execution_days as d (tenant_id, mode, day, workflow_id, runtime,
             created, started, completed, failed, cancelled, duration_ms)
           select * from unnest($1::uuid[], $2::text[], $3::date[], $4::text[], $5::text[],
             $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::numeric[])
           on conflict (tenant_id, mode, day, workflow_id, runtime) do update set
             created = d.created + excluded.created,
             started = d.started + excluded.started,
             completed = d.completed + excluded.completed,
             failed = d.failed + excluded.failed,
             cancelled = d.cancelled + excluded.cancelled,
             duration_ms = d.duration_ms + excluded.duration_ms`,
    values: [
      rows.map((row) => row.tenant),
      rows.map((row) => row.mode),
      rows.map((row) => row.day),
      rows.map((row) => row.workflow),
      rows.map((row) => row.runtime),
      rows.map((row) => row.created),
      rows.map((row) => row.started),
      rows.map((row) => row.completed),
      rows.map((row) => row.failed),
      rows.map((row) => row.cancelled),
      rows.map((row) => row.durationMs),
    ],
  });
}

const ENDS = {
  'workflow.execution.completed': 'completed',
  'workflow.execution.failed': 'failed',
  'workflow.execution.cancelled': 'cancelled',
} as const;

type Ended = Extract<PlatformEvent, { event_type: keyof typeof ENDS }>;
const isEnd = (event: PlatformEvent): event is Ended => Object.hasOwn(ENDS, event.event_type);

async function recordUse(client: PoolClient, events: readonly PlatformEvent[]): Promise<void> {
  const ends = events.filter(isEnd);
  if (ends.length === 0) return;
  await client.query({
    name: 'record_use',
    text: `insert into usage_records (tenant_id, mode, kind, execution_id, workflow_id, runtime,
             quantity, duration_ms, at, event_id)
           select tenant, mode, 'execution', execution, workflow, runtime, 1, duration,
                  to_timestamp(at), event
           from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bigint[],
                       $7::float8[], $8::uuid[])
                  as u (tenant, mode, execution, workflow, runtime, duration, at, event)
           on conflict do nothing`,
    values: [
      ends.map((event) => event.tenant_id),
      ends.map((event) => event.payload.mode),
      ends.map((event) => event.payload.execution_id),
      ends.map((event) => event.payload.workflow_id),
      ends.map((event) => event.payload.runtime),
      ends.map((event) => Math.max(0, Math.round(event.payload.duration_ms))),
      ends.map((event) => seconds(Date.parse(event.timestamp))),
      ends.map((event) => event.event_id),
    ],
  });
}

/**
 * Starts, cancels and pauses by people are calls of the API, which told the trail themselves; that an
 * execution failed, was cancelled or began to undo itself is nobody's call.
 */
const TOLD: { readonly [T in PlatformEvent['event_type']]?: string } = {
  'workflow.execution.failed': 'executionFailed',
  'workflow.execution.cancelled': 'executionCancelled',
  'workflow.execution.compensating': 'executionCompensating',
};

async function tellAudit(client: PoolClient, events: readonly PlatformEvent[]): Promise<void> {
  const told = events.flatMap((event) => {
    const operation = TOLD[event.event_type];
    if (operation === undefined || !('execution_id' in event.payload)) return [];
    const { execution_id, workflow_id, version, mode } = event.payload;
    const facts: AuditFacts = {
      // Near the execution's id, whose month has its partition.
      id: derivedId(execution_id, event.event_id),
      at: Date.parse(event.timestamp),
      actor: 'platform',
      mode,
      operation,
      target: `execution:${execution_id}`,
      outcome: 'done',
      code: codeOf(event),
      request_id: null,
      correlation_id: event.correlation_id,
      details: { workflow_id, version, event_id: event.event_id },
    };
    const personal: JsonObject = {};
    return [{ tenant: event.tenant_id, id: facts.id, entry: JSON.stringify({ facts, personal }) }];
  });
  if (told.length === 0) return;
  await client.query({
    name: 'tell_audit_events',
    text: `insert into audit_inbox (tenant_id, id, part, entry)
           select tenant, id, 'whole', entry
           from unnest($1::uuid[], $2::uuid[], $3::text[]) as t (tenant, id, entry)`,
    values: [
      told.map(({ tenant }) => tenant),
      told.map(({ id }) => id),
      told.map(({ entry }) => entry),
    ],
  });
}

function codeOf(event: PlatformEvent): string | null {
  return 'error' in event.payload ? (event.payload.error?.code ?? null) : null;
}
