import * as Type from 'typebox';

/**
 * What stands on topics, version 1.0: published as JSON Schema (docs/schemas/events-1.0.json), and held
 * against events that were recorded when it was published.
 *
 *  N1 a reader ignores what it does not know: members may be added, none is ever taken away, renamed or
 *     given another type, and none that may be missing becomes needed, within `schema_version` 1.x;
 *  N2 a type of event that a reader does not know is not for it;
 *  N3 `event_id` is the same however often the event comes.
 */
const Uuid = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
});
const Timestamp = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$' });
const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const oneOf = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values] });

const execution = {
  workflow_id: Type.String(),
  version: Type.String(),
  execution_id: Uuid,
  runtime: oneOf(['engine', 'step_functions']),
  mode: oneOf(['live', 'test']),
  status: oneOf(['PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED']),
  /** Of the event in the execution's log: orders the events of one execution. */
  seq: Type.Integer({ minimum: 1 }),
};

const Running = Type.Object(execution);
const Ended = Type.Object({
  ...execution,
  /** From acceptance to the end. */
  duration_ms: Type.Number(),
  error: nullable(Type.Object({ code: Type.String(), message: Type.String() })),
  compensation: nullable(Type.String()),
});
/** That a workflow is another now; not what it is. */
const WorkflowChange = Type.Object({
  mode: oneOf(['live', 'test']),
  workflow_id: Type.String(),
  /** Of the workflow, which grows with every change. */
  revision: Type.Integer({ minimum: 1 }),
  change: oneOf(['stored', 'deleted', 'paused', 'resumed']),
});
export type WorkflowChanged = Type.Static<typeof WorkflowChange>;

const Requested = Type.Object({ mode: oneOf(['live', 'test']) });

/** Payloads by type of event. */
export const EVENT_PAYLOADS = {
  'workflow.execution.created': Running,
  'workflow.execution.started': Running,
  'workflow.execution.paused': Running,
  'workflow.execution.resumed': Running,
  'workflow.execution.compensating': Running,
  'workflow.execution.completed': Ended,
  'workflow.execution.failed': Ended,
  'workflow.execution.cancelled': Ended,
  'workflow.execution.compensation_incomplete': Ended,
  'workflow.definition.changed': WorkflowChange,
  'notifications.email.requested': Requested,
  'notifications.sms.requested': Requested,
  'notifications.webhook.requested': Requested,
  'notifications.inapp.requested': Requested,
  /** A message that nobody could use: which, and who gave it up. Never what it said. */
  'dead_letter.laid_aside': Type.Object({
    dead_letter_id: Uuid,
    group: Type.String(),
    topic: Type.String(),
    event_id: Uuid,
    event_type: nullable(Type.String()),
    fingerprint: Type.String(),
    attempts: Type.Integer({ minimum: 1 }),
    mode: oneOf(['live', 'test']),
    due_at: Timestamp,
  }),
  /** A secret that a tenant has set is to be changed: of what, never its name or value. */
  'secret.turn_due': Type.Object({
    mode: oneOf(['live', 'test']),
    /** `connection:crm`, `identity-provider:corp`. */
    of: Type.String(),
    set_at: Timestamp,
    overdue: Type.Boolean(),
  }),
} as const satisfies Record<string, Type.TSchema>;

export type EventType = keyof typeof EVENT_PAYLOADS;

export const EventEnvelopeSchema = Type.Object({
  event_id: Uuid,
  event_type: Type.String({ minLength: 1, maxLength: 200 }),
  timestamp: Timestamp,
  correlation_id: nullable(Type.String()),
  tenant_id: Uuid,
  payload: Type.Unsafe<Readonly<Record<string, unknown>>>({ type: 'object' }),
  metadata: Type.Object({
    source_service: Type.String(),
    schema_version: Type.String({ pattern: '^1\\.\\d+$' }),
    /** As X-Ray writes it: `Root=...;Parent=...;Sampled=...`. */
    trace: Type.Optional(Type.String({ maxLength: 256 })),
  }),
});

export type PayloadOf<T extends EventType> = Type.Static<(typeof EVENT_PAYLOADS)[T]>;

/** An event of a type that is known, as its schema says. */
export type PlatformEvent = {
  [T in EventType]: {
    readonly event_id: string;
    readonly event_type: T;
    readonly timestamp: string;
    readonly correlation_id: string | null;
    readonly tenant_id: string;
    readonly payload: PayloadOf<T>;
    readonly metadata: {
      readonly source_service: string;
      readonly schema_version: string;
      readonly trace?: string;
    };
  };
}[EventType];

/** All of it as one document, as it is published. */
export function eventSchemas(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Events of CloudFlow, version 1.0',
    envelope: EventEnvelopeSchema,
    payloads: EVENT_PAYLOADS,
  };
}
