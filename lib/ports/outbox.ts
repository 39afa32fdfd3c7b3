import type { Json } from '#core/json.ts';
import type { Mode } from './execution-store.ts';

/** Hands messages to whoever delivers them, durably and outside any execution's own append. */
export interface Outbox {
  /** Durable when it resolves. A repeat with the same (tenant, id) changes nothing. */
  publish(message: OutboxRequest): Promise<void>;
}

export interface OutboxRequest {
  readonly tenant: string;
  readonly mode: Mode;
  readonly topic: string;
  /** Orders messages within a topic. */
  readonly key: string;
  /** A UUID v7 derived from what caused the message. */
  readonly id: string;
  readonly payload: Json;
  /** Where what caused it stands in a trace, as `core/trace.ts` writes it; null or absent: nowhere. */
  readonly trace?: string | null;
}
