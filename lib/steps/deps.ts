import type { StepKey } from '#core/execution/events.ts';
import type { Json } from '#core/json.ts';
import type { Trace } from '#core/trace.ts';
import type { Children } from '#ports/children.ts';
import type { Connections } from '#ports/connections.ts';
import type { Databases } from '#ports/databases.ts';
import type { Deadlines } from '#ports/deadlines.ts';
import type { Evaluator } from '#ports/evaluator.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { Http } from '#ports/http.ts';
import type { OutboundGate } from '#ports/outbound-gate.ts';
import type { Outbox } from '#ports/outbox.ts';
import type { PlatformOperations } from '#ports/platform-operations.ts';
import type { Secrets } from '#ports/secrets.ts';
import type { Tracer } from '#ports/tracer.ts';

/** What steps work with. One set serves both runtimes; only the adapters behind it differ. */
export interface StepDeps {
  readonly evaluator: Evaluator;
  readonly deadlines: Deadlines;
  readonly gate: OutboundGate;
  readonly connections: Connections;
  readonly secrets: Secrets;
  readonly http: Http;
  readonly databases: Databases;
  readonly outbox: Outbox;
  readonly children: Children;
  /** Only where the platform's own workflows run: whoever runs tenants' has none. */
  readonly platform?: PlatformOperations;
  /** Absent: nobody is told. */
  readonly tracer?: Tracer;
  /** Where callbacks are answered: scheme, host and port of the API, without a slash at the end. */
  readonly publicUrl: string;
}

/** Who is calling out, and for which attempt of which step. */
export interface Caller {
  readonly tenant: string;
  readonly mode: Mode;
  readonly executionId: string;
  readonly rootId: string;
  readonly key: StepKey;
  readonly stepId: string;
  readonly attempt: number;
  /** The same for every attempt, also over retries of the whole execution. */
  readonly idempotencyKey: string;
  readonly purpose: 'step' | 'compensation';
  /** What goes on under this call; null: nothing. */
  readonly trace: Trace | null;
  /** The attempt's time is up, or nobody wants its result any more. */
  readonly signal: AbortSignal;
  /** The attempt's time alone. */
  readonly deadline: AbortSignal;
}

/** One attempt of a connector: the raw result, or a `StepFailure`. */
export type Connector = (deps: StepDeps, caller: Caller, config: Json) => Promise<Json>;
