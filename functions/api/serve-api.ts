import type { OperationId, Routes } from '#contract/routes.ts';
import type { AuditTrail } from '#ports/audit-trail.ts';
import type { IdempotencyStore } from '#ports/idempotency-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import { type Metrics, NO_METRICS } from '#ports/metrics.ts';
import type { RateLimiter } from '#ports/rate-limiter.ts';
import { NO_TRACER, type Tracer } from '#ports/tracer.ts';
import { createAuditor } from '#services/audit/auditor.ts';
import { type AuthenticateDeps, createAuthenticate } from '#services/identity/authenticate.ts';
import type { Principal } from '#services/identity/principal.ts';
import { DEFAULT_RATES, type Rates } from '../shared/admission.ts';
import type { ApiHandler, Handlers } from '../shared/api.ts';
import { createKeepAnswers } from '../shared/idempotency.ts';
import { createLaggingReads } from '../shared/lagging-reads.ts';
import { createPipeline } from '../shared/pipeline.ts';

/** What every part of the API needs around its handlers. */
export interface ServeDeps extends AuthenticateDeps {
  readonly idempotency: IdempotencyStore;
  readonly auditTrail: Pick<AuditTrail, 'tell'>;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly ids: Ids;
  readonly log: Log;
  /** Default: nobody listens. */
  readonly metrics?: Metrics;
  /** Default: nobody is told. */
  readonly tracer?: Tracer;
  readonly rateLimiter: RateLimiter;
  /** Requests a minute where neither key nor tenant says anything. Default: as the platform says. */
  readonly rates?: Partial<Rates>;
  /** Origins of web clients that may call for every tenant. Default none. */
  readonly allowedOrigins?: readonly string[];
  /** Check every answer against the contract: for tests. */
  readonly checkResponses?: boolean;
}

/** Idempotent in the transaction that accepts the execution, not around it. */
const KEEPS_OWN_KEY: ReadonlySet<OperationId> = new Set(['executeWorkflow', 'retryExecution']);

/**
 * A part of the contract as one function from request to response. Handlers for more or for fewer
 * operations than it has do not compile; a part is given its own routes and handlers and no others, so
 * that a bundle holds what it serves. `authenticateToken` is for parts with routes of tokens, `lagging`
 * for those with routes whose answers may lag: the same handlers over readers of the database.
 */
export function serveApi<Ids extends OperationId>(
  deps: ServeDeps,
  part: Pick<Routes, Ids>,
  handlers: Handlers<Ids>,
  more: {
    readonly authenticateToken?: (token: string) => Promise<Principal>;
    readonly lagging?: Partial<Handlers> | null;
  } = {},
): ApiHandler {
  const { authenticateToken = noTokens, lagging = null } = more;
  const metrics = deps.metrics ?? NO_METRICS;
  return createPipeline({
    part,
    handlers: handlers as Partial<Handlers>,
    lagging:
      lagging === null
        ? null
        : { handlers: lagging, reads: createLaggingReads({ ...deps, metrics }) },
    authenticate: createAuthenticate(deps),
    authenticateToken,
    keepAnswers: createKeepAnswers({ store: deps.idempotency, clock: deps.clock }),
    keepsOwnKey: KEEPS_OWN_KEY,
    auditor: createAuditor({
      ...deps,
      trail: deps.auditTrail,
      metrics,
    }),
    rateLimiter: deps.rateLimiter,
    rates: { ...DEFAULT_RATES, ...deps.rates },
    clock: deps.clock,
    ids: deps.ids,
    log: deps.log,
    metrics,
    tracer: deps.tracer ?? NO_TRACER,
    allowedOrigins: deps.allowedOrigins ?? [],
    checkResponses: deps.checkResponses ?? false,
  });
}

function noTokens(): Promise<never> {
  return Promise.reject(new TypeError('this part of the API has no routes of tokens'));
}
