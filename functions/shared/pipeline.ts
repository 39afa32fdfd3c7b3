import { API_LIMITS } from '#config/api-limits.ts';
import { METRICS } from '#config/metrics.ts';
import { GUARDING_HEADERS } from '#contract/guarding-headers.ts';
import { type Part, routeIn } from '#contract/part.ts';
import { problemDetails } from '#contract/problem.ts';
import type { Method, Route } from '#contract/route.ts';
import { answerType, isForBrowsers, METHODS, mayLag } from '#contract/route.ts';
import { createRouter, type Match, type Router } from '#contract/router.ts';
import type { OperationId } from '#contract/routes.ts';
import { type Checks, createChecks } from '#contract/validate.ts';
import { CloudFlowError } from '#core/errors.ts';
import { type Trace, traceOfHeaders } from '#core/trace.ts';
import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log, LogFields } from '#ports/log.ts';
import type { Tracer } from '#ports/tracer.ts';
import type { Auditor, CallAudit } from '#services/audit/auditor.ts';
import type { Authenticate } from '#services/identity/authenticate.ts';
import { requirePermission } from '#services/identity/authorize.ts';
import type { Principal } from '#services/identity/principal.ts';
import { requireWorkflow } from '#services/identity/workflow-scope.ts';
import {
  type AdmissionDeps,
  type Rate,
  rateHeaders,
  requireRoom,
  takeRate,
  takeSourceRate,
  takeTokenRate,
} from './admission.ts';
import type { ApiHandler, ApiRequest, ApiResponse, Call, Handlers, Reply } from './api.ts';
import { originHeaders, preflightHeaders, requireOrigin } from './cors.ts';
import { failurePage, wantsPage } from './failure-page.ts';
import { fingerprintOf, type KeepAnswers } from './idempotency.ts';
import type { LaggingReads } from './lagging-reads.ts';
import {
  checkLengths,
  readBody,
  readCorrelationId,
  readIdempotencyKey,
  readQuery,
  readUserAgent,
} from './request.ts';
import { isUnavailable } from './unavailable.ts';

/**
 * One request, in this order; each stage sees only what the one before let through:
 *
 *  P1 lengths, path and method, so that nothing is read for what does not exist;
 *  P2 who calls, how often, from which page, and whether they may: no body is read for a caller who is not
 *     known and allowed, and nothing at all is done for one who calls too often;
 *  P3 the body within its limits, then the shape of everything: one answer with every problem;
 *  P4 the Idempotency-Key, for operations whose handler does not keep it itself;
 *  P5 the handler; what it throws becomes problem details, and what is not ours says nothing.
 *
 * The audit trail is told of a change before the handler runs, and of every end before it is answered.
 */
export interface PipelineDeps extends AdmissionDeps {
  /** What is served: each has a handler. */
  readonly part: Part;
  readonly handlers: Partial<Handlers>;
  /** The same over readers of the database, for routes whose answers may lag; null: there are none. */
  readonly lagging: { readonly handlers: Partial<Handlers>; readonly reads: LaggingReads } | null;
  readonly authenticate: Authenticate;
  /** The tenant behind a token in the path; throws NOT_FOUND. */
  readonly authenticateToken: (token: string) => Promise<Principal>;
  readonly keepAnswers: KeepAnswers;
  /** Operations that hand the key to their store and are idempotent there, in one transaction. */
  readonly keepsOwnKey: ReadonlySet<OperationId>;
  readonly auditor: Auditor;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly tracer: Tracer;
  /** Origins of web clients that may call for every tenant, exactly as browsers send them. */
  readonly allowedOrigins: readonly string[];
  /** Answers are checked against the contract too: for tests, not for production. */
  readonly checkResponses: boolean;
}

const METHODS_LOGGED: ReadonlySet<string> = new Set([...METHODS, 'HEAD', 'OPTIONS']);

