/** How often a caller and its tenant may ask, and how they are told. */
import { createHash } from 'node:crypto';
import { METRICS } from '#config/metrics.ts';
import { networkOf } from '#core/address.ts';
import { CloudFlowError } from '#core/errors.ts';
import {
  MOST_REQUESTS_PER_MINUTE,
  RATE_WINDOW_SECONDS,
  REQUESTS_PER_MINUTE,
  SOURCE_CALLBACKS_PER_MINUTE,
  TENANT_REQUESTS_PER_MINUTE,
} from '#core/rate-limits.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { ByWindow, RateLimiter, WindowState } from '#ports/rate-limiter.ts';
import type { Principal } from '#services/identity/principal.ts';

/** Requests a minute where neither key nor tenant says anything; `source`: of callbacks from one network. */
export interface Rates extends ByWindow<number> {
  readonly source: number;
}

export const DEFAULT_RATES: Rates = {
  caller: REQUESTS_PER_MINUTE,
  tenant: TENANT_REQUESTS_PER_MINUTE,
  source: SOURCE_CALLBACKS_PER_MINUTE,
};

export interface AdmissionDeps {
  readonly rateLimiter: RateLimiter;
  readonly rates: Rates;
  readonly metrics: Metrics;
}

/** What a limit counts together, and what a refusal calls it. */
const POLICIES = {
  caller: 'this caller',
  tenant: 'all callers of the tenant',
  token: 'who holds this token',
  source: 'callers from this network',
} as const;
type Policy = keyof typeof POLICIES;

interface Counted extends WindowState {
  readonly policy: Policy;
  readonly limit: number;
}

/** How often somebody may ask, and how often they have. */
export interface Rate {
  readonly allowed: boolean;
  readonly windows: readonly Counted[];
}

/** Of a caller who is known by a credential. */
export function takeRate(deps: AdmissionDeps, principal: Principal): Promise<Rate> {
  return takeBoth(deps, principal, principal.subject, 'caller');
}

/** Of who holds a token in the path; counted in the tenant's window as every caller is. */
export function takeTokenRate(
  deps: AdmissionDeps,
  principal: Principal,
  token: string,
): Promise<Rate> {
  // The token itself is stored nowhere.
  const digest = createHash('sha256').update(token).digest('base64url');
  return takeBoth(deps, principal, `${principal.subject}:${digest}`, 'token');
}

/** Of who has not shown yet that a token is one: before it is looked up, and by where it comes from. */
export async function takeSourceRate(
  { rateLimiter, rates }: AdmissionDeps,
  source: string | null,
): Promise<Rate> {
  const limit = rates.source;
  // In the place of a tenant: no id of one has a blank.
  const { allowed, windows } = await rateLimiter.take({
    ...{ tenant: `source ${networkOf(source)}`, caller: 'callbacks' },
    limits: { caller: limit, tenant: limit },
  });
  return { allowed, windows: [{ policy: 'source', limit, ...windows.caller }] };
}

async function takeBoth(
  { rateLimiter, rates }: AdmissionDeps,
  { tenant, mode, admission }: Principal,
  caller: string,
  policy: 'caller' | 'token',
): Promise<Rate> {
  const of = (which: keyof ByWindow<number>): number => {
    const own = admission.perMinute[which];
    return own === null ? rates[which] : Math.min(own, MOST_REQUESTS_PER_MINUTE);
  };
  const limits = { caller: of('caller'), tenant: of('tenant') };
  // What is tried in mode test takes no room from what is live. No id of a tenant has a blank.
  const counted = mode === 'live' ? tenant : `${tenant} ${mode}`;
  const { allowed, windows } = await rateLimiter.take({ tenant: counted, caller, limits });
  return {
    allowed,
    windows: [
      { policy, limit: limits.caller, ...windows.caller },
      { policy: 'tenant', limit: limits.tenant, ...windows.tenant },
    ],
  };
}

/** Throws RATE_LIMITED where there was no room. */
export function requireRoom({ metrics }: AdmissionDeps, { allowed, windows }: Rate): void {
  if (allowed) return;
  const full = windows.filter(({ remaining }) => remaining === 0);
  const { policy, limit } = (full[0] ?? windows[0]) as Counted;
  metrics.add(METRICS.RateLimited, { Reason: policy });
  throw new CloudFlowError(
    'RATE_LIMITED',
    `${POLICIES[policy]} may make ${limit} requests in ${RATE_WINDOW_SECONDS} seconds, and has`,
    {
      details: {
        policy,
        retry_after_seconds: Math.max(1, ...full.map(({ freeInSeconds }) => freeInSeconds)),
      },
    },
  );
}

/**
 * The fields of draft-ietf-httpapi-ratelimit-headers: what may be asked of each policy in its window, how
 * much of that is left, and in how many seconds the first of it is given back.
 */
export function rateHeaders({ windows }: Rate): Record<string, string> {
  const listed = (of: (window: Counted) => string) => windows.map(of).join(', ');
  return {
    'ratelimit-policy': listed(
      ({ policy, limit }) => `"${policy}";q=${limit};w=${RATE_WINDOW_SECONDS}`,
    ),
    ratelimit: listed(
      ({ policy, remaining, freeInSeconds }) => `"${policy}";r=${remaining};t=${freeInSeconds}`,
    ),
  };
}
