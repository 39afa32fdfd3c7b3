import { isApiErrorCode } from '#contract/problem.ts';
import { bodyType, type Route } from '#contract/route.ts';
import {
  type Body,
  type OperationId,
  operationIds,
  type Params,
  type Query,
  type ResponseBody,
  type Routes,
  routeOf,
} from '#contract/routes.ts';
import { type ApiErrorCode, CloudFlowError, type Problem } from '#core/errors.ts';

/** Longer than whoever stands before the API waits for it. */
export const DEFAULT_TIMEOUT_MS = 60_000;

export interface ClientOptions {
  readonly baseUrl: string;
  /**
   * An API key or an access token, or how to get one that is good now. Left out for what needs none:
   * the schema, health, callbacks, signing in.
   */
  readonly credential?: string | (() => Promise<string>);
  readonly fetch?: typeof globalThis.fetch;
  /** How often a call is repeated after 429, 503 or a lost connection. Default 3. */
  readonly maxRetries?: number;
  /** Per attempt. Default: `DEFAULT_TIMEOUT_MS`. */
  readonly timeoutMs?: number;
  /** Sent with every call, for whoever reads the logs and events of both sides. */
  readonly correlationId?: string;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly newIdempotencyKey?: () => string;
}

export interface CallOptions {
  /** Default: a fresh one per call of a POST, the same for its repeats. */
  readonly idempotencyKey?: string;
  readonly ifMatch?: string;
  readonly signal?: AbortSignal;
}

type QueryPart<Id extends OperationId> = keyof Query<Id> extends never
  ? Record<never, never>
  : { readonly query?: Query<Id> };
type BodyPart<Id extends OperationId> =
  Body<Id> extends undefined
    ? Record<never, never>
    : Routes[Id] extends { readonly bodyOptional: true }
      ? { readonly body?: Body<Id> }
      : { readonly body: Body<Id> };

/** Path parameters by name, `query`, `body`, and what travels in headers. */
export type CallInput<Id extends OperationId> = Params<Id> &
  QueryPart<Id> &
  BodyPart<Id> &
  CallOptions;

/** The input may be left out where nothing in it is required. */
type Arguments<Id extends OperationId> =
  Record<never, never> extends CallInput<Id> ? [input?: CallInput<Id>] : [input: CallInput<Id>];

export interface Answer<Id extends OperationId> {
  readonly status: number;
  readonly body: ResponseBody<Id>;
  readonly etag: string | null;
  readonly requestId: string | null;
}

/** One method per operation of the contract; `send` also tells status, ETag and request id. */
export type Client = {
  readonly [Id in OperationId]: (...input: Arguments<Id>) => Promise<ResponseBody<Id>>;
} & {
  send<Id extends OperationId>(id: Id, ...input: Arguments<Id>): Promise<Answer<Id>>;
};

/**
 * A client derived from the contract. It throws CloudFlowError for every answer that is not a
 * success, with the code and problems of the API, and nothing but fetch and timers is needed.
 */
export function createClient(options: ClientOptions): Client {
  const send = <Id extends OperationId>(id: Id, ...[input]: Arguments<Id>) =>
    call(id, (input ?? {}) as CallInput<Id>, options);
  const methods = Object.fromEntries(
    operationIds.map((id) => [
      id,
      async (input?: object) => (await call(id, (input ?? {}) as never, options)).body,
    ]),
  );
  // The table above has exactly the operations of the contract; their types are the contract's.
  return { ...methods, send } as unknown as Client;
}

async function call<Id extends OperationId>(
  id: Id,
  input: CallInput<Id>,
  options: ClientOptions,
): Promise<Answer<Id>> {
  const request = await buildRequest(id, input as Loose, options);
  const maxRetries = options.maxRetries ?? 3;
  const sleep = options.sleep ?? sleepFor;
  for (let attempt = 0; ; attempt += 1) {
    const outcome = await once(request, input.signal, options);
    if ('answer' in outcome) return outcome.answer as Answer<Id>;
    if (!outcome.retryable || attempt >= maxRetries) throw outcome.error;
    await sleep(outcome.retryAfterMs ?? Math.min(100 * 2 ** attempt, 5_000), input.signal);
  }
}

type Loose = CallOptions & {
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
} & Readonly<Record<string, unknown>>;

interface Request {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** The answer is no JSON. */
  readonly text: boolean;
}

