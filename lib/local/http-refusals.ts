/**
 * What node would answer by itself, in a form of its own or in none: here it is problem details with a
 * request id, as any refusal is. The same sentence stands in the log, by which operators find it.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { API_LIMITS } from '#config/api-limits.ts';
import { GUARDING_HEADERS } from '#contract/guarding-headers.ts';
import { problemDetails } from '#contract/problem.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ApiResponse } from '#functions/shared/api.ts';

/** The answer to a request that no handler sees; the connection ends with it. */
export function refusalAnswer(error: CloudFlowError, requestId: string): ApiResponse {
  const problem = problemDetails(error, requestId);
  return {
    status: problem.status,
    headers: {
      'x-request-id': requestId,
      'x-correlation-id': requestId,
      ...GUARDING_HEADERS,
      // It holds nobody's data, as `functions/shared/cors.ts` O3 says.
      'access-control-allow-origin': '*',
      'content-type': 'application/problem+json',
      connection: 'close',
    },
    body: JSON.stringify(problem),
  };
}

/** What is wrong with the head of a request that node has read; null: nothing. */
export function misfitOf(request: IncomingMessage): CloudFlowError | null {
  const { httpVersion, rawHeaders, headers } = request;
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === 'host') hosts += 1;
  }
  // RFC 9112, 3.2: only HTTP/1.0 may leave it out.
  if (hosts > 1 || (hosts === 0 && httpVersion !== '1.0')) {
    return new CloudFlowError(
      'REQUEST_MALFORMED',
      `the request has ${hosts === 0 ? 'no Host header' : `${hosts} Host headers`}; send exactly one`,
    );
  }
  const { expect } = headers;
  if (expect === undefined || /^100-continue$/i.test(expect)) return null;
  return new CloudFlowError(
    'EXPECTATION_FAILED',
    `'Expect: ${expect.slice(0, 64)}' is not met here; send 100-continue or leave it out`,
  );
}

/** What the parser gave up on; null: the connection broke, and nobody is there to be told. */
export function parserRefusal(code: string | undefined): CloudFlowError | null {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new CloudFlowError(
      'HEADERS_TOO_LARGE',
      `the headers are larger than ${API_LIMITS.maxHeaderBytes} bytes`,
    );
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new CloudFlowError(
      'REQUEST_TIMEOUT',
      `the request did not arrive in time; its headers may take ${API_LIMITS.headersTimeoutMs / 1_000} seconds, all of it ${API_LIMITS.requestTimeoutMs / 1_000}`,
    );
  }
  if (code?.startsWith('HPE_') !== true) return null;
  return new CloudFlowError('REQUEST_MALFORMED', 'this is not a request of HTTP/1.1 (RFC 9112)');
}

/** Time to read a refusal in, before the connection is cut. */
const LINGER_MS = 1_000;

/** Writes an answer where node has no response to write it with, and hangs up. */
export function answerOnSocket(socket: Socket, { status, headers, body }: ApiResponse): void {
  const text = body ?? '';
  const all: Record<string, string | number> = {
    ...headers,
    connection: 'close',
    'content-length': Buffer.byteLength(text),
  };
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      ...Object.entries(all).map(([name, value]) => `${name}: ${value}`),
      '',
      text,
    ].join('\r\n'),
  );
  // Who does not hang up would hold the socket for ever: the request that had limits is over (H1).
  const cut = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(cut));
}
