/**
 * Which web pages may call.
 *
 *  O1 A preflight has no credential, so it knows no tenant. It is answered alike whoever asks and whatever
 *     tenants there are: a page may send. That alone does nothing, for nothing is sent along by itself: what
 *     proves who calls is in a header that a page must know.
 *  O2 With a credential, the tenant is known, and the page must be one of its `allowed_origins` or of the
 *     platform's own. Else the call is refused before anything is done, and the page may not read that.
 *  O3 What is answered to nobody in particular (public routes, refusals of strangers) holds no tenant's data
 *     and may be read by any page, as anybody may read it without one.
 *  O4 Origins are compared as texts, whole. `null` and lists of them are none.
 */
import { CloudFlowError } from '#core/errors.ts';
import { ORIGIN_FORM } from '#core/web-origin.ts';
import type { ApiRequest } from './api.ts';

const READABLE =
  'ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, X-Correlation-Id';
const SENDABLE =
  'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Correlation-Id';

/** Headers of an answer. `origins`: those of whoever calls; null: nobody is known to. */
export function originHeaders(
  request: ApiRequest,
  origins: readonly string[] | null,
): Record<string, string> {
  const readable = { 'access-control-expose-headers': READABLE };
  if (origins === null) return { 'access-control-allow-origin': '*', ...readable };
  const { origin } = request.headers;
  return origin !== undefined && origins.includes(origin)
    ? { vary: 'Origin', 'access-control-allow-origin': origin, ...readable }
    : { vary: 'Origin' };
}

/** Throws PERMISSION_DENIED for pages that may not call with this credential. */
export function requireOrigin(request: ApiRequest, origins: readonly string[]): void {
  const { origin } = request.headers;
  if (origin === undefined || origins.includes(origin)) return;
  throw new CloudFlowError(
    'PERMISSION_DENIED',
    `the origin of this page is not among allowed_origins of the tenant (${ORIGIN_FORM})`,
  );
}

/** Headers of a preflight, besides those of any answer. */
export function preflightHeaders(methods: readonly string[]): Record<string, string> {
  return {
    'access-control-allow-methods': methods.join(', '),
    'access-control-allow-headers': SENDABLE,
    'access-control-max-age': '600',
  };
}
