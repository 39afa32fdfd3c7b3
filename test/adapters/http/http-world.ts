import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import type { OutboundOptions } from '#adapters/http/outbound.ts';
import { readEgressPolicy } from '#config/egress.ts';
import type { Http, HttpAnswer, HttpRequest } from '#ports/http.ts';
import { CLIENTS, type ClientName } from './clients.ts';

/** Real servers on loopback, reached through the operator's allow-list, for tests of the adapter. */
export interface HttpWorld {
  /** Ports: two that speak HTTP, one that speaks HTTPS with a certificate for `one.test` alone. */
  readonly plain: number;
  readonly tls: number;
  /** What every server answers. */
  handler: (request: IncomingMessage, response: ServerResponse) => void;
  readonly seen: { method: string; url: string; headers: IncomingMessage['headers'] }[];
  ask(url: string, change?: Partial<HttpRequest>, http?: Http): Promise<HttpAnswer>;
  /** The same, as text: the body, or `reason: message`. */
  say(url: string, change?: Partial<HttpRequest>, http?: Http): Promise<string>;
  /** Another client, which may reach these ports and no others; closed with the world. */
  httpFor(ports: readonly number[], options?: Partial<OutboundOptions>): Http;
  listen(server: Server): Promise<number>;
  close(): Promise<void>;
}

/** Names that the resolver here knows, all on loopback and allowed pair by pair. */
const NAMES = ['one.test', 'two.test'];

export async function createHttpWorld(client: ClientName): Promise<HttpWorld> {
  const closers: (() => Promise<unknown>)[] = [];
  const seen: HttpWorld['seen'] = [];

  function listen(server: Server): Promise<number> {
    closers.push(
      () =>
        new Promise((done) => {
          server.close(done);
          server.closeAllConnections();
        }),
    );
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, headers });
    world.handler(request, response);
  }

  function httpFor(ports: readonly number[], options: Partial<OutboundOptions> = {}): Http {
    const pairs = ports.flatMap((port) => ['127.0.0.1', ...NAMES].map((host) => `${host}:${port}`));
    const guard = createEgressGuard({
      policy: readEgressPolicy({ EGRESS_ALLOW: pairs.join(',') }),
      resolver: { resolve: (host) => Promise.resolve(NAMES.includes(host) ? ['127.0.0.1'] : []) },
    });
    const made = CLIENTS[client]({ guard, ca: CERTIFICATE, ...options });
    closers.push(() => made.close());
    return made;
  }

  const plain = await listen(createServer(serve));
  const tls = await listen(createTlsServer({ key: KEY, cert: CERTIFICATE }, serve));
  const usual = httpFor([plain, tls]);
  const world: HttpWorld = {
    plain,
    tls,
    handler: (_request, response) => response.end(),
    seen,
    listen,
    httpFor,
    ask: (url, change = {}, http = usual) =>
      http.request({
        tenant: 'acme',
        method: 'GET',
        url,
        headers: {},
        secretHeaders: [],
        body: null,
        maxRedirects: 3,
        maxResponseBytes: 100_000,
        signal: AbortSignal.timeout(10_000),
        ...change,
      }),
    say: async (url, change, http) => textOf(await world.ask(url, change, http)),
    close: async () => {
      for (const close of closers.reverse()) await close();
    },
  };
  return world;
}

export function textOf(answer: HttpAnswer): string {
  return answer.ok ? new TextDecoder().decode(answer.body) : `${answer.reason}: ${answer.message}`;
}

/** For `one.test`, made for these tests and good for nothing else; valid for a hundred years. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBkjCCATigAwIBAgIUPq/3AoAkSBvBYOCANp88S2+4IekwCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIb25lLnRlc3QwIBcNMjYxMTIyMTIyNTAwWhgPMjEyNjEwMjkx
MjI1MDBaMBMxETAPBgNVBAMMCG9uZS50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEog2tJVy94qKURNhu6qnO+kw1KJRCKtHllIUtcu7dWK2VAUPD9nckqsMe
y2XzF5DYsPgVu9UzMKxgHl7O2tfByKNoMGYwHQYDVR0OBBYEFN5h1lPjpUAgnsZU
VXwcds5NcRT4MB8GA1UdIwQYMBaAFN5h1lPjpUAgnsZUVXwcds5NcRT4MA8GA1Ud
EwEB/wQFMAMBAf8wEwYDVR0RBAwwCoIIb25lLnRlc3QwCgYIKoZIzj0EAwIDSAAw
RQIhAJAICF3iSLVvN8hovhnMi2fRJpgqk9dbvhdP22fVeCkFAiAv7ZmcfKGeXCq7
R13OeWgV/oNWQwcjKxXdiNDt2d2KGw==
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghinJbinseEgxyWnD
yG2iEpPIuh/KQjq0pzGP+a2Vi5KhRANCAASiDa0lXL3iopRE2G7qqc76TDUolEIq
0eWUhS1y7t1YrZUBQ8P2dySqwx7LZfMXkNiw+BW71TMwrGAeXs7a18HI
-----END PRIVATE KEY-----
`;