async function buildRequest(
  id: OperationId,
  input: Loose,
  options: ClientOptions,
): Promise<Request> {
  const route = routeOf(id);
  const headers: Record<string, string> = { accept: 'application/json, application/problem+json' };
  const { credential } = options;
  if (credential !== undefined && route.tenant === 'caller') {
    const text = typeof credential === 'string' ? credential : await credential();
    headers['authorization'] = `Bearer ${text}`;
  }
  if (options.correlationId !== undefined) headers['x-correlation-id'] = options.correlationId;
  if (input.ifMatch !== undefined) headers['if-match'] = input.ifMatch;
  if (route.idempotent === 'key') {
    headers['idempotency-key'] =
      input.idempotencyKey ?? (options.newIdempotencyKey ?? (() => crypto.randomUUID()))();
  }
  const sendsBody = route.body !== undefined && !(route.bodyOptional && input.body === undefined);
  if (sendsBody) headers['content-type'] = bodyType(route);
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = input[name];
    if (typeof value !== 'string' || value === '') {
      throw new TypeError(`${id} needs '${name}'`);
    }
    return encodeURIComponent(value);
  });
  return {
    url: options.baseUrl.replace(/\/+$/, '') + path + queryText(input.query ?? {}),
    method: route.method,
    headers,
    body: sendsBody ? bodyText(route, input.body) : undefined,
    text: route.text !== undefined,
  };
}

function bodyText(route: Route, body: unknown): string {
  if (route.form !== true) return JSON.stringify(body);
  return new URLSearchParams(body as Record<string, string>).toString();
}

function queryText(query: Readonly<Record<string, unknown>>): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined) parts.append(name, String(item));
    }
  }
  const text = parts.toString();
  return text === '' ? '' : `?${text}`;
}

type Outcome =
  | { readonly answer: Answer<OperationId> }
  | { readonly error: CloudFlowError; readonly retryable: boolean; readonly retryAfterMs?: number };

async function once(
  request: Request,
  signal: AbortSignal | undefined,
  options: ClientOptions,
): Promise<Outcome> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  let response: Response;
  let text: string;
  try {
    response = await (options.fetch ?? globalThis.fetch)(request.url, {
      method: request.method,
      headers: request.headers,
      ...(request.body === undefined ? {} : { body: request.body }),
      redirect: 'error',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    text = await response.text();
  } catch (cause) {
    if (signal?.aborted) throw cause; // the caller's own wish is not an error of the API
    // Every operation may be repeated: reads and PUTs by nature, POSTs by their key.
    return {
      error: new CloudFlowError('UNAVAILABLE', `no answer from ${options.baseUrl}`, { cause }),
      retryable: true,
    };
  }
  const requestId = response.headers.get('x-request-id');
  const body = response.ok && request.text ? text : parse(text);
  if (response.ok) {
    const etag = response.headers.get('etag');
    return { answer: { status: response.status, body: body as never, etag, requestId } };
  }
  const retryAfterMs = retryAfter(response.headers.get('retry-after'));
  return {
    error: toError(response.status, body, requestId),
    retryable: response.status === 429 || response.status === 503,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a proxy's page, not ours: the status says what there is to say
  }
}

/** Seconds or a date; at most a minute, so that a strange header cannot hang the caller. */
function retryAfter(value: string | null): number | undefined {
  if (value === null || !/^\d{1,6}$/.test(value)) return undefined;
  return Math.min(Number(value) * 1000, 60_000);
}

function toError(status: number, body: unknown, requestId: string | null): CloudFlowError {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as {
    code?: unknown;
    title?: unknown;
    detail?: unknown;
    problems?: unknown;
  };
  const { code, title, detail, problems, ...rest } = problem;
  return new CloudFlowError(
    isApiErrorCode(code) ? code : codeFor(status),
    typeof detail === 'string' ? detail : typeof title === 'string' ? title : `status ${status}`,
    {
      problems: Array.isArray(problems) ? (problems as Problem[]) : [],
      details: { ...rest, status, request_id: requestId },
    },
  );
}

/** For answers that are not of our API: a proxy, or a newer server with codes unknown here. */
function codeFor(status: number): ApiErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'PERMISSION_DENIED';
  if (status === 404) return 'NOT_FOUND';
  if (status === 429) return 'RATE_LIMITED';
  if (status === 502 || status === 503 || status === 504) return 'UNAVAILABLE';
  return status >= 500 ? 'INTERNAL' : 'REQUEST_INVALID';
}

function sleepFor(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Every item of a listed operation, page by page. */
export async function* itemsOf<Item>(
  fetchPage: (cursor: string | undefined) => Promise<{
    readonly items: readonly Item[];
    readonly next_cursor: string | null;
  }>,
): AsyncGenerator<Item> {
  let cursor: string | undefined;
  do {
    const page = await fetchPage(cursor);
    yield* page.items;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
}
