import type { Trace } from '#core/trace.ts';

/**
 * Tells what was done within a trace, and how long it took. Names and facts are of vocabularies of ours:
 * operations, types of steps, ids of executions; never a name, an address or a value of tenants.
 */
export interface Tracer {
  /** Where this call of ours stands, as says what runs us; null: it says nothing. */
  ambient(): Trace | null;
  /** Begins a piece of work. Under no trace, or one that nobody records, nothing is told. */
  begin(name: SpanName, under: Trace | null): Span;
}

/** `event`: what one reader makes of one event. `command`: what an engine is asked to do. */
export type SpanName = 'request' | 'step' | 'compensation' | 'event' | 'command';

export interface Span {
  /** For what is done within it: it goes on under this. */
  readonly trace: Trace | null;
  /** Cheap, and never throws. */
  end(outcome: 'ok' | 'error' | 'fault', facts: SpanFacts): void;
}

export interface SpanFacts {
  readonly operation?: string;
  readonly status?: number;
  readonly execution?: string;
  readonly step_type?: string;
  readonly attempt?: number;
  /** Who reads, and what: of `event`. */
  readonly group?: string;
  readonly event_type?: string;
  /** What to do: of `command`. */
  readonly signal?: string;
}

/** For those whom nobody listens to: traces pass through. */
export const NO_TRACER: Tracer = {
  ambient: () => null,
  begin: (_, under) => ({ trace: under, end: () => undefined }),
};
