import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { promisify } from 'node:util';
import { API_LIMITS } from '#config/api-limits.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import { problemDetails } from '#contract/problem.ts';
import { type ApiErrorCode, CloudFlowError } from '#core/errors.ts';
import type { ApiHandler, ApiRequest, ApiResponse } from '#functions/shared/api.ts';
import type { Log } from '#ports/log.ts';

/**
 * The API on a port of this machine: turns node's requests into ours and back.
 *
 *  H1 what is sent slowly, or is larger than it may be, costs a connection and no more;
 *  H2 a body is read when the handler asks for it, so an unknown caller cannot make us hold one;
 *  H3 a connection with an unread rest of a body is closed after the answer, never reused;
 *  H4 a client that neither sends nor reads is cut off; one that waits for its answer is not.
 */
export interface HttpServer {
  readonly port: number;
  readonly url: string;
  /** How many there are now. */
  connections(): Promise<number>;
  /** Takes no more requests, lets those under way end for `graceMs`, then cuts them off. */
  close(graceMs?: number): Promise<void>;
}

export interface HttpServerOptions {
  readonly handler: ApiHandler;
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly log: Log;
  readonly limits?: Partial<HttpServerLimits>;
}

export interface HttpServerLimits {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Without a byte in either direction. */
  readonly idleTimeoutMs: number;
  /** How often the two above are looked at. */
  readonly checkEveryMs: number;
}

/** Rejects as `listen` does when the port cannot be had: to be known before anything else is made. */
export async function checkPort(port: number, host = '127.0.0.1'): Promise<void> {
  const probe = createServer();
  await listen(probe, port, host);
  await promisify(probe.close.bind(probe))();
}

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const limits = {
    ...API_LIMITS,
    idleTimeoutMs: TIME_LIMITS.edge,
    checkEveryMs: 1_000,
    ...options.limits,
  };
  const host = options.host ?? '127.0.0.1';
  /** Connections whose client waits for us. */
  const answering = new WeakSet<Socket>();
  const server = createServer(
    {
      maxHeaderSize: API_LIMITS.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: API_LIMITS.keepAliveTimeoutMs,
      connectionsCheckingInterval: limits.checkEveryMs,
      noDelay: true,
    },
    (request, response) => {
      serve(options, answering, request, response).catch((error: unknown) => {
        // The handler answers its own errors: what arrives here is about this one connection.
        options.log.warn('RESPONSE_NOT_WRITTEN', { error });
        response.destroy();
      });
    },
  );
  server.setTimeout(limits.idleTimeoutMs, (socket) => {
    if (!answering.has(socket)) socket.destroy();
  });
  server.maxConnections = API_LIMITS.maxConnections;
  server.on('clientError', refuseConnection);
  await listen(server, options.port, host);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    connections: () => promisify(server.getConnections.bind(server))(),
    close: (graceMs = 5_000) => close(server, graceMs),
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close((error) => {
      clearTimeout(cut);
      if (error === undefined) resolve();
      else reject(error);
    });
    server.closeIdleConnections();
  });
}

async function serve(
  options: HttpServerOptions,
  answering: WeakSet<Socket>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  answering.add(request.socket);
  const answer = await options
    .handler(toApiRequest(request))
    .finally(() => answering.delete(request.socket));
  if (response.destroyed) return; // cut off for being slow, or gone by itself
  write(request, response, answer);
}

function toApiRequest(request: IncomingMessage): ApiRequest {
  const url = request.url ?? '';
  const at = url.indexOf('?');
  return {
    method: request.method ?? 'GET',
    path: at === -1 ? url : url.slice(0, at),
    query: at === -1 ? '' : url.slice(at + 1),
    // Only Set-Cookie is ever a list, and no request has one that we read.
    headers: request.headers as ApiRequest['headers'],
    source: request.socket.remoteAddress ?? null,
    readBody: (maxBytes) => readBody(request, maxBytes),
  };
}

function write(request: IncomingMessage, response: ServerResponse, answer: ApiResponse): void {
  const headers: Record<string, string | number> = { ...answer.headers };
  if (answer.status !== 204 && answer.status !== 304) {
    headers['content-length'] = answer.body === null ? 0 : Buffer.byteLength(answer.body);
  }
  if (!request.complete) headers['connection'] = 'close';
  response.writeHead(answer.status, headers);
  if (answer.body === null || request.method === 'HEAD') response.end();
  else response.end(answer.body);
}

const EMPTY = new Uint8Array(0);

function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const { headers } = request;
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) {
    return Promise.resolve(EMPTY);
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.pause();
        request.removeAllListeners('data');
        reject(
          new CloudFlowError('PAYLOAD_TOO_LARGE', `the body is larger than ${maxBytes} bytes`),
        );
      } else chunks.push(chunk);
    });
    request.once('end', () =>
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)),
    );
    request.once('error', (cause) =>
      reject(new CloudFlowError('REQUEST_TIMEOUT', 'the body did not arrive', { cause })),
    );
    request.once('close', () => {
      if (!request.complete) {
        reject(new CloudFlowError('REQUEST_TIMEOUT', 'the body did not arrive'));
      }
    });
  });
}

/** Time to read a refusal in, before the connection is cut. */
const LINGER_MS = 1_000;

/** Node's parser gave up, or time ran out: there is no request to answer, only a socket. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, message] = refusalOf(error.code);
  const known = new CloudFlowError(code, message);
  const body = JSON.stringify(problemDetails(known, 'none'));
  const { status } = problemDetails(known, 'none');
  socket.end(
    [
      `HTTP/1.1 ${status} ${code}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  // Who does not hang up would hold the socket for ever: the request that had limits is over (H1).
  const cut = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(cut));
}

function refusalOf(code: string | undefined): [ApiErrorCode, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        'HEADERS_TOO_LARGE',
        `the headers are larger than ${API_LIMITS.maxHeaderBytes} bytes`,
      ];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['REQUEST_TIMEOUT', 'the request did not arrive in time'];
    default:
      return ['REQUEST_MALFORMED', 'this is not HTTP'];
  }
}
