import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { promisify } from 'node:util';
import { API_LIMITS } from '#config/api-limits.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ApiHandler, ApiRequest, ApiResponse } from '#functions/shared/api.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import { answerOnSocket, misfitOf, parserRefusal, refusalAnswer } from './http-refusals.ts';

/**
 * The API on a port of this machine: turns node's requests into ours and back.
 *
 *  H1 what is sent slowly, or is larger than it may be, costs a connection and no more;
 *  H2 a body is read when the handler asks for it, so an unknown caller cannot make us hold one;
 *  H3 a connection with an unread rest of a body is closed after the answer, never reused;
 *  H4 a client that neither sends nor reads is cut off; one that waits for its answer is not;
 *  H5 whatever is refused is answered as the contract answers, also what node would answer by itself; and
 *     never in the place of an answer that somebody else's request, or an earlier one, still waits for.
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
  /** Makes the ids of requests that no handler sees. */
  readonly ids: Pick<Ids, 'random'>;
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
  const state: State = { options, waiting: new WeakMap(), ending: new WeakSet() };
  const server = createServer(
    {
      maxHeaderSize: API_LIMITS.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: API_LIMITS.keepAliveTimeoutMs,
      connectionsCheckingInterval: limits.checkEveryMs,
      noDelay: true,
      // As API Gateway does it: of two credentials neither counts, where node would take the first.
      joinDuplicateHeaders: true,
      // `misfitOf` says so in words (H5).
      requireHostHeader: false,
    },
    (request, response) => answer(state, request, response),
  );
  server.setTimeout(limits.idleTimeoutMs, (socket) => {
    if ((state.waiting.get(socket)?.size ?? 0) === 0) socket.destroy();
  });
  // Nobody is asked for a body before somebody wants to read it (H2).
  server.on('checkContinue', (request, response) => answer(state, request, response));
  server.on('checkExpectation', (request, response) => answer(state, request, response));
  server.on('connect', (request, socket) => answerConnect(state, request, socket as Socket));
  server.on('clientError', (error, socket) => refuseConnection(state, error, socket as Socket));
  server.maxConnections = API_LIMITS.maxConnections;
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

interface State {
  readonly options: HttpServerOptions;
  /** Requests of a connection that are not answered yet. */
  readonly waiting: WeakMap<Socket, Set<IncomingMessage>>;
  /** Connections that end with the answer which they wait for. */
  readonly ending: WeakSet<Socket>;
}

function answer(state: State, request: IncomingMessage, response: ServerResponse): void {
  serve(state, request, response).catch((error: unknown) => {
    // The handler answers its own errors: what arrives here is about this one connection.
    state.options.log.warn('RESPONSE_NOT_WRITTEN', { error });
    response.destroy();
  });
}

async function serve(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { socket } = request;
  const misfit = misfitOf(request);
  if (misfit !== null) {
    write(state, request, response, refused(state, misfit));
    return;
  }
  const waiting = state.waiting.get(socket) ?? new Set();
  state.waiting.set(socket, waiting.add(request));
  const given = await state.options
    .handler(toApiRequest(request, () => response.writeContinue()))
    .finally(() => waiting.delete(request));
  if (response.destroyed) return; // cut off for being slow, or gone by itself
  write(state, request, response, given);
}

/** Of a request that no handler sees; the log has its id too. */
function refused({ options }: State, error: CloudFlowError): ApiResponse {
  const requestId = options.ids.random();
  const given = refusalAnswer(error, requestId);
  const { status } = given;
  options.log.info('REQUEST_UNREADABLE', { request_id: requestId, code: error.code, status });
  return given;
}

/** No tunnels. Whatever the target, the handler says what it says of any method that is none. */
function answerConnect(state: State, request: IncomingMessage, socket: Socket): void {
  // Node has let go of it: an error that nobody hears would end the process.
  socket.on('error', () => socket.destroy());
  socket.resume();
  const misfit = misfitOf(request);
  const given =
    misfit === null
      ? state.options.handler({ ...toApiRequest(request, NOTHING), readBody: NO_BODY })
      : Promise.resolve(refused(state, misfit));
  given.then(
    (each) => answerOnSocket(socket, each),
    (error: unknown) => {
      state.options.log.warn('RESPONSE_NOT_WRITTEN', { error });
      socket.destroy();
    },
  );
}

const NOTHING = () => {};
const NO_BODY = () => Promise.resolve(EMPTY);

/** `invite`: tells a client that waits for it to send its body. */
function toApiRequest(request: IncomingMessage, invite: () => void): ApiRequest {
  const url = request.url ?? '';
  const at = url.indexOf('?');
  return {
    method: request.method ?? 'GET',
    path: at === -1 ? url : url.slice(0, at),
    query: at === -1 ? '' : url.slice(at + 1),
    // Only Set-Cookie is ever a list, and no request has one that we read.
    headers: request.headers as ApiRequest['headers'],
    source: request.socket.remoteAddress ?? null,
    readBody: (maxBytes) => {
      // Of HTTP/1.0 it means nothing.
      if (request.headers.expect !== undefined && request.httpVersion !== '1.0') invite();
      return readBody(request, maxBytes);
    },
  };
}

function write(
  { ending }: State,
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers: given, body }: ApiResponse,
): void {
  const headers: Record<string, string | number> = { ...given };
  if (status !== 204 && status !== 304) {
    headers['content-length'] = body === null ? 0 : Buffer.byteLength(body);
  }
  if (!request.complete || ending.has(request.socket)) headers['connection'] = 'close';
  response.writeHead(status, headers);
  if (body === null || request.method === 'HEAD') response.end();
  else response.end(body);
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

/** Node's parser gave up, or time ran out: there is no request to answer, only a socket. */
function refuseConnection(state: State, error: Error & { code?: string }, socket: Socket): void {
  const refusal = parserRefusal(error.code);
  if (refusal === null || !socket.writable) {
    socket.destroy();
    return;
  }
  // A request before this one is whole and waits: what is written now would pass for its answer (H5).
  const before = [...(state.waiting.get(socket) ?? [])].some(({ complete }) => complete);
  if (before) state.ending.add(socket);
  else answerOnSocket(socket, refused(state, refusal));
}
