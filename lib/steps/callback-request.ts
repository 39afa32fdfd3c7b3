import { isJsonObject, type Json } from '#core/json.ts';
import type { Caller, StepDeps } from './deps.ts';
import { invalidConfig } from './failure.ts';
import { readHttpConfig } from './http-config.ts';
import { sendHttp } from './http-request.ts';

/**
 * Sends the request that hands a callback's token out; the answer comes later, by itself. The token
 * and its URLs travel in headers always, and as the member `callback` of a body that is an object or
 * absent. Redirects are not followed: the token is for the address that the author named.
 */
export async function handOutToken(
  deps: StepDeps,
  caller: Caller,
  config: Json,
  token: string,
): Promise<void> {
  const request = isJsonObject(config) ? config['request'] : undefined;
  if (request === undefined) throw invalidConfig('config has no request');
  const read = readHttpConfig(request, 'POST');
  const urls = callbackUrls(deps.publicUrl, token);
  const takesBody = read.method !== 'GET' && read.method !== 'HEAD';
  const body = read.body ?? {};
  const withToken =
    takesBody && isJsonObject(body) && !Object.hasOwn(body, 'callback')
      ? { ...body, callback: { token, ...urls } }
      : read.body;
  await sendHttp(
    deps,
    caller,
    {
      ...read,
      body: withToken,
      headers: {
        'x-cloudflow-callback-token': token,
        'x-cloudflow-complete-url': urls.complete_url,
        'x-cloudflow-fail-url': urls.fail_url,
        'x-cloudflow-heartbeat-url': urls.heartbeat_url,
        ...read.headers,
      },
    },
    0,
  );
}

/** Where a callback is answered. */
export function callbackUrls(
  publicUrl: string,
  token: string,
): { complete_url: string; fail_url: string; heartbeat_url: string } {
  const base = `${publicUrl}/api/v1/callbacks/${encodeURIComponent(token)}`;
  return {
    complete_url: `${base}/complete`,
    fail_url: `${base}/fail`,
    heartbeat_url: `${base}/heartbeat`,
  };
}
