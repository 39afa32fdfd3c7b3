/**
 * HTTP on behalf of tenants, over a transport. Owns: which hops a request takes, and how much of an answer is
 * read. The transport owns connections (undici-http.ts, node-http.ts), the caller what the answer means.
 *
 *  H1 a transport opens every connection to the address that the guard answered, and to no other; nothing is
 *     sent before the guard said yes. Proxy variables of the environment play no part.
 *  H2 each redirect hop is a new request to judge; it never goes from https to http, and what is secret
 *     stays with the origin it was meant for.
 *  H3 an answer has bounds in headers, in bytes after decompression, in silence and in total time.
 *  H4 tenants share no connection.
 */
import type { Readable } from 'node:stream';
import { EGRESS_REFUSED, type EgressGuard } from '#ports/egress.ts';
import type { Http, HttpAnswer, HttpFailure, HttpRequest } from '#ports/http.ts';
import { ACCEPTED_ENCODINGS, BodyTooLarge, BodyUndecodable, readBody } from './read-body.ts';

export interface OutboundOptions {
  readonly guard: EgressGuard;
  /** Certificates to trust besides the public authorities; for private ones of the operator. */
  readonly ca?: string;
  readonly connectTimeoutMs?: number;
  /** Silence that ends an answer whose body has begun. */
  readonly idleTimeoutMs?: number;
  readonly maxHeaderBytes?: number;
  readonly maxHeaders?: number;
}

/** Of those that a caller does not set. Milliseconds and bytes. */
export const OUTBOUND_DEFAULTS = {
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 30_000,
  maxHeaderBytes: 32_768,
} as const;

/** One hop. */
export interface Hop {
  readonly tenant: string;
  readonly url: URL;
  readonly method: HttpRequest['method'];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly signal: AbortSignal;
}

export interface HopAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
  /** Lets go of the body. */
  discard(): Promise<void>;
}

/** What sends one hop. A failure is thrown: `EgressRefused`, `HostUnresolved`, or one that it explains itself. */
export interface Transport {
  send(hop: Hop): Promise<HopAnswer>;
  /** Why it failed, where its own errors say more than that there was no answer. */
  explain(error: unknown): HttpAnswer | null;
  /** Ends what is running. */
  close(): Promise<void>;
}

const REDIRECTS = [301, 302, 303, 307, 308];
/** Never follow a redirect to another origin, whoever set them. */
const SECRET_HEADERS = ['authorization', 'cookie', 'proxy-authorization'];

export class EgressRefused extends Error {}
export class HostUnresolved extends Error {}

/** The Http port over a transport. `close` ends what is running. */
export function createOutboundHttp(
  { guard, maxHeaders = 128 }: Pick<OutboundOptions, 'guard' | 'maxHeaders'>,
  transport: Transport,
): Http {
  async function send(request: HttpRequest): Promise<HttpAnswer> {
    let url = URL.parse(request.url);
    let { method, body } = request;
    let headers: Record<string, string> = { ...request.headers };
    const secret = new Set([...SECRET_HEADERS, ...request.secretHeaders]);
    if (url === null) return failed('invalid', 'the URL cannot be read');

    for (let hop = 0; ; hop++) {
      const fault = faultOf(url);
      if (fault !== null) return failed(hop === 0 ? 'invalid' : 'redirects', fault);
      if (url.protocol === 'http:' && request.secretHeaders.some((name) => name in headers)) {
        const answer = await guard.vet({ ...endpointOf(url), purpose: 'http' });
        if (answer.kind === 'refused') return failed('refused', EGRESS_REFUSED);
        if (answer.kind === 'open' && !answer.operatorAllowed) {
          return failed('invalid', "a connection's secret travels over https only");
        }
      }
      const response = await transport.send({
        tenant: request.tenant,
        url,
        method,
        headers: { ...headers, 'accept-encoding': ACCEPTED_ENCODINGS },
        body,
        signal: request.signal,
      });

      const location = firstOf(response.headers['location']);
      const redirected = REDIRECTS.includes(response.status) && location !== undefined;
      if (!redirected || request.maxRedirects === 0) return await read(response, request);
      await response.discard();
      if (hop >= request.maxRedirects) {
        return failed('redirects', `more than ${request.maxRedirects} redirects`);
      }
      const next = URL.parse(location, url.href);
      if (next === null) return failed('redirects', 'the location of a redirect cannot be read');
      if (url.protocol === 'https:' && next.protocol === 'http:') {
        return failed('redirects', 'a redirect from https to http is not followed');
      }
      if (next.origin !== url.origin) {
        headers = Object.fromEntries(Object.entries(headers).filter(([name]) => !secret.has(name)));
      }
      if (
        (response.status === 303 && method !== 'HEAD') ||
        (response.status < 303 && method === 'POST')
      ) {
        method = 'GET';
        body = null;
        const { 'content-type': _dropped, ...others } = headers;
        headers = others;
      }
      url = next;
    }
  }

  async function read(response: HopAnswer, request: HttpRequest): Promise<HttpAnswer> {
    const headers: Record<string, string> = {};
    const names = Object.keys(response.headers);
    if (names.length > maxHeaders) {
      await response.discard();
      return failed('too_large', `the answer has more than ${maxHeaders} headers`);
    }
    for (const name of names) {
      const value = response.headers[name];
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    // HEAD, 204 and 304 may name an encoding and have no body to undo.
    const empty = request.method === 'HEAD' || [204, 304].includes(response.status);
    const body = await readBody(
      response.body,
      empty ? undefined : headers['content-encoding'],
      request.maxResponseBytes,
    );
    return { ok: true, status: response.status, headers, body };
  }

  return {
    async request(request) {
      if (request.signal.aborted) return failed('aborted', 'the call was ended');
      try {
        return await send(request);
      } catch (error) {
        if (request.signal.aborted) return failed('aborted', 'the call was ended');
        return explain(transport, error);
      }
    },
    close: () => transport.close(),
  };
}

export function failed(reason: HttpFailure, message: string): HttpAnswer {
  return { ok: false, reason, message };
}

/** What is wrong with a URL before its host is even looked at. */
function faultOf(url: URL): string | null {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'the URL is not http or https';
  if (url.username !== '' || url.password !== '') return 'the URL holds a user name or password';
  return null;
}

export function endpointOf(url: URL): { readonly host: string; readonly port: number } {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) };
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** Why a request failed, in words that hold no address: those are for the operator's log only. */
function explain(transport: Transport, error: unknown): HttpAnswer {
  if (error instanceof EgressRefused) return failed('refused', EGRESS_REFUSED);
  if (error instanceof HostUnresolved) return failed('unreachable', error.message);
  if (error instanceof BodyTooLarge) return failed('too_large', error.message);
  if (error instanceof BodyUndecodable) return failed('undecodable', error.message);
  const own = transport.explain(error);
  if (own !== null) return own;
  const code = codeOf(error);
  return failed(
    'unreachable',
    `no answer: ${/^[A-Z][A-Z0-9_]{2,40}$/.test(code) ? code : 'the connection failed'}`,
  );
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
