/** Calls of the platform's API as any client would make them: plain HTTP, three outcomes. */

export interface Answer {
  readonly status: number;
  readonly body: { readonly [name: string]: unknown };
  readonly requestId: string | null;
}

/** Null: no answer came. What was asked for may or may not have been done. */
export type Outcome = Answer | null;

export interface Api {
  call(
    method: string,
    path: string,
    more?: { readonly body?: unknown; readonly key?: string; readonly ifMatch?: string },
  ): Promise<Outcome>;
}

const ANSWER_MS = 15_000;

export function createApi(baseUrl: string, apiKey: string): Api {
  return {
    async call(method, path, { body, key, ifMatch } = {}) {
      try {
        const response = await fetch(`${baseUrl}${path}`, {
          method,
          headers: {
            authorization: `Bearer ${apiKey}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(key === undefined ? {} : { 'idempotency-key': key }),
            ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(ANSWER_MS),
        });
        const text = await response.text();
        return {
          status: response.status,
          body: text === '' ? {} : (JSON.parse(text) as Answer['body']),
          requestId: response.headers.get('x-request-id'),
        };
      } catch {
        return null;
      }
    },
  };
}

/** Whether it says what became of the request. 409 with this code: the first one of this key is under way. */
export function isKnown({ status, body }: Answer): boolean {
  return status < 500 && status !== 429 && body['code'] !== 'IDEMPOTENCY_IN_PROGRESS';
}
