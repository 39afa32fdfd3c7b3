import { createHash, randomBytes } from 'node:crypto';
import type { ResponseBody } from '#contract/routes.ts';
import { ISSUER, type TestApi } from '#test/support/api.ts';

/** A program that signs in, and the browser that it opens. */
export const RETURN_TO = 'http://127.0.0.1:4711/callback';

export interface Begun {
  /** At the provider. */
  readonly location: URL;
  readonly cookie: string;
  readonly verifier: string;
}

export type Tokens = ResponseBody<'refreshTokens'> & {
  readonly code: string;
  readonly mfa_token: string;
};

export class Browser {
  readonly url: string;
  /** Where the platform is reached from outside, as it thinks. */
  readonly issuer: string;

  constructor(api: Pick<TestApi, 'server'>, issuer = ISSUER) {
    this.url = api.server.url;
    this.issuer = issuer;
  }

  begin(slug: string, provider: string, more: Record<string, string> = {}) {
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams({
      return_to: RETURN_TO,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      state: 'of-the-program',
      ...more,
    });
    return this.get(`/api/v1/auth/sso/${slug}/${provider}?${query}`).then((response) => ({
      response,
      verifier,
    }));
  }

  async begun(slug: string, provider: string): Promise<Begun> {
    const { response, verifier } = await this.begin(slug, provider);
    const location = response.headers.get('location');
    if (response.status !== 303 || location === null) {
      throw new Error(`not begun: ${response.status} ${await response.text()}`);
    }
    return { location: new URL(location), cookie: cookieOf(response), verifier };
  }

  /** As the provider sends the browser back. */
  callback(
    begun: Begun,
    params: Record<string, string> | string,
    cookie = begun.cookie,
    path?: string,
  ) {
    const query = typeof params === 'string' ? params : new URLSearchParams(params).toString();
    const back = path ?? new URL(begun.location.searchParams.get('redirect_uri') ?? '').pathname;
    return this.get(`${back}?${query}`, cookie);
  }

  /** Goes where it is sent, at the provider, until it is sent back to us; answers what comes back. */
  async visit(begun: Begun, who: string): Promise<Record<string, string>> {
    const jar = new Map([['who', who]]);
    let at = begun.location.href;
    for (let hops = 0; hops < 12; hops++) {
      if (at.startsWith(`${this.issuer}/`)) return Object.fromEntries(new URL(at).searchParams);
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await fetch(at, { redirect: 'manual', headers: { cookie } });
      for (const each of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(each) ?? [];
        if (value === '') jar.delete(name);
        else jar.set(name, value);
      }
      const location = response.headers.get('location');
      if (location === null)
        throw new Error(`${at} answers ${response.status} ${await response.text()}`);
      at = new URL(location, at).href;
    }
    throw new Error('the provider sends the browser in circles');
  }

  async exchange(code: string, verifier: string, more: Record<string, unknown> = {}) {
    return this.post('/api/v1/auth/sso/token', { code, code_verifier: verifier, ...more });
  }

  async post(path: string, body: unknown, token?: string) {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Tokens };
  }

  get(path: string, cookie = ''): Promise<Response> {
    return fetch(this.url + path, {
      redirect: 'manual',
      headers: cookie === '' ? {} : { cookie },
    });
  }
}

/** What a browser would send back of it. */
export function cookieOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((each) => each.split(';', 1)[0])
    .join('; ');
}

/** The code that the browser carries to the program; empty: it carries none. */
export function codeOf(response: Response): string {
  const location = response.headers.get('location');
  return location === null ? '' : (new URL(location).searchParams.get('code') ?? '');
}
