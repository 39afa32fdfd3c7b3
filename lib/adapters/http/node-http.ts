/**
 * HTTP on Node's own client, for whoever calls rarely: a connection for each request, none of them kept. It
 * is half a megabyte less in a bundle than undici.
 */
import { type ClientRequest, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { isSameAddress, parseAddress } from '#core/address.ts';
import { EGRESS_REFUSED } from '#ports/egress.ts';
import type { Http } from '#ports/http.ts';
import {
  codeOf,
  createOutboundHttp,
  EgressRefused,
  endpointOf,
  failed,
  type Hop,
  type HopAnswer,
  HostUnresolved,
  OUTBOUND_DEFAULTS,
  type OutboundOptions,
} from './outbound.ts';

class WentSilent extends Error {}

/** The Http port on `node:http` and `node:https`. `close` ends what is running. */
export function createNodeHttp(options: OutboundOptions): Http {
  const { guard } = options;
  const connectMs = options.connectTimeoutMs ?? OUTBOUND_DEFAULTS.connectTimeoutMs;
  const idleMs = options.idleTimeoutMs ?? OUTBOUND_DEFAULTS.idleTimeoutMs;
  const maxHeaderSize = options.maxHeaderBytes ?? OUTBOUND_DEFAULTS.maxHeaderBytes;
  const running = new Set<ClientRequest | Socket>();
  function tracked<T extends ClientRequest | Socket>(what: T): T {
    running.add(what);
    what.once('close', () => running.delete(what));
    return what;
  }

  /** A socket that is connected to the address that the guard answered. */
  async function connect(url: URL, signal: AbortSignal): Promise<Socket> {
    const { host, port } = endpointOf(url);
    const answer = await guard.vet({ host, port, purpose: 'http' }).catch((cause: unknown) => {
      throw new HostUnresolved('the host could not be resolved', { cause });
    });
    if (answer.kind === 'refused') throw new EgressRefused(EGRESS_REFUSED);
    if (answer.kind === 'unresolved') throw new HostUnresolved('the host has no address');
    signal.throwIfAborted();
    const to = { host: answer.address, port, autoSelectFamily: false };
    const secure = url.protocol === 'https:';
    const socket = tracked(
      secure
        ? // The name stays in SNI, in the certificate's check and in Host; only the address is pinned.
          connectTls({
            ...to,
            servername: parseAddress(host) === null ? host : '',
            ALPNProtocols: ['http/1.1'],
            rejectUnauthorized: true,
            ...(options.ca === undefined ? {} : { ca: options.ca }),
          })
        : connectTcp(to),
    );
    const late = setTimeout(() => {
      socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
    }, connectMs);
    const abort = (): void => void socket.destroy(new Error('the call was ended'));
    signal.addEventListener('abort', abort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once(secure ? 'secureConnect' : 'connect', resolve);
        socket.once('error', reject);
        socket.once('close', () => reject(new Error('the connection was closed')));
      });
    } finally {
      clearTimeout(late);
      signal.removeEventListener('abort', abort);
    }
    if (!isSameAddress(socket.remoteAddress ?? '', answer.address)) {
      socket.destroy();
      throw new EgressRefused(EGRESS_REFUSED);
    }
    return socket;
  }

  async function send({ url, method, headers, body, signal }: Hop): Promise<HopAnswer> {
    const socket = await connect(url, signal);
    const { host, port } = endpointOf(url);
    const make = url.protocol === 'https:' ? requestHttps : requestHttp;
    return new Promise<HopAnswer>((resolve, reject) => {
      const request = tracked(
        make({
          ...{ protocol: url.protocol, host, port, path: `${url.pathname}${url.search}` },
          ...{ method, signal, maxHeaderSize },
          // Said, since Node frames no body of methods that need not have one.
          headers:
            body === null
              ? headers
              : { ...headers, 'content-length': String(Buffer.byteLength(body)) },
          createConnection: () => socket,
        }),
      );
      request.on('error', (error) => {
        socket.destroy();
        reject(error);
      });
      request.once('response', (response) => {
        response.setTimeout(idleMs, () => response.destroy(new WentSilent('silence')));
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headersDistinct,
          body: response,
          discard: () => {
            response.on('error', () => undefined).destroy();
            return Promise.resolve();
          },
        });
      });
      request.end(body ?? undefined);
    });
  }

  return createOutboundHttp(options, {
    send,

    explain(error) {
      const code = codeOf(error);
      if (error instanceof WentSilent) return failed('idle', 'the answer stopped coming');
      if (code === 'HPE_HEADER_OVERFLOW') {
        return failed('too_large', 'the headers of the answer are too large');
      }
      if (code.startsWith('HPE_')) return failed('undecodable', 'the answer is not HTTP');
      if (/^ERR_(?:INVALID|HTTP_INVALID|UNESCAPED)/.test(code)) {
        return failed('invalid', 'the request cannot be sent');
      }
      return null;
    },

    close() {
      for (const each of running) each.destroy();
      return Promise.resolve();
    },
  });
}
