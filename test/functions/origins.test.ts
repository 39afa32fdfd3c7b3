import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const OURS = 'https://console.cloudflow.example';
const THEIRS = 'https://app.acme.example';
const PATH = '/api/v1/workflows';

describeWithPostgres('which web pages may call', () => {
  let database: TestDatabase;
  let api: TestApi;
  let acme: { readonly tenant: string; readonly key: string };
  let other: { readonly tenant: string; readonly key: string };
  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database, { allowedOrigins: [OURS] });
    const make = async (origins: readonly string[]) => {
      const tenant = await api.createTenant();
      const key = await api.createKey(tenant, ['*']);
      expect((await setOrigins({ tenant, key }, origins)).status).toBe(200);
      return { tenant, key };
    };
    acme = await make([THEIRS, 'http://localhost:3000']);
    other = await make([]);
    // What holds is read again within two seconds.
    const holds = async () => expect((await ask(PATH, as(acme.key, THEIRS))).status).toBe(200);
    await vi.waitFor(holds, { timeout: 30_000, interval: 100 });
  });
  afterAll(async () => {
    await api?.close();
  });

  const ask = (path: string, headers: Record<string, string>, init: RequestInit = {}) =>
    fetch(`${api.server.url}${path}`, { ...init, headers });
  const as = (key: string, origin?: string) => ({
    authorization: `Bearer ${key}`,
    ...(origin === undefined ? {} : { origin }),
  });
  async function setOrigins(
    { tenant, key }: { readonly tenant: string; readonly key: string },
    allowed_origins: readonly unknown[],
  ): Promise<Response> {
    const path = `/api/v1/tenants/${tenant}`;
    const settings = { mfa: 'off', allowed_origins };
    return ask(
      path,
      { ...as(key), 'content-type': 'application/json', 'if-match': '*' },
      { method: 'PUT', body: JSON.stringify({ name: 'a tenant', settings }) },
    );
  }
  const readable = (response: Response) => response.headers.get('access-control-allow-origin');

  it('is said by each tenant, and by the platform for all of them', async () => {
    for (const origin of [THEIRS, 'http://localhost:3000', OURS]) {
      const response = await ask(PATH, as(acme.key, origin));
      expect([origin, response.status, readable(response)]).toEqual([origin, 200, origin]);
      expect(response.headers.get('vary')).toBe('Origin');
      expect(response.headers.get('access-control-allow-credentials')).toBeNull();
      expect(response.headers.get('access-control-expose-headers')).toContain('RateLimit');
    }
    expect((await ask(PATH, as(other.key, OURS))).status).toBe(200);
    const foreign = await ask(PATH, as(other.key, THEIRS));
    expect([foreign.status, readable(foreign)]).toEqual([403, null]);
    expect(await foreign.json()).toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  it('is no question for what is no page', async () => {
    const response = await ask(PATH, as(acme.key));
    expect([response.status, readable(response)]).toEqual([200, null]);
  });

  it.each([
    'null',
    'https://app.acme.example.evil.example',
    'https://evil.example/https://app.acme.example',
    'https://evilapp.acme.example',
    'https://app.acme.example:8443',
    'https://app.acme.example:443',
    'https://app.acme.example/',
    'https://APP.acme.example',
    'http://app.acme.example',
    'https://app.acme.example, https://evil.example',
    `${THEIRS} ${OURS}`,
    'http://localhost',
    'http://localhost:30000',
    'http://127.0.0.1:3000',
    'https://localhost:3000',
    'https://*.acme.example',
    '*',
    '',
    'file://',
  ])('a page of %j may neither do anything nor read why', async (origin) => {
    const workflow_id = 'made-by-a-page';
    const body = JSON.stringify({ workflow_id, version: '1.0.0', steps: [] });
    const response = await ask(
      PATH,
      { ...as(acme.key, origin), 'content-type': 'application/json' },
      { method: 'POST', body },
    );
    expect([response.status, readable(response)]).toEqual([403, null]);
    expect((await ask(`${PATH}/${workflow_id}`, as(acme.key))).status).toBe(404);
  });

  it('a preflight says the same to every page, and nothing of any tenant', async () => {
    const preflight = async (origin: string, path = PATH) => {
      const response = await ask(
        path,
        {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization',
        },
        { method: 'OPTIONS' },
      );
      const { headers, status } = response;
      const told = [...headers].filter(([name]) => !/^(?:x-.*-id|date)$/.test(name));
      return { status, told };
    };
    const first = await preflight(THEIRS);
    expect(first.status).toBe(204);
    const told = Object.fromEntries(first.told);
    expect(told).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, POST',
      'access-control-max-age': '600',
    });
    expect(told['access-control-allow-headers']).toMatch(/Authorization.*Idempotency-Key/);
    expect(told['access-control-allow-credentials']).toBeUndefined();
    for (const origin of [OURS, 'https://evil.example', 'null']) {
      expect(await preflight(origin)).toEqual(first);
    }
    const ofTenant = await preflight(THEIRS, `/api/v1/tenants/${acme.tenant}`);
    const ofNobody = `/api/v1/tenants/${acme.tenant.replace(/^./, 'f')}`;
    expect(await preflight(THEIRS, ofNobody)).toEqual(ofTenant);
    expect((await preflight(THEIRS, '/nowhere')).status).toBe(404);
  });

  it('any page may read what is told to nobody in particular', async () => {
    for (const [path, headers, status] of [
      ['/healthz', {}, 200],
      ['/.well-known/jwks.json', {}, 200],
      [PATH, {}, 401],
      [PATH, as('cfk_live_nobody'), 401],
      ['/nowhere', as(acme.key), 404],
    ] as const) {
      const response = await ask(path, { ...headers, origin: 'https://evil.example' });
      expect([path, response.status, readable(response)]).toEqual([path, status, '*']);
    }
  });

  it.each([
    ['*'],
    ['https://*'],
    ['https://*.acme.example'],
    ['null'],
    ['http://app.acme.example'],
    ['https://app.acme.example/'],
    ['https://app.acme.example/path'],
    ['https://app.acme.example:443'],
    ['https://App.acme.example'],
    ['https://ada@app.acme.example'],
    ['https://app.acme.example?x'],
    ['https://grün.example'],
    ['http://localhost:80'],
    ['http://localhost.evil.example'],
    ['https://app.acme.example, https://b.example'],
    ['javascript:alert(1)'],
    [' https://app.acme.example'],
  ])('a tenant is told that %j is no origin, where it stands', async (origin) => {
    const response = await setOrigins(acme, [THEIRS, origin]);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'REQUEST_INVALID',
      problems: [{ pointer: '/body/settings/allowed_origins/1' }],
    });
  });

  it('a tenant may name twenty, each once, and takes them away by leaving them out', async () => {
    const many = Array.from({ length: 21 }, (_, i) => `https://page-${i}.example`);
    expect((await setOrigins(other, many)).status).toBe(400);
    expect((await setOrigins(other, [THEIRS, THEIRS])).status).toBe(400);
    expect((await setOrigins(other, many.slice(1))).status).toBe(200);
    expect((await setOrigins(other, [])).status).toBe(200);
    const got = await ask(`/api/v1/tenants/${other.tenant}`, as(other.key));
    expect(await got.json()).toMatchObject({
      settings: { allowed_origins: [], requests_per_minute: null },
    });
  });
});
