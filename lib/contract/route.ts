import type { Static, TObject, TSchema } from 'typebox';
import type { ApiErrorCode } from '#core/errors.ts';
import { ADMINISTRATIVE, type Permission } from './permissions.ts';

export const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;
export type Method = (typeof METHODS)[number];

/** The services of the API: each becomes one function with a router inside. */
export const TAGS = [
  'workflows',
  'executions',
  'approvals',
  'callbacks',
  'connections',
  'auth',
  'sso',
  'saml',
  'identity-providers',
  'users',
  'roles',
  'tenants',
  'api-keys',
  'sessions',
  'audit',
  'dead-letters',
  'platform',
] as const;
export type Tag = (typeof TAGS)[number];

/**
 * Who may call, and whose data it is about. The combinations that exist, so that a route which says
 * nothing, or half of it, does not type-check:
 *
 *  - `caller`: the tenant of the verified credential; an id of another tenant is not found. Instead of
 *    a permission it may say `self`, for users about themselves, or `known`, for whoever is known.
 *  - `token`: an unguessable token in the path is the credential and names its tenant.
 *  - `proof`: the body holds what proves who calls (a password, a token that was mailed), and only
 *    data of the account that it proves is touched. A GET of this kind is a browser on its way to prove it.
 *  - `none`: no tenant's data is read or written.
 */
export type Access =
  | { readonly tenant: 'caller'; readonly permission: Permission | 'self' | 'known' }
  | { readonly tenant: 'token'; readonly permission: 'token' }
  | { readonly tenant: 'proof'; readonly permission: 'public' }
  | { readonly tenant: 'none'; readonly permission: 'public' };

/**
 * How old an answer may be; every GET says it.
 *
 *  - `current`: it shows all that was committed before it was asked. What callers decide on, what
 *    they change next with If-Match, and what they have just made.
 *  - `of_caller`: what is told of whoever calls, about themselves, is as old as what they may do may be:
 *    two seconds at most. A change is held against what is there, whatever was seen.
 *  - `may_lag`: it may be as old as a reader of the database is behind, usually far less than a second.
 *    A refusal is never of a reader: who is not found there is looked for where it is written.
 */
export type Reads =
  | { readonly method: 'GET'; readonly reads: 'current' | 'of_caller' | 'may_lag' }
  | { readonly method: Exclude<Method, 'GET'> };

export type TenantRule = Access['tenant'];

export type Route = Access &
  Reads & {
    readonly path: `/${string}`;
    readonly tag: Tag;
    readonly summary: string;
    readonly description?: string;
    readonly params?: TObject;
    readonly query?: TObject;
    readonly body?: TSchema;
    /** The body may be left out; it is then `{}`. */
    readonly bodyOptional?: true;
    /** The body is a form as browsers post it, each field once; for answers of other sites alone. */
    readonly form?: true;
    /** The answer is text of this type; else it is JSON. */
    readonly text?: 'application/samlmetadata+xml' | 'text/html; charset=utf-8';
    /** Null: no body (204). */
    readonly response: TSchema | null;
    /** 303: a browser is sent on, by Location. */
    readonly status: 200 | 201 | 202 | 204 | 303;
    /** A second success, where the same call may find its work already done. */
    readonly alternative?: { readonly status: 200; readonly when: string };
    /** `required`: a change must name the state it saw with If-Match; `optional`: it may. */
    readonly ifMatch?: 'required' | 'optional';
    /**
     * Answers carry an ETag. `state`: of what a change must name; the answer may show more than that.
     * `content`: equal tags mean equal answers, so a GET answers If-None-Match with 304.
     */
    readonly etag?: 'state' | 'content';
    /**
     * How a repeat is made harmless: `natural` by what the call means, `key` by Idempotency-Key, with
     * the answer kept and given again. Every POST is `key`, but for those whose answer holds a
     * credential or whose body is one: these are `unkept`, for nothing of them may be stored.
     */
    readonly idempotent: 'natural' | 'key' | 'unkept';
    /**
     * What the audit trail is told: `change` before and after something of a tenant changes, `read` that
     * data of people was shown, `nothing` where neither is. Refusals are told of every route.
     */
    readonly audit: 'change' | 'read' | 'nothing';
    /**
     * Of a route for users about themselves that changes something: a session of mode test may, since
     * nothing changes but that session. Elsewhere it may not, for users are shared with mode live.
     */
    readonly inTestMode?: 'allowed';
    /**
     * How many seconds anybody may keep the answer, caches on its way too; left out: nobody may. For what is
     * told to everybody alike, and so of routes that are about no tenant alone.
     */
    readonly keptSeconds?: number;
    /** Codes beyond those that follow from the rest of the route (see `errorsOf`). */
    readonly errors: readonly ApiErrorCode[];
  };

