import type { CallbackTokens } from '#ports/callback-tokens.ts';
import type { Children } from '#ports/children.ts';
import type { Clock } from '#ports/clock.ts';
import type { Evaluator } from '#ports/evaluator.ts';
import type { ExecutionOwnership } from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { Programs } from '#ports/programs.ts';
import type { CallResult, StepCall } from '#steps/perform-call.ts';
import type { CompensationCall } from '#steps/perform-compensation.ts';
import type { SlotLimits } from './slots.ts';

/**
 * What does the work of steps. Rejecting means that a part of ours was away: the engine repeats the
 * same attempt. What the outside does wrong is an answer.
 */
export interface StepPerformer {
  call(call: StepCall): Promise<CallResult>;
  compensate(call: CompensationCall): Promise<CompensationResult>;
}

export type CompensationResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string } };

export interface EngineDeps {
  readonly store: ExecutionOwnership;
  readonly programs: Programs;
  readonly performer: StepPerformer;
  readonly evaluator: Evaluator;
  readonly children: Pick<Children, 'start'>;
  readonly tokens: CallbackTokens;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  /** Default: nobody listens. */
  readonly metrics?: Metrics;
}

/** For how long an execution that could not be decided, written or loaded is left alone. */
export const LAY_ASIDE_MS = 60_000;

export interface EngineLimits {
  /** Executions in memory. More are left to others, or until there is room. */
  readonly maxActive: number;
  /** Executions taken by one look. */
  readonly claimBatch: number;
  readonly pollMs: number;
  readonly leaseMs: number;
  /** Well below a third of the lease. */
  readonly heartbeatMs: number;
  /** Between looks for what belongs to a name that no process has: each reads all that is active. */
  readonly ownerlessMs: number;
  /** An execution that has nothing to do for this long is given up to the database... */
  readonly parkAfterMs: number;
  /** ... unless a timer is due sooner than this (business time). */
  readonly parkBeyondMs: number;
  /** How long `stop` waits for calls that are under way. */
  readonly drainMs: number;
  /** Calls at a time, by step type. */
  readonly slots: (kind: string) => SlotLimits;
}

export const DEFAULT_LIMITS: EngineLimits = {
  maxActive: 20_000,
  claimBatch: 200,
  pollMs: 250,
  leaseMs: 5_000,
  heartbeatMs: 1_500,
  ownerlessMs: 45_000,
  parkAfterMs: 200,
  parkBeyondMs: 5_000,
  drainMs: 10_000,
  slots: (kind) =>
    kind === 'http_request' ? { perKind: 1_000, perTenant: 500 } : { perKind: 200, perTenant: 100 },
};
