import { API_LIMITS } from '#config/api-limits.ts';
import { grants } from '#contract/permissions.ts';
import { problemDetails } from '#contract/problem.ts';
import type { Method } from '#contract/route.ts';
import { METHODS } from '#contract/route.ts';
import { createRouter, type Match, type Router } from '#contract/router.ts';
import { type OperationId, routeOf } from '#contract/routes.ts';
import { checkParams, parseInput, validators } from '#contract/validate.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Authenticate } from '#services/identity/authenticate.ts';
import type { Principal } from '#services/identity/principal.ts';
import type { ApiHandler, ApiRequest, ApiResponse, Call, Handlers, Reply } from './api.ts';
import { fingerprintOf, type KeepAnswers } from './idempotency.ts';
import {
  checkLengths,
  readBody,
  readCorrelationId,
  readIdempotencyKey,
  readQuery,
} from './request.ts';
import { isUnavailable } from './unavailable.ts';

/**
 * One request, in this order; each stage sees only what the one before let through:
 *
 *  P1 lengths, path and method, so that nothing is read for what does not exist;
 *  P2 who calls, and whether they may: no body is read for a caller who is not known and allowed;
 *  P3 the body within its limits, then the shape of everything: one answer with every problem;
 *  P4 the Idempotency-Key, for operations whose handler does not keep it itself;
 *  P5 the handler; what it throws becomes problem details, and what is not ours says nothing.
 */
export interface PipelineDeps {
  readonly handlers: Partial<Handlers>;
  readonly authenticate: Authenticate;
  /** The tenant behind a token in the path; throws NOT_FOUND. */
  readonly authenticateToken: (token: string) => Promise<Principal>;
  readonly keepAnswers: KeepAnswers;
  /** Operations that hand the key to their store and are idempotent there, in one transaction. */
  readonly keepsOwnKey: ReadonlySet<OperationId>;
  readonly ids: Ids;
  readonly log: Log;
  /** Origins of web clients that may call, exactly as browsers send them. */
  readonly allowedOrigins: readonly string[];
  /** Answers are checked against the contract too: for tests, not for production. */
  readonly checkResponses: boolean;
}

export function createPipeline(deps: PipelineDeps): ApiHandler {
  const router = createRouter(Object.keys(deps.handlers) as OperationId[]);
  let inFlight = 0;
  return async (request) => {
    const requestId = deps.ids.random();
    const correlationId = readCorrelationId(request) ?? requestId;
    if (inFlight >= API_LIMITS.maxRequestsInFlight) {
      const busy = new CloudFlowError('UNAVAILABLE', 'too many requests are in flight');
      return failure(deps, request, busy, requestId, correlationId);
    }
    inFlight += 1;
    try {
      return await answer(deps, router, request, requestId, correlationId);
    } catch (error) {
      return failure(deps, request, error, requestId, correlationId);
    } finally {
      inFlight -= 1;
    }
  };
}

async function answer(
  deps: PipelineDeps,
  router: Router,
  request: ApiRequest,
  requestId: string,
  correlationId: string,
): Promise<ApiResponse> {
  checkLengths(request);
  const isHead = request.method === 'HEAD';
  if (request.method === 'OPTIONS') return options(deps, router, request, requestId);
  const match = router((isHead ? 'GET' : request.method) as Method, request.path);
  if (match.kind !== 'found') throw unroutable(request, match);
  const id = match.operationId;
  const route = routeOf(id);

  let principal: Principal | null = null;
  if (route.tenant === 'caller') {
    principal = await deps.authenticate(request.headers['authorization']);
    if (!grants(principal.permissions, route.permission)) {
      throw new CloudFlowError(
        'PERMISSION_DENIED',
        `this needs the permission ${route.permission}`,
      );
    }
  } else if (route.tenant === 'token') {
    // What cannot be a token is refused by its form, and costs no query.
    checkParams(id, match.params);
    principal = await deps.authenticateToken(match.params['token'] ?? '');
  }

  const raw = {
    params: match.params,
    query: readQuery(request.query, route),
    body: await readBody(request, route),
  };
  const input = parseInput(id, raw);
  const ifMatch = request.headers['if-match'] ?? null;
  if (route.ifMatch === 'required' && ifMatch === null) {
    throw new CloudFlowError(
      'PRECONDITION_REQUIRED',
      'send If-Match with the ETag that you saw, or `*` to overwrite whatever is there',
    );
  }
  const key = route.idempotent === 'key' ? readIdempotencyKey(request) : null;
  const idempotency = key === null ? null : { key, fingerprint: fingerprintOf(id, raw) };
  const call = { ...input, principal, ifMatch, requestId, correlationId, idempotency };

  const run = () => handle(deps, id, call);
  const response =
    idempotency === null || principal === null || deps.keepsOwnKey.has(id)
      ? await run()
      : await deps.keepAnswers(principal, idempotency, run);
  return finish(deps, id, request, response, requestId, correlationId);
}

async function handle(
  deps: PipelineDeps,
  id: OperationId,
  call: Omit<Call<OperationId>, 'principal'> & { readonly principal: Principal | null },
): Promise<ApiResponse> {
  const route = routeOf(id);
  // The table is typed operation by operation; here the operation is only known as one of them.
  const handler = deps.handlers[id] as (call: unknown) => Promise<Reply<OperationId>>;
  const reply = await handler(call);
  if (deps.checkResponses) checkResponse(id, reply.body);
  const headers: Record<string, string> = {};
  if (route.response !== null) headers['content-type'] = 'application/json';
  if (reply.etag !== undefined) headers['etag'] = `"${reply.etag}"`;
  if (reply.location !== undefined) headers['location'] = reply.location;
  return {
    status: reply.status ?? route.status,
    headers,
    body: route.response === null ? null : JSON.stringify(reply.body),
  };
}