export function createPipeline(deps: PipelineDeps): ApiHandler {
  const router = createRouter(deps.part);
  const checks = createChecks(deps.part);
  let inFlight = 0;
  return async (request) => {
    const begun = deps.clock.monotonic();
    const requestId = deps.ids.random();
    const correlationId = readCorrelationId(request) ?? requestId;
    const span = deps.tracer.begin(
      'request',
      deps.tracer.ambient() ?? traceOfHeaders(request.headers),
    );
    const about: About = {
      trace: span.trace,
      requestId,
      correlationId,
      operation: null,
      tenant: null,
      executionId: null,
      audit: null,
      rate: null,
      origins: null,
    };
    const response = await respond(request, about);
    const took = deps.clock.monotonic() - begun;
    const Operation = about.operation ?? 'none';
    const Class = `${Math.floor(response.status / 100)}xx`;
    span.end(outcomeOf(response.status), { operation: Operation, status: response.status });
    deps.metrics.add(METRICS.ApiRequests, { Operation, Class });
    deps.metrics.add(METRICS.ApiLatency, { Operation, Class }, took);
    deps.log.info('REQUEST_SERVED', {
      ...fieldsOf(request, about),
      status: response.status,
      duration_ms: Math.round(took),
    });
    return response;
  };

  async function respond(request: ApiRequest, about: About): Promise<ApiResponse> {
    if (inFlight >= API_LIMITS.maxRequestsInFlight) {
      const busy = new CloudFlowError('UNAVAILABLE', 'too many requests are in flight');
      return failure(deps, request, busy, about);
    }
    inFlight += 1;
    try {
      return await answer(deps, router, checks, request, about);
    } catch (error) {
      const known = knownError(error);
      // Logged where it was told; the refusal stands all the same.
      await about.audit?.refused(known.code).catch(() => undefined);
      return failure(deps, request, known, about);
    } finally {
      inFlight -= 1;
    }
  }
}

function outcomeOf(status: number): 'ok' | 'error' | 'fault' {
  if (status >= 500) return 'fault';
  return status >= 400 ? 'error' : 'ok';
}

/** What is known of a request, as it becomes known. */
interface About {
  readonly requestId: string;
  readonly correlationId: string;
  readonly trace: Trace | null;
  operation: OperationId | null;
  tenant: string | null;
  /** As the path has it: the log takes it only where it is an id. */
  executionId: string | null;
  audit: CallAudit | null;
  rate: Rate | null;
  /** Of pages that may call as whoever calls; null: that is not known. */
  origins: readonly string[] | null;
}

/** The path may hold a token, so the operation stands for it. */
function fieldsOf(request: ApiRequest, about: About): LogFields {
  return {
    tenant: about.tenant,
    execution_id: about.executionId,
    request_id: about.requestId,
    correlation_id: about.correlationId,
    trace_id: about.trace?.id ?? null,
    operation: about.operation,
    method: METHODS_LOGGED.has(request.method) ? request.method : 'other',
  };
}

