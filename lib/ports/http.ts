/** Calls out over HTTP on behalf of a tenant, behind the egress guard. Never rejects. */
export interface Http {
  request(request: HttpRequest): Promise<HttpAnswer>;
  close(): Promise<void>;
}

export interface HttpRequest {
  /** Connections are pooled per tenant and never shared between tenants. */
  readonly tenant: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD';
  readonly url: string;
  /** Lower-case names; `content-length`, `host` and the like belong to the transport. */
  readonly headers: { readonly [name: string]: string };
  /** Names among `headers` that must not follow a redirect to another origin, nor travel in clear. */
  readonly secretHeaders: readonly string[];
  readonly body: string | null;
  /** Redirects to follow, each hop judged anew. */
  readonly maxRedirects: number;
  /** Bytes of the body after decompression. */
  readonly maxResponseBytes: number;
  /** Ends everything: the attempt's time is up, or nobody wants the answer any more. */
  readonly signal: AbortSignal;
}

export type HttpAnswer =
  | {
      readonly ok: true;
      readonly status: number;
      /** Lower-case names, values of a repeated name joined with a comma. */
      readonly headers: { readonly [name: string]: string };
      /** Decompressed. */
      readonly body: Uint8Array;
    }
  | { readonly ok: false; readonly reason: HttpFailure; readonly message: string };

/**
 *  refused      the guard says no; nothing was sent there
 *  invalid      the request cannot be sent as given
 *  unreachable  no answer came, or not all of it
 *  idle         the answer stopped coming for too long
 *  aborted      the signal ended it
 *  redirects    more redirects than allowed, or one that may not be followed
 *  too_large    the answer is larger than allowed
 *  undecodable  the answer is not HTTP, or its content encoding cannot be undone
 */
export type HttpFailure =
  | 'refused'
  | 'invalid'
  | 'unreachable'
  | 'idle'
  | 'aborted'
  | 'redirects'
  | 'too_large'
  | 'undecodable';
