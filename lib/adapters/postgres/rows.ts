import type { StepError } from '#core/errors.ts';
import type { Signal } from '#core/execution/commands.ts';
import type { ExecutionEvent, ExecutionStatus, RecordedEvent } from '#core/execution/events.ts';
import type { Json } from '#core/json.ts';
import type { Runtime } from '#core/plan/program.ts';
import type {
  ExecutionHeader,
  Labels,
  LoadedExecution,
  Mode,
  SignalAnswer,
  StoredSignal,
} from '#ports/execution-store.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';

/**
 * From rows to the port's types. The casts are here and only here: what these columns hold was
 * written by this adapter, from the same types, and check constraints keep the enumerations.
 */

/** Milliseconds to what `to_timestamp` takes. */
export function seconds(ms: number): number {
  return ms / 1_000;
}

export function secondsOrNull(ms: number | null): number | null {
  return ms === null ? null : ms / 1_000;
}

/** A payload column that is null where there is nothing to say. */
export function encodeOptional(codec: PayloadCodec, value: Json, tenant: string): string | null {
  return value === null ? null : codec.encode(value, tenant);
}

export function decodeOptional(codec: PayloadCodec, text: string | null, tenant: string): Json {
  return text === null ? null : codec.decode(text, tenant);
}

export function decodeError<T extends StepError = StepError>(
  codec: PayloadCodec,
  text: string | null,
  tenant: string,
): T | null {
  return decodeOptional(codec, text, tenant) as unknown as T | null;
}

export function encodeEvent(codec: PayloadCodec, event: ExecutionEvent, tenant: string): string {
  return codec.encode(event as unknown as Json, tenant);
}

export function decodeEvent(
  codec: PayloadCodec,
  row: { readonly seq: number; readonly at: number; readonly payload: string },
  tenant: string,
): RecordedEvent {
  return {
    seq: row.seq,
    at: row.at,
    event: codec.decode(row.payload, tenant) as unknown as ExecutionEvent,
  };
}

export function decodeSignal(
  codec: PayloadCodec,
  row: { readonly id: string; readonly execution_id: string; readonly payload: string },
  tenant: string,
): StoredSignal {
  return {
    id: row.id,
    executionId: row.execution_id,
    signal: codec.decode(row.payload, tenant) as unknown as Signal,
  };
}

export interface HeaderRow {
  readonly tenant_id: string;
  readonly id: string;
  readonly root_id: string;
  readonly parent_id: string | null;
  readonly parent_step: string | null;
  readonly depth: number;
  readonly workflow_id: string;
  readonly version: string;
  readonly program_hash: string;
  readonly runtime: Runtime;
  readonly mode: Mode;
  readonly labels: Labels;
  readonly correlation_id: string | null;
  readonly created_at: number;
}

export function toHeader(row: HeaderRow): ExecutionHeader {
  return {
    tenant: row.tenant_id,
    mode: row.mode,
    id: row.id,
    rootId: row.root_id,
    parent:
      row.parent_id === null ? null : { executionId: row.parent_id, step: row.parent_step ?? '' },
    depth: row.depth,
    workflowId: row.workflow_id,
    version: row.version,
    programHash: row.program_hash,
    runtime: row.runtime,
    labels: row.labels,
    correlationId: row.correlation_id,
    createdAt: row.created_at,
  };
}

/** A row of `load_executions`. */
export interface LoadedRow extends HeaderRow {
  readonly epoch: number;
  readonly signals: number;
  readonly checkpoint_seq: number | null;
  readonly checkpoint: string | null;
  readonly event_seq: readonly number[] | null;
  readonly event_at: readonly number[] | null;
  readonly event_payload: readonly string[] | null;
  readonly signal_id: readonly string[] | null;
  readonly signal_payload: readonly string[] | null;
}

export function toLoaded(codec: PayloadCodec, row: LoadedRow): LoadedExecution {
  const tenant = row.tenant_id;
  return {
    header: toHeader(row),
    epoch: row.epoch,
    checkpoint:
      row.checkpoint === null || row.checkpoint_seq === null
        ? null
        : { seq: row.checkpoint_seq, state: codec.decode(row.checkpoint, tenant) },
    tail: (row.event_seq ?? []).map((seq, i) =>
      decodeEvent(
        codec,
        {
          seq,
          at: Number(row.event_at?.[i]),
          payload: row.event_payload?.[i] ?? '',
        },
        tenant,
      ),
    ),
    signals: (row.signal_id ?? []).map((id, i) =>
      decodeSignal(
        codec,
        { id, execution_id: row.id, payload: row.signal_payload?.[i] ?? '' },
        tenant,
      ),
    ),
    signalCount: row.signals,
  };
}

/** What the functions that store a signal say. */
export function signalAnswer(found: string | undefined): SignalAnswer {
  if (found === 'stored') return { kind: 'stored' };
  if (found === 'not_found' || found === undefined) return { kind: 'not_found' };
  return { kind: 'finished', status: found as ExecutionStatus };
}
