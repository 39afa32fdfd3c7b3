import { request } from 'node:http';
import type { Json } from '#core/json.ts';

export interface Posted {
  readonly status: number;
  readonly retryAfter: string | null;
  /** Each test knows what it asked for. */
  readonly body: Record<string, Json>;
}

export interface PostOptions {
  readonly token?: string;
  readonly method?: 'POST' | 'PUT' | 'GET' | 'DELETE';
  /** The address of this machine that the call comes from; default 127.0.0.1. */
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Post = (path: string, body?: Json, options?: PostOptions) => Promise<Posted>;

/** Asks a server as anybody can, from any address of the loopback network. */
export function postingTo(url: string): Post {
  return (path, body, { token, method = 'POST', from, headers } = {}) =>
    new Promise((resolve, reject) => {
      const sent = request(
        new URL(`/api/v1${path}`, url),
        {
          method,
          agent: false,
          ...(from === undefined ? {} : { localAddress: from }),
          headers: {
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...headers,
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('error', reject);
          response.on('end', () => {
            const retryAfter = response.headers['retry-after'] ?? null;
            const answer = text === '' ? {} : (JSON.parse(text) as Record<string, Json>);
            resolve({ status: response.statusCode ?? 0, retryAfter, body: answer });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
}
