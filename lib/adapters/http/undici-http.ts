/** HTTP on undici, for whoever calls often: each tenant has an agent of its own, which keeps connections. */
import { LRUCache } from 'lru-cache';
import { Agent, buildConnector, errors } from 'undici';
import { isSameAddress, parseAddress } from '#core/address.ts';
import { EGRESS_REFUSED } from '#ports/egress.ts';
import type { Http } from '#ports/http.ts';
import {
  codeOf,
  createOutboundHttp,
  EgressRefused,
  failed,
  HostUnresolved,
  OUTBOUND_DEFAULTS,
  type OutboundOptions,
} from './outbound.ts';

export interface UndiciHttpOptions extends OutboundOptions {
  /** Open connections of one tenant to one origin. */
  readonly connectionsPerOrigin?: number;
  /** Tenants whose idle connections are kept. */
  readonly tenants?: number;
}

/** The Http port on undici. `close` ends what is running. */
export function createUndiciHttp(options: UndiciHttpOptions): Http {
  const { guard } = options;
  const open = buildConnector({
    allowH2: false,
    timeout: options.connectTimeoutMs ?? OUTBOUND_DEFAULTS.connectTimeoutMs,
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
        maxHeaderSize: options.maxHeaderBytes ?? OUTBOUND_DEFAULTS.maxHeaderBytes,
        headersTimeout: 0, // the attempt's own time limit is the caller's signal
        bodyTimeout: options.idleTimeoutMs ?? OUTBOUND_DEFAULTS.idleTimeoutMs,
      });
      agents.set(tenant, agent);
    }
    return agent;
  }

  return createOutboundHttp(options, {
    async send({ tenant, url, method, headers, body, signal }) {
      const response = await agentOf(tenant).request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers,
        body,
        signal,
      });
      return {
        status: response.statusCode,
        headers: response.headers,
        body: response.body,
        // A small rest is read so that the connection can be used again.
        discard: () => response.body.dump({ limit: 16_384 }),
      };
    },

    explain(error) {
      const code = codeOf(error);
      if (code === 'UND_ERR_BODY_TIMEOUT') return failed('idle', 'the answer stopped coming');
      if (code === 'UND_ERR_HEADERS_OVERFLOW') {
        return failed('too_large', 'the headers of the answer are too large');
      }
      if (
        error instanceof errors.HTTPParserError ||
        code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
      ) {
        return failed('undecodable', 'the answer is not HTTP');
      }
      if (code === 'UND_ERR_INVALID_ARG') return failed('invalid', 'the request cannot be sent');
      return null;
    },

    async close() {
      const all = [...agents.values()];
      await Promise.all(all.map((agent) => agent.destroy()));
      agents.clear();
      await Promise.allSettled(closing);
    },
  });
}
