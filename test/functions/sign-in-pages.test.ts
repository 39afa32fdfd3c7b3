import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isForBrowsers } from '#contract/route.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { freePort } from '#test/support/free-port.ts';
import { createPeople } from '#test/support/people.ts';

const CHROME =
  'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7';
const FIREFOX = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const HOSTILE = '"><script>alert(1)</script>';
const RETURN_TO = 'http://127.0.0.1:4711/callback';
const CHALLENGE = 'A'.repeat(43);
const STATE = `cfs_${'A'.repeat(43)}`;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

interface Failure {
  readonly of: OperationId;
  readonly path: string;
  readonly init?: RequestInit;
  readonly code: string;
}

describeWithPostgres('whose sign-in elsewhere fails in a browser', () => {
  let api: TestApi;
  let slug: string;

  beforeAll(async () => {
    const database = await createTestDatabase();
    // Nobody listens there.
    const host = `127.0.0.1:${await freePort()}`;
    api = await startTestApi(database, { egressAllow: [host] });
    const home = await createPeople(api, database).tenant();
    slug = home.slug;
    await api.client(await api.createKey(home.tenant, ['*'])).createIdentityProvider({
      body: {
        name: 'corp',
        enabled: true,
        protocol: {
          kind: 'oidc',
          issuer: `http://${host}`,
          client_id: 'cloudflow',
          client_auth: 'client_secret_basic',
        },
        email_domains: ['example.com'],
        default_roles: null,
        trusts_mfa: false,
        client_secret: 'the client secret',
      },
    });
  });
  afterAll(() => api?.close());

  const begin = (provider: string, return_to = RETURN_TO) =>
    `/${slug}/${provider}?${new URLSearchParams({ return_to, code_challenge: CHALLENGE, state: 'of-the-program' })}`;
  const FAILURES: Readonly<Record<string, () => Failure>> = {
    'where nobody signs in': () => ({
      ...{ of: 'beginSignIn', path: begin('nobody'), code: 'NOT_FOUND' },
    }),
    'at a provider that is away': () => ({
      ...{ of: 'beginSignIn', path: begin('corp'), code: 'IDENTITY_PROVIDER_AWAY' },
    }),
    'to be led elsewhere': () => ({
      ...{ of: 'beginSignIn', path: begin('corp', `https://evil.example/${HOSTILE}`) },
      code: 'REQUEST_INVALID',
    }),
    'that nobody began': () => ({
      of: 'finishSignIn',
      path: `/${slug}/corp/callback?${new URLSearchParams({ state: STATE, code: HOSTILE })}`,
      code: 'TOKEN_INVALID',
    }),
    'that comes back without anything': () => ({
      ...{ of: 'finishSignIn', path: `/${slug}/corp/callback`, code: 'REQUEST_INVALID' },
    }),
    'of a tenant that is not there': () => ({
      ...{ of: 'finishSignIn', path: `/no-such/corp/callback?state=${STATE}` },
      code: 'TOKEN_INVALID',
    }),
    'by a form that nobody asked for': () => ({
      of: 'finishSamlSignIn',
      path: `/${slug}/corp/acs`,
      init: {
        method: 'POST',
        headers: FORM,
        body: new URLSearchParams({ SAMLResponse: HOSTILE, RelayState: STATE }).toString(),
      },
      code: 'TOKEN_INVALID',
    }),
    'by a form that is none': () => ({
      of: 'finishSamlSignIn',
      path: `/${slug}/corp/acs`,
      init: { method: 'POST', headers: { 'content-type': 'text/xml' }, body: '<Response/>' },
      code: 'UNSUPPORTED_MEDIA_TYPE',
    }),
  };

  const ask = ({ path, init }: Pick<Failure, 'path' | 'init'>, accept: string | null) =>
    fetch(`${api.server.url}/api/v1/auth/sso${path}`, {
      ...init,
      redirect: 'manual',
      headers: {
        ...(init?.headers as Record<string, string> | undefined),
        ...(accept === null ? {} : { accept }),
      },
    });

  it('is each of these, for every route that people are sent to', () => {
    const covered = new Set(Object.values(FAILURES).map((failure) => failure().of));
    expect([...covered].sort()).toEqual(
      operationIds.filter((id) => isForBrowsers(routeOf(id))).sort(),
    );
  });

  describe.each(Object.keys(FAILURES))('%s', (name) => {
    const failure = () => (FAILURES[name] as () => Failure)();

    it.each([CHROME, FIREFOX])(
      'is shown a page that says what to do, and nothing else',
      async (accept) => {
        const { code, ...request } = failure();
        const answer = await ask(request, accept);
        const { headers } = answer;
        const page = await answer.text();
        const id = headers.get('x-request-id') ?? 'none';
        expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
        expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
        expect(page).toContain('<h1>You are not signed in</h1>');
        expect(page).toContain(`<code>${code}</code>, request <code>${id}</code>`);
        expect(page).toMatch(/<p>[A-Z][^<]{40,}\.<\/p>/);
        // Nothing of what was sent, nothing that loads, runs or leads anywhere.
        for (const inside of [slug, 'corp', 'evil', 'alert', STATE, 'issuer', 'SAML', 'pointer']) {
          expect([inside, page.includes(inside)]).toEqual([inside, false]);
        }
        expect(page).not.toMatch(
          /<(?:script|style|link|img|iframe|form|a|base|object)\b|\s(?:on\w+|src|href|style)=/i,
        );
        expect(headers.get('content-security-policy')).toContain("default-src 'none'");
        expect(headers.get('x-content-type-options')).toBe('nosniff');
        expect(headers.get('cache-control')).toBe('no-store');
        expect(headers.get('vary')).toBe('Accept');
        expect(headers.get('set-cookie')).toBeNull();
      },
    );

    it.each([null, '*/*', 'application/json', 'application/json, text/html', 'text/html;q=0, */*'])(
      'is told problem details where %j is what it takes, with the same status',
      async (accept) => {
        const { code, ...request } = failure();
        const [answer, page] = [await ask(request, accept), await ask(request, CHROME)];
        expect(answer.headers.get('content-type')).toBe('application/problem+json');
        expect(await answer.json()).toMatchObject({ code, status: page.status });
        await page.arrayBuffer();
      },
    );
  });

  it('and asks any other route is told problem details, whatever they take', async () => {
    for (const path of ['/api/v1/auth/me', '/api/v1/users', '/api/v1/nowhere']) {
      const answer = await fetch(api.server.url + path, { headers: { accept: CHROME } });
      expect([path, answer.headers.get('content-type')]).toEqual([
        path,
        'application/problem+json',
      ]);
      await answer.arrayBuffer();
    }
  });
});
