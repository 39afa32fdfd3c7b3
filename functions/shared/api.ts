import type { FUNCTIONS, StartedBy } from '#config/functions.ts';
import type { OperationId, ResponseBody, Routes } from '#contract/routes.ts';
import type { Input } from '#contract/validate.ts';
import type { Trace } from '#core/trace.ts';
import type { ClientInfo } from '#ports/sessions.ts';
import type { AuditNotes } from '#services/audit/auditor.ts';
import type { Principal } from '#services/identity/principal.ts';

/**
 * HTTP without a server: what API Gateway, the local server and tests all turn into and out of.
 * Header names are lower case; a header that came twice is joined with `, `.
 */
export interface ApiRequest {
  readonly method: string;
  /** Without the query, as it was sent (still escaped). */
  readonly path: string;
  /** Without the question mark; `` when there is none. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The address of the peer, as the connection says and no header; null: not known. */
  readonly source: string | null;
  /** Read only once the caller is known and allowed. Throws PAYLOAD_TOO_LARGE or REQUEST_TIMEOUT. */
  readBody(maxBytes: number): Promise<Uint8Array>;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: none. */
  readonly body: string | null;
}

export type ApiHandler = (request: ApiRequest) => Promise<ApiResponse>;

/** A call that is authenticated, allowed and of the right shape. */
export interface Call<Id extends OperationId> extends Input<Id> {
  readonly principal: Routes[Id]['tenant'] extends 'none' | 'proof' ? null : Principal;
  readonly client: ClientInfo;
  readonly audit: AuditNotes;
  readonly ifMatch: string | null;
  /** The Cookie header: of routes for browsers alone does it mean anything. */
  readonly cookies: string | null;
  readonly requestId: string;
  readonly correlationId: string;
  /** What is done for it goes on under this; null: nobody traces it. */
  readonly trace: Trace | null;
  /** Set when the caller sent an Idempotency-Key. */
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
}

export interface Reply<Id extends OperationId> {
  /** Default: the route's. */
  readonly status?: number;
  readonly body: ResponseBody<Id>;
  /** The strong ETag, without quotes. */
  readonly etag?: string;
  readonly location?: string;
  /** A Set-Cookie header. */
  readonly cookie?: string;
  /** The Content-Security-Policy of a page that browsers show; left out: they may show nothing. */
  readonly policy?: string;
}

/** A mapped table: an operation of the contract without a handler does not compile. */
export type Handlers<Ids extends OperationId = OperationId> = {
  readonly [Id in Ids]: (call: Call<Id>) => Promise<Reply<Id>>;
};

/** Operations of one part of the contract: what one function serves. */
export type OperationsOf<Tag extends string> = {
  [Id in OperationId]: Routes[Id]['tag'] extends Tag ? Id : never;
}[OperationId];

/** Operations that the registry gives one function of the API. */
export type ServedBy<Name extends StartedBy<'http'>> = OperationsOf<
  Extract<(typeof FUNCTIONS)[Name]['triggers'][number], { kind: 'http' }>['tags'][number]
>;
