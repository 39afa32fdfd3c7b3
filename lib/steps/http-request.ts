import { type HttpAuth, type HttpConnection, keptAs } from '#core/connections.ts';
import type { StepErrorName } from '#core/errors.ts';
import { cleanText } from '#core/foreign-json.ts';
import type { Json } from '#core/json.ts';
import { traceHeaders } from '#core/trace.ts';
import type { HttpAnswer, HttpFailure } from '#ports/http.ts';
import type { Caller, Connector, StepDeps } from './deps.ts';
import { invalidConfig, stepFailure } from './failure.ts';
import {
  absoluteUrl,
  type HttpConfig,
  isHeaderValue,
  readHttpConfig,
  short,
} from './http-config.ts';
import { bodyText, bodyValue } from './read-body.ts';
import { through } from './through-gate.ts';

/** Bytes of a response after decompression: with the other bindings, what the evaluator takes. */
export const MAX_RESPONSE_BYTES = 786_432;
const MAX_REDIRECTS = 3;

/** One attempt of an http_request. Raw result: `{status, headers, body}`. */
export const performHttpRequest: Connector = async (deps, caller, config) =>
  await sendHttp(deps, caller, readHttpConfig(config, 'GET'), MAX_REDIRECTS);

export async function sendHttp(
  deps: StepDeps,
  caller: Caller,
  config: HttpConfig,
  maxRedirects: number,
): Promise<Json> {
  const credentials = await credentialsOf(deps, caller, config);
  const url = absoluteUrl(config, credentials.base);
  const taken = Object.keys(credentials.headers).find((name) =>
    Object.hasOwn(config.headers, name),
  );
  if (taken !== undefined) throw invalidConfig(`header '${taken}' is set by the connection`);
  const body = bodyOf(config.body);
  // A status that the author expects must reach the author: then redirects are not followed.
  const wantsRedirect =
    config.expectStatus?.some((status) => status >= 300 && status < 400) === true;

  const answer = await through(deps.gate, caller, url.host, async () => {
    const value = await deps.http.request({
      tenant: caller.tenant,
      method: config.method,
      url: url.href,
      headers: {
        'user-agent': 'cloudflow/1',
        'idempotency-key': caller.idempotencyKey,
        'x-cloudflow-execution': caller.executionId,
        'x-cloudflow-step': caller.key,
        'x-cloudflow-attempt': String(caller.attempt),
        ...traceHeaders(caller.trace),
        ...(body.type === null ? {} : { 'content-type': body.type }),
        ...config.headers,
        ...credentials.headers,
      },
      secretHeaders: Object.keys(credentials.headers),
      body: body.text,
      maxRedirects: wantsRedirect ? 0 : maxRedirects,
      maxResponseBytes: MAX_RESPONSE_BYTES,
      signal: caller.signal,
    });
    return { value, silent: isSilent(value, caller) };
  });
  return rawResult(config, answer, credentials.secrets);
}

/** No answer: not the same as a bad one, and not the target's doing when we hung up ourselves. */
function isSilent(answer: HttpAnswer, caller: Caller): boolean {
  if (answer.ok) return false;
  if (answer.reason === 'aborted') return caller.deadline.aborted;
  return answer.reason === 'unreachable' || answer.reason === 'idle';
}

interface Credentials {
  readonly base: string | null;
  readonly headers: { readonly [name: string]: string };
  /** Every text under which a secret could come back in an answer. */
  readonly secrets: readonly string[];
}

async function credentialsOf(
  deps: StepDeps,
  caller: Caller,
  config: HttpConfig,
): Promise<Credentials> {
  if (config.connection === null) return { base: null, headers: {}, secrets: [] };
  const { tenant, mode } = caller;
  const found = await deps.connections.find(tenant, mode, config.connection);
  if (found === null)
    throw invalidConfig(`no connection '${short(config.connection)}' is registered`);
  if (found.spec.type !== 'http') {
    throw invalidConfig(`connection '${found.name}' is ${found.spec.type}, not http`);
  }
  const spec: HttpConnection = found.spec;
  if (spec.auth.scheme === 'none') return { base: spec.base_url, headers: {}, secrets: [] };
  const kept = keptAs(found.secrets, spec.auth.secret);
  const secret = await deps.secrets.get({ tenant, mode, name: kept });
  if (secret === null) {
    throw invalidConfig(`connection '${found.name}' names a secret that is not stored`);
  }
  const value = secret.reveal();
  const [name, text] = authHeader(spec.auth, value);
  if (!isHeaderValue(text)) {
    throw invalidConfig(`the secret of connection '${found.name}' cannot be sent in a header`);
  }
  return {
    base: spec.base_url,
    headers: { [name]: text },
    secrets: [value, text, text.slice(text.indexOf(' ') + 1)],
  };
}

function authHeader(auth: Exclude<HttpAuth, { scheme: 'none' }>, secret: string): [string, string] {
  switch (auth.scheme) {
    case 'bearer':
      return ['authorization', `Bearer ${secret}`];
    case 'basic': {
      const bytes = new TextEncoder().encode(`${auth.username}:${secret}`);
      return ['authorization', `Basic ${btoa(String.fromCharCode(...bytes))}`];
    }
    case 'api_key':
      return [auth.header.toLowerCase(), secret];
  }
}

function bodyOf(body: Json | undefined): { text: string | null; type: string | null } {
  if (body === undefined) return { text: null, type: null };
  if (typeof body === 'string') return { text: body, type: 'text/plain; charset=utf-8' };
  return { text: JSON.stringify(body), type: 'application/json' };
}

function rawResult(config: HttpConfig, answer: HttpAnswer, secrets: readonly string[]): Json {
  if (!answer.ok) throw stepFailure(HTTP_FAILURES[answer.reason], answer.message);
  const { status } = answer;
  const expected = config.expectStatus?.includes(status) ?? (status >= 200 && status < 300);
  if (!expected) throw stepFailure(nameOfStatus(status), `${config.method} answered ${status}`);

  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [
      name,
      cleanText(masked(value, secrets)),
    ]),
  );
  if (answer.body.byteLength === 0) return { status, headers, body: null };
  const contentType = answer.headers['content-type'] ?? '';
  const text = masked(bodyText(answer.body, contentType), secrets);
  return { status, headers, body: bodyValue(text, contentType) };
}

/** Servers that echo what they were sent would put a credential into the log of the execution. */
function masked(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) {
    // A secret of a few characters occurs by chance; masking those would only spoil answers.
    if (secret.length < 6) continue;
    clean = clean.replaceAll(secret, '[secret]');
    clean = clean.replaceAll(JSON.stringify(secret).slice(1, -1), '[secret]');
  }
  return clean;
}

/** What an unexpected status means. The catalogue says which of these are worth a retry. */
function nameOfStatus(status: number): StepErrorName {
  if (status === 429) return 'Throttled';
  if (status >= 500) return 'ServerError';
  if (status === 401) return 'AuthenticationFailed';
  if (status === 403) return 'PermissionDenied';
  if (status === 404) return 'NotFound';
  return status >= 400 ? 'ClientError' : 'UnexpectedStatus';
}

const HTTP_FAILURES: { readonly [F in HttpFailure]: StepErrorName } = {
  refused: 'PermissionDenied',
  invalid: 'InvalidConfig',
  unreachable: 'ConnectionError',
  idle: 'Timeout',
  aborted: 'Timeout',
  redirects: 'UnexpectedStatus',
  too_large: 'OutputTooLarge',
  undecodable: 'InvalidResponse',
};
