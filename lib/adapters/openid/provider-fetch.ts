import type { CustomFetch } from 'openid-client';
import type { Http, HttpFailure } from '#ports/http.ts';

/** What an answer may have: discovery documents and sets of keys are a few KB. */
const MAX_BYTES = 262_144;
/** Of one request; API Gateway waits 29 seconds for the few that a sign-in needs. */
export const REQUEST_SECONDS = 6;

/** The provider did not answer. `reason` says how, in words of ours. */
export class ProviderAway extends Error {
  readonly reason: HttpFailure | 'server_error';

  constructor(reason: HttpFailure | 'server_error') {
    super(`the provider is away: ${reason}`);
    this.reason = reason;
  }
}

/**
 * `fetch` for asking a provider, through the egress guard: where it is, is what a tenant says. Redirects
 * are not followed, nothing travels in clear unless the operator opened the target, and answers have
 * bounds in bytes and time.
 */
export function providerFetch(http: Http, tenant: string): CustomFetch {
  return async (url, { method, headers, body, signal }) => {
    const limit = AbortSignal.timeout(REQUEST_SECONDS * 1_000);
    const given = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    const answer = await http.request({
      tenant,
      method: method === 'POST' ? 'POST' : 'GET',
      url,
      headers: given,
      // All of them: a request with a secret header is what the transport keeps off plain http.
      secretHeaders: Object.keys(given),
      body: textOf(body),
      maxRedirects: 0,
      maxResponseBytes: MAX_BYTES,
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    if (!answer.ok) throw new ProviderAway(answer.reason);
    if (answer.status >= 500) throw new ProviderAway('server_error');
    const empty = [101, 204, 205, 304].includes(answer.status);
    return new Response(empty ? null : Buffer.from(answer.body), {
      status: Math.max(200, answer.status),
      headers: readable(answer.headers),
    });
  };
}

/** What is sent is forms: anything else is a mistake of ours. */
function textOf(body: unknown): string | null {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string' || body instanceof URLSearchParams) return String(body);
  throw new TypeError('a request to a provider has a body that is no form');
}

/** The body is decoded already, and what else a server says of it is not for who reads the answer. */
function readable(headers: Readonly<Record<string, string>>): Record<string, string> {
  const type = headers['content-type'];
  return type === undefined ? {} : { 'content-type': type };
}