/** Whether an answer may lag behind what was committed. */
export function mayLag(route: Route): boolean {
  return route.method === 'GET' && route.reads === 'may_lag';
}

/** Whether people are sent here by another site: a failure is a page to those who ask for HTML. */
export function isForBrowsers(route: Route): boolean {
  return route.status === 303;
}

/** The Content-Type of a route's body. */
export function bodyType(route: Route): string {
  return route.form === true ? 'application/x-www-form-urlencoded' : 'application/json';
}

/** The Content-Type of a route's answer. */
export function answerType(route: Route): string {
  return route.text ?? 'application/json';
}

/** How old an answer may be, for people; null: it is current. */
export function ageOf(route: Route): string | null {
  if (mayLag(route)) return MAY_LAG;
  return route.method === 'GET' && route.reads === 'of_caller' ? OF_CALLER : null;
}

const OF_CALLER = 'What it says of the user may be two seconds old.';

const MAY_LAG =
  'The answer may lag behind what was just written, usually by far less than a second.';

type PartOf<R extends Route, K extends 'params' | 'query' | 'body'> = R extends {
  readonly [P in K]: infer S extends TSchema;
}
  ? Static<S>
  : Record<never, never>;

export type ParamsOf<R extends Route> = PartOf<R, 'params'>;
export type QueryOf<R extends Route> = PartOf<R, 'query'>;
export type BodyOf<R extends Route> = R extends { readonly body: infer S extends TSchema }
  ? Static<S>
  : undefined;
export type ResponseOf<R extends Route> = R['response'] extends TSchema
  ? Static<R['response']>
  : undefined;

/** Every code a route can answer with: its own and those that follow from its shape. */
export function errorsOf(route: Route): ApiErrorCode[] {
  const codes = new Set<ApiErrorCode>(['REQUEST_INVALID', 'INTERNAL', 'UNAVAILABLE']);
  if (route.tenant === 'caller') {
    codes.add('UNAUTHENTICATED').add('PERMISSION_DENIED').add('RATE_LIMITED');
    if (ADMINISTRATIVE.has(route.permission as Permission)) {
      codes.add('MFA_REQUIRED');
    }
  }
  if (route.tenant === 'proof' || route.tenant === 'token') codes.add('RATE_LIMITED');
  if (route.body !== undefined) {
    codes.add('REQUEST_MALFORMED').add('PAYLOAD_TOO_LARGE').add('PAYLOAD_TOO_DEEP');
    codes.add('UNSUPPORTED_MEDIA_TYPE').add('REQUEST_TIMEOUT');
  }
  if (route.idempotent === 'key') {
    codes
      .add('IDEMPOTENCY_KEY_INVALID')
      .add('IDEMPOTENCY_IN_PROGRESS')
      .add('IDEMPOTENCY_KEY_REUSED');
  }
  if (route.ifMatch !== undefined) codes.add('PRECONDITION_FAILED');
  if (route.ifMatch === 'required') codes.add('PRECONDITION_REQUIRED');
  if (route.query !== undefined && 'cursor' in route.query.properties) codes.add('CURSOR_INVALID');
  if (route.params !== undefined && (route.tenant === 'caller' || route.tenant === 'token'))
    codes.add('NOT_FOUND');
  for (const code of route.errors) codes.add(code);
  return [...codes];
}
