/** How often a caller and its tenant may ask, and how they are told. */
import { METRICS } from '#config/metrics.ts';
import { CloudFlowError } from '#core/errors.ts';
import {
  MOST_REQUESTS_PER_MINUTE,
  RATE_WINDOW_SECONDS,
  REQUESTS_PER_MINUTE,
  TENANT_REQUESTS_PER_MINUTE,
} from '#core/rate-limits.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { ByWindow, RateAnswer, RateLimiter } from '#ports/rate-limiter.ts';
import type { Principal } from '#services/identity/principal.ts';

/** Requests a minute where neither key nor tenant says anything. */
export const DEFAULT_RATES: ByWindow<number> = {
  caller: REQUESTS_PER_MINUTE,
  tenant: TENANT_REQUESTS_PER_MINUTE,
};

export interface AdmissionDeps {
  readonly rateLimiter: RateLimiter;
  /** Requests a minute where neither key nor tenant says anything. */
  readonly rates: ByWindow<number>;
  readonly metrics: Metrics;
}

/** How often somebody may ask, and how often they have. */
export interface Rate {
  readonly limits: ByWindow<number>;
  readonly answer: RateAnswer;
}

export async function takeRate(
  { rateLimiter, rates }: AdmissionDeps,
  { tenant, subject, admission }: Principal,
): Promise<Rate> {
  const of = (which: keyof ByWindow<number>): number => {
    const own = admission.perMinute[which];
    return own === null ? rates[which] : Math.min(own, MOST_REQUESTS_PER_MINUTE);
  };
  const limits = { caller: of('caller'), tenant: of('tenant') };
  return { limits, answer: await rateLimiter.take({ tenant, caller: subject, limits }) };
}

const WHOSE: ByWindow<string> = { caller: 'this caller', tenant: 'all callers of the tenant' };

/** Throws RATE_LIMITED where there was no room. */
export function requireRoom({ metrics }: AdmissionDeps, { limits, answer }: Rate): void {
  if (answer.allowed) return;
  const full = WINDOWS.filter((which) => answer.windows[which].remaining === 0);
  const [first = 'caller'] = full;
  metrics.add(METRICS.RateLimited, { Reason: first });
  const waits = full.map((which) => answer.windows[which].freeInSeconds);
  throw new CloudFlowError(
    'RATE_LIMITED',
    `${WHOSE[first]} may make ${limits[first]} requests in ${RATE_WINDOW_SECONDS} seconds, and has`,
    { details: { policy: first, retry_after_seconds: Math.max(1, ...waits) } },
  );
}

const WINDOWS = ['caller', 'tenant'] as const;

/**
 * The fields of draft-ietf-httpapi-ratelimit-headers: what may be asked of each policy in its window, how
 * much of that is left, and in how many seconds the first of it is given back.
 */
export function rateHeaders({ limits, answer }: Rate): Record<string, string> {
  return {
    'ratelimit-policy': WINDOWS.map(
      (which) => `"${which}";q=${limits[which]};w=${RATE_WINDOW_SECONDS}`,
    ).join(', '),
    ratelimit: WINDOWS.map((which) => {
      const { remaining, freeInSeconds } = answer.windows[which];
      return `"${which}";r=${remaining};t=${freeInSeconds}`;
    }).join(', '),
  };
}
