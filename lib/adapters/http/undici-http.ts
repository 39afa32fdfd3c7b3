/**
 * HTTP on behalf of tenants, on undici. Owns: where a request may go (with the guard), which hops it
 * takes, and how much of an answer is read. The caller owns what the answer means.
 *
 *  H1 every connection is opened by `connect` here: to the address that the guard answered, and to no
 *     other; nothing is sent before the guard said yes. Proxy variables of the environment play no part.
 *  H2 each redirect hop is a new request to judge; it never goes from https to http, and what is secret
 *     stays with the origin it was meant for.
 *  H3 an answer has bounds in headers, in bytes after decompression, in silence and in total time.
 *  H4 tenants share no connection: each has an agent of its own.
 */
import { LRUCache } from 'lru-cache';
import { Agent, buildConnector, type Dispatcher, errors } from 'undici';
import { isSameAddress, parseAddress } from '#core/address.ts';
import { EGRESS_REFUSED, type EgressGuard } from '#ports/egress.ts';
import type { Http, HttpAnswer, HttpFailure, HttpRequest } from '#ports/http.ts';
import { ACCEPTED_ENCODINGS, BodyTooLarge, BodyUndecodable, readBody } from './read-body.ts';

export interface UndiciHttpOptions {
  readonly guard: EgressGuard;
  /** Certificates to trust besides the public authorities; for private ones of the operator. */
  readonly ca?: string;
  readonly connectTimeoutMs?: number;
  /** Silence that ends an answer whose body has begun. */
  readonly idleTimeoutMs?: number;
  readonly maxHeaderBytes?: number;
  readonly maxHeaders?: number;
  /** Open connections of one tenant to one origin. */
  readonly connectionsPerOrigin?: number;
  /** Tenants whose idle connections are kept. */
  readonly tenants?: number;
}

const REDIRECTS = [301, 302, 303, 307, 308];
/** Never follow a redirect to another origin, whoever set them. */
const SECRET_HEADERS = ['authorization', 'cookie', 'proxy-authorization'];

class EgressRefused extends Error {}
class HostUnresolved extends Error {}