async function answer(
  deps: PipelineDeps,
  router: Router,
  checks: Checks,
  request: ApiRequest,
  about: About,
): Promise<ApiResponse> {
  const { requestId, correlationId } = about;
  checkLengths(request);
  const isHead = request.method === 'HEAD';
  if (request.method === 'OPTIONS') return options(router, request, about);
  const match = router((isHead ? 'GET' : request.method) as Method, request.path);
  if (match.kind !== 'found') throw unroutable(request, match);
  const id = match.operationId;
  const route = routeIn(deps.part, id);
  about.operation = id;
  about.executionId = match.params['execution_id'] ?? null;
  const client = { userAgent: readUserAgent(request), source: request.source };
  const audit = deps.auditor.open({
    operation: id,
    audit: route.audit,
    requestId,
    correlationId,
    client,
  });
  about.audit = audit;

  let principal: Principal | null = null;
  if (route.tenant === 'caller') {
    principal = await deps.authenticate(request.headers['authorization']);
    about.tenant = principal.tenant;
    audit.know({ ...whoOf(principal), ...targetOf(match.params) });
    about.origins = [...deps.allowedOrigins, ...principal.admission.origins];
    about.rate = await takeRate(deps, principal);
    requireRoom(deps, about.rate);
    requireOrigin(request, about.origins);
    principal = await allowed(deps, principal, request, route);
    const { workflow_id } = match.params;
    if (workflow_id !== undefined) requireWorkflow(principal, workflow_id);
  } else if (route.tenant === 'token') {
    // What cannot be a token is refused by its form, and costs no query.
    checks.checkParams(id, match.params);
    const token = match.params['token'] ?? '';
    // Looking one up costs a query, whether it is one or not.
    const fromThere = await takeSourceRate(deps, request.source);
    about.rate = fromThere;
    requireRoom(deps, fromThere);
    principal = await deps.authenticateToken(token);
    about.tenant = principal.tenant;
    audit.know(whoOf(principal));
    const { allowed, windows } = await takeTokenRate(deps, principal, token);
    const byToken = { allowed, windows: [...fromThere.windows, ...windows] };
    about.rate = byToken;
    requireRoom(deps, byToken);
  }

  const raw = {
    params: match.params,
    query: readQuery(request.query, route),
    body: await readBody(request, route),
  };
  const input = checks.parse(id, raw);
  const ifMatch = request.headers['if-match'] ?? null;
  if (route.ifMatch === 'required' && ifMatch === null) {
    throw new CloudFlowError(
      'PRECONDITION_REQUIRED',
      'send If-Match with the ETag that you saw, or `*` to overwrite whatever is there',
    );
  }
  const key = route.idempotent === 'key' ? readIdempotencyKey(request) : null;
  const idempotency = key === null ? null : { key, fingerprint: fingerprintOf(id, raw) };
  const call = {
    ...input,
    principal,
    client,
    audit,
    ifMatch,
    cookies: request.headers['cookie'] ?? null,
    requestId,
    correlationId,
    trace: about.trace,
    idempotency,
  };

  const run = async (): Promise<ApiResponse> => {
    // Where the body proves who calls, the service says so once it knows.
    if (principal !== null) await audit.begin();
    return handle(deps, checks, id, call);
  };
  const response =
    idempotency === null || principal === null || deps.keepsOwnKey.has(id)
      ? await run()
      : await deps.keepAnswers(principal, idempotency, run);
  if (response.headers['idempotency-replayed'] !== undefined) audit.note({ replayed: true });
  const { location } = response.headers;
  if (location !== undefined) {
    const made = router('GET', location);
    const { target } = targetOf(made.kind === 'found' ? made.params : {});
    if (target !== undefined) audit.note({ made: target });
  }
  await audit.done();
  return finish(route, request, response, about);
}

/**
 * Whoever may not call this by what is remembered of them for a moment is looked at anew before they are refused:
 * a second factor counts from the answer that says so.
 */
async function allowed(
  deps: PipelineDeps,
  principal: Principal,
  request: ApiRequest,
  route: Extract<Route, { readonly tenant: 'caller' }>,
): Promise<Principal> {
  try {
    requirePermission(principal, route, deps.clock.now());
    return principal;
  } catch (error) {
    if (!(error instanceof CloudFlowError)) throw error;
  }
  const anew = await deps.authenticate(request.headers['authorization'], { anew: true });
  requirePermission(anew, route, deps.clock.now());
  return anew;
}

function whoOf({ tenant, mode, subject }: Principal): Parameters<CallAudit['know']>[0] {
  return { tenant, mode, actor: subject };
}

const TARGET = /^[\x21-\x7e]{1,200}$/;

/** What a path names, as `workflow:order/version:1.0.0`; nothing where that could not be a name of ours. */
function targetOf(params: Readonly<Record<string, string>>): { readonly target?: string } {
  const target = Object.entries(params)
    .map(([name, value]) => `${name.replace(/_id$/, '')}:${value}`)
    .join('/');
  return TARGET.test(target) ? { target } : {};
}

async function handle(
  deps: PipelineDeps,
  checks: Checks,
  id: OperationId,
  call: Omit<Call<OperationId>, 'principal'> & { readonly principal: Principal | null },
): Promise<ApiResponse> {
  const route = routeIn(deps.part, id);
  // The table is typed operation by operation; here the operation is only known as one of them.
  const of = (table: Partial<Handlers>) =>
    (table[id] as (call: unknown) => Promise<Reply<OperationId>>)(call);
  const { lagging } = deps;
  const reply =
    lagging !== null && mayLag(route)
      ? await lagging.reads(
          () => of(lagging.handlers),
          () => of(deps.handlers),
        )
      : await of(deps.handlers);
  if (deps.checkResponses) checkResponse(checks, id, reply.body);
  const headers: Record<string, string> = {};
  if (route.response !== null) headers['content-type'] = answerType(route);
  if (reply.etag !== undefined) headers['etag'] = `"${reply.etag}"`;
  if (reply.location !== undefined) headers['location'] = reply.location;
  if (reply.cookie !== undefined) headers['set-cookie'] = reply.cookie;
  if (reply.policy !== undefined) headers['content-security-policy'] = reply.policy;
  return {
    status: reply.status ?? route.status,
    headers,
    body: route.response === null ? null : bodyOf(route, reply.body),
  };
}

