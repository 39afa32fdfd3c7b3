import type { Json, JsonObject } from './json.ts';

/** Topics that executions write to. */
export const WORKFLOW_EVENTS_TOPIC = 'workflow.events';

/** What every event on a topic looks like. */
export interface EventEnvelope {
  readonly event_id: string;
  readonly event_type: string;
  readonly timestamp: string;
  readonly correlation_id: string | null;
  readonly tenant_id: string;
  readonly payload: JsonObject;
  readonly metadata: {
    readonly source_service: string;
    readonly schema_version: '1.0';
    /** Where what caused it stands in a trace, as `trace.ts` writes it. */
    readonly trace?: string;
  };
}

export function eventEnvelope(event: {
  readonly id: string;
  readonly type: string;
  readonly at: number;
  readonly correlationId: string | null;
  readonly tenant: string;
  readonly source: string;
  /** Null or absent: in none. */
  readonly trace?: string | null | undefined;
  readonly payload: JsonObject;
}): Json {
  return {
    event_id: event.id,
    event_type: event.type,
    timestamp: new Date(event.at).toISOString(),
    correlation_id: event.correlationId,
    tenant_id: event.tenant,
    payload: event.payload,
    metadata: {
      source_service: event.source,
      schema_version: '1.0',
      ...(event.trace === null || event.trace === undefined ? {} : { trace: event.trace }),
    },
  } satisfies EventEnvelope & JsonObject;
}