/** The Http port on undici. `close` ends what is running. */
export function createUndiciHttp(options: UndiciHttpOptions): Http {
  const { guard } = options;
  const maxHeaders = options.maxHeaders ?? 128;
  const open = buildConnector({
    allowH2: false,
    timeout: options.connectTimeoutMs ?? 10_000,
    autoSelectFamily: false,
    rejectUnauthorized: true,
    maxCachedSessions: 0, // a session of one tenant's connection must not serve another's
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });

  const connect: buildConnector.connector = (target, callback) => {
    const host = target.hostname;
    const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80);
    const fail = (error: Error): void => callback(error, null);
    guard.vet({ host, port, purpose: 'http' }).then(
      (answer) => {
        if (answer.kind === 'refused') return fail(new EgressRefused(EGRESS_REFUSED));
        if (answer.kind === 'unresolved')
          return fail(new HostUnresolved('the host has no address'));
        // The name stays in SNI, in the certificate's check and in Host; only the address is pinned.
        const servername = target.servername ?? (parseAddress(host) === null ? host : '');
        open({ ...target, hostname: answer.address, servername }, (error, socket) => {
          if (error !== null) return fail(error);
          if (!isSameAddress(socket.remoteAddress ?? '', answer.address)) {
            socket.destroy();
            return fail(new EgressRefused(EGRESS_REFUSED));
          }
          callback(null, socket);
        });
      },
      (cause: unknown) => fail(new HostUnresolved('the host could not be resolved', { cause })),
    );
  };

  const closing = new Set<Promise<void>>();
  const agents = new LRUCache<string, Agent>({
    max: options.tenants ?? 200,
    dispose: (agent) => {
      const closed: Promise<void> = agent.close().finally(() => closing.delete(closed));
      closing.add(closed);
    },
  });
  function agentOf(tenant: string): Agent {
    let agent = agents.get(tenant);
    if (agent === undefined) {
      agent = new Agent({
        connect,
        connections: options.connectionsPerOrigin ?? 32,
        pipelining: 1,
        allowH2: false,
        maxOrigins: 256,
        maxHeaderSize: options.maxHeaderBytes ?? 32_768,
        headersTimeout: 0, // the attempt's own time limit is the caller's signal
        bodyTimeout: options.idleTimeoutMs ?? 30_000,
      });
      agents.set(tenant, agent);
    }
    return agent;
  }

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
      const response = await agentOf(request.tenant).request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers: { ...headers, 'accept-encoding': ACCEPTED_ENCODINGS },
        body,
        signal: request.signal,
      });

      const location = firstOf(response.headers['location']);
      const redirected = REDIRECTS.includes(response.statusCode) && location !== undefined;
      if (!redirected || request.maxRedirects === 0) return await read(response, request);
      await discard(response);
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
        (response.statusCode === 303 && method !== 'HEAD') ||
        (response.statusCode < 303 && method === 'POST')
      ) {
        method = 'GET';
        body = null;
        const { 'content-type': _dropped, ...others } = headers;
        headers = others;
      }
      url = next;
    }
  }

  async function read(
    response: Dispatcher.ResponseData,
    request: HttpRequest,
  ): Promise<HttpAnswer> {
    const headers: Record<string, string> = {};
    const names = Object.keys(response.headers);
    if (names.length > maxHeaders) {
      await discard(response);
      return failed('too_large', `the answer has more than ${maxHeaders} headers`);
    }
    for (const name of names) {
      const value = response.headers[name];
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    // HEAD, 204 and 304 may name an encoding and have no body to undo.
    const empty = request.method === 'HEAD' || [204, 304].includes(response.statusCode);
    const body = await readBody(
      response.body,
      empty ? undefined : headers['content-encoding'],
      request.maxResponseBytes,
    );
    return { ok: true, status: response.statusCode, headers, body };
  }

  return {
    async request(request) {
      if (request.signal.aborted) return failed('aborted', 'the call was ended');
      try {
        return await send(request);
      } catch (error) {
        return request.signal.aborted ? failed('aborted', 'the call was ended') : explain(error);
      }
    },
    async close() {
      const all = [...agents.values()];
      await Promise.all(all.map((agent) => agent.destroy()));
      agents.clear();
      await Promise.allSettled(closing);
    },
  };
}

function failed(reason: HttpFailure, message: string): HttpAnswer {
  return { ok: false, reason, message };
}

/** What is wrong with a URL before its host is even looked at. */
function faultOf(url: URL): string | null {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'the URL is not http or https';
  if (url.username !== '' || url.password !== '') return 'the URL holds a user name or password';
  return null;
}

function endpointOf(url: URL): { host: string; port: number } {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) };
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** Lets go of a body: a small rest is read so that the connection can be used again. */
async function discard(response: Dispatcher.ResponseData): Promise<void> {
  await response.body.dump({ limit: 16_384 });
}

/** Why a request failed, in words that hold no address: those are for the operator's log only. */
function explain(error: unknown): HttpAnswer {
  if (error instanceof EgressRefused) return failed('refused', EGRESS_REFUSED);
  if (error instanceof HostUnresolved) return failed('unreachable', error.message);
  if (error instanceof BodyTooLarge) return failed('too_large', error.message);
  if (error instanceof BodyUndecodable) return failed('undecodable', error.message);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'UND_ERR_BODY_TIMEOUT') return failed('idle', 'the answer stopped coming');
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return failed('too_large', 'the headers of the answer are too large');
  }
  if (error instanceof errors.HTTPParserError || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
    return failed('undecodable', 'the answer is not HTTP');
  }
  if (code === 'UND_ERR_INVALID_ARG') return failed('invalid', 'the request cannot be sent');
  return failed(
    'unreachable',
    `no answer: ${/^[A-Z][A-Z0-9_]{2,40}$/.test(code) ? code : 'the connection failed'}`,
  );
}