function bodyOf(route: Route, body: unknown): string {
  // Only answers that are a string in the contract say that they are text.
  return route.text === undefined ? JSON.stringify(body) : (body as string);
}

function checkResponse(checks: Checks, id: OperationId, body: unknown): void {
  const problems = checks.of(id).response?.(JSON.parse(JSON.stringify(body ?? null))) ?? [];
  if (problems.length > 0) {
    throw new TypeError(`the answer of ${id} breaks its contract: ${JSON.stringify(problems)}`);
  }
}

function finish(
  { method, etag: kind, keptSeconds }: Route,
  request: ApiRequest,
  response: ApiResponse,
  about: About,
): ApiResponse {
  const headers = {
    ...commonHeaders(request, about),
    ...(keptSeconds === undefined ? {} : { 'cache-control': `public, max-age=${keptSeconds}` }),
    ...response.headers,
  };
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

function commonHeaders(
  request: ApiRequest,
  { requestId, correlationId, rate, origins }: About,
): Record<string, string> {
  return {
    'x-request-id': requestId,
    'x-correlation-id': correlationId,
    ...GUARDING_HEADERS,
    ...originHeaders(request, origins),
    ...(rate === null ? {} : rateHeaders(rate)),
  };
}

function unroutable(request: ApiRequest, match: Exclude<Match, { kind: 'found' }>): CloudFlowError {
  switch (match.kind) {
    case 'malformed':
      return new CloudFlowError('REQUEST_MALFORMED', match.why);
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

/** What a path takes, and what pages may send there. */
function options(router: Router, request: ApiRequest, about: About): ApiResponse {
  const methods = METHODS.filter((method) => router(method, request.path).kind === 'found');
  if (methods.length === 0) throw unroutable(request, { kind: 'not_found' });
  return {
    status: 204,
    headers: {
      ...commonHeaders(request, about),
      ...preflightHeaders(methods),
      allow: allowHeader(methods),
    },
    body: null,
  };
}

function knownError(error: unknown): CloudFlowError {
  if (error instanceof Error && error.name === 'CloudFlowError') return error as CloudFlowError;
  const code = isUnavailable(error) ? 'UNAVAILABLE' : 'INTERNAL';
  return new CloudFlowError(code, 'unexpected error', { cause: error });
}

function failure(
  deps: PipelineDeps,
  request: ApiRequest,
  known: CloudFlowError,
  about: About,
): ApiResponse {
  const body = problemDetails(known, about.requestId);
  if (body.status >= 500) {
    deps.log.error('REQUEST_FAILED', {
      ...fieldsOf(request, about),
      code: known.code,
      error: known.cause ?? known,
    });
  }
  const headers: Record<string, string> = {
    ...commonHeaders(request, about),
    'content-type': 'application/problem+json',
  };
  const forBrowsers =
    about.operation !== null && isForBrowsers(routeIn(deps.part, about.operation));
  if (forBrowsers) headers['vary'] = 'Accept';
  const page = forBrowsers && wantsPage(request.headers['accept']);
  if (page) headers['content-type'] = 'text/html; charset=utf-8';
  if (known.code === 'METHOD_NOT_ALLOWED') headers['allow'] = String(known.details['allow']);
  if (known.code === 'UNAUTHENTICATED') headers['www-authenticate'] = 'Bearer realm="cloudflow"';
  if (RETRY_AFTER.has(known.code)) {
    headers['retry-after'] = String(known.details['retry_after_seconds'] ?? 1);
  }
  const text = page ? failurePage(known.code, body.status, about.requestId) : JSON.stringify(body);
  return { status: body.status, headers, body: text };
}

/** Codes whose answer says when to come again. */
const RETRY_AFTER: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'RATE_LIMITED',
  'LOCKED_OUT',
  'TOO_MANY_WAITING',
  'IDEMPOTENCY_IN_PROGRESS',
]);