function checkResponse(id: OperationId, body: unknown): void {
  const problems = validators[id].response?.(JSON.parse(JSON.stringify(body ?? null))) ?? [];
  if (problems.length > 0) {
    throw new TypeError(`the answer of ${id} breaks its contract: ${JSON.stringify(problems)}`);
  }
}

function finish(
  deps: PipelineDeps,
  id: OperationId,
  request: ApiRequest,
  response: ApiResponse,
  requestId: string,
  correlationId: string,
): ApiResponse {
  const headers = {
    ...commonHeaders(deps, request, requestId),
    'x-correlation-id': correlationId,
    ...response.headers,
  };
  const { method, etag: kind } = routeOf(id);
  const etag = response.headers['etag'];
  if (
    method === 'GET' &&
    kind === 'content' &&
    etag !== undefined &&
    matchesEtag(request.headers['if-none-match'], etag)
  ) {
    const { 'content-type': _type, ...kept } = headers as Record<string, string>;
    return { status: 304, headers: kept, body: null };
  }
  return { status: response.status, headers, body: response.body };
}

/** Weak comparison, as RFC 9110 asks for If-None-Match. */
function matchesEtag(given: string | undefined, etag: string): boolean {
  if (given === undefined) return false;
  return given.split(',').some((tag) => {
    const trimmed = tag.trim();
    return trimmed === '*' || trimmed === etag || trimmed === `W/${etag}`;
  });
}

/** Nothing here is for a browser to show, sniff, frame or keep. */
function commonHeaders(
  deps: PipelineDeps,
  request: ApiRequest,
  requestId: string,
): Record<string, string> {
  const headers: Record<string, string> = {
    'x-request-id': requestId,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
  };
  const { origin } = request.headers;
  if (deps.allowedOrigins.length > 0) headers['vary'] = 'Origin';
  if (origin !== undefined && deps.allowedOrigins.includes(origin)) {
    headers['access-control-allow-origin'] = origin;
    headers['access-control-expose-headers'] = 'ETag, Location, X-Request-Id, X-Correlation-Id';
  }
  return headers;
}

function unroutable(request: ApiRequest, match: Exclude<Match, { kind: 'found' }>): CloudFlowError {
  switch (match.kind) {
    case 'malformed':
      return new CloudFlowError('REQUEST_MALFORMED', 'the path holds a broken escape');
    case 'not_found':
      return new CloudFlowError('ROUTE_NOT_FOUND', 'no operation has this path; see /openapi.json');
    case 'wrong_method': {
      const allow = allowHeader(match.allow);
      const method = request.method.slice(0, 16);
      return new CloudFlowError('METHOD_NOT_ALLOWED', `${method} is not one of ${allow}`, {
        details: { allow },
      });
    }
  }
}

function allowHeader(methods: readonly Method[]): string {
  const known = METHODS.filter((method) => methods.includes(method));
  const all = known.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  return [...all, 'OPTIONS'].join(', ');
}

/** What a path takes; a preflight of an allowed origin is told besides which headers it may send. */
function options(
  deps: PipelineDeps,
  router: Router,
  request: ApiRequest,
  requestId: string,
): ApiResponse {
  const methods = METHODS.filter((method) => router(method, request.path).kind === 'found');
  if (methods.length === 0) throw unroutable(request, { kind: 'not_found' });
  const headers: Record<string, string> = {
    ...commonHeaders(deps, request, requestId),
    allow: allowHeader(methods),
  };
  if (headers['access-control-allow-origin'] !== undefined) {
    headers['access-control-allow-methods'] = methods.join(', ');
    headers['access-control-allow-headers'] =
      'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Correlation-Id';
    headers['access-control-max-age'] = '600';
  }
  return { status: 204, headers, body: null };
}

function failure(
  deps: PipelineDeps,
  request: ApiRequest,
  error: unknown,
  requestId: string,
  correlationId: string,
): ApiResponse {
  const known =
    error instanceof Error && error.name === 'CloudFlowError'
      ? (error as CloudFlowError)
      : new CloudFlowError(isUnavailable(error) ? 'UNAVAILABLE' : 'INTERNAL', 'unexpected error', {
          cause: error,
        });
  const body = problemDetails(known, requestId);
  if (body.status >= 500) {
    deps.log.error('request failed', {
      request_id: requestId,
      correlation_id: correlationId,
      code: known.code,
      method: request.method.slice(0, 16),
      error: describe(known.cause ?? known),
    });
  }
  const headers: Record<string, string> = {
    ...commonHeaders(deps, request, requestId),
    'x-correlation-id': correlationId,
    'content-type': 'application/problem+json',
  };
  if (known.code === 'METHOD_NOT_ALLOWED') headers['allow'] = String(known.details['allow']);
  if (known.code === 'UNAUTHENTICATED') headers['www-authenticate'] = 'Bearer realm="cloudflow"';
  if (known.code === 'UNAVAILABLE' || known.code === 'RATE_LIMITED') headers['retry-after'] = '1';
  if (known.code === 'IDEMPOTENCY_IN_PROGRESS') headers['retry-after'] = '1';
  return { status: body.status, headers, body: JSON.stringify(body) };
}

/** For operators. Messages of errors are ours or a library's, never a body. */
function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
