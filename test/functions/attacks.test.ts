import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';

/** What attackers try over HTTP that is not about one token: none is taken, and none is a 5xx. */
const PASSWORD = 'a long walk in the rain';

describeWithPostgres('attacks from outside', () => {
  let database: TestDatabase;
  let api: TestApi;
  let people: People;
  let tenant: string;
  let slug: string;
  let owner: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
    people = createPeople(api, database);
    ({ tenant, slug } = await people.tenant());
    owner = await api.createKey(tenant, ['*']);
  });
  afterAll(() => api?.close());

  async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(api.server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: (text === '' ? {} : JSON.parse(text)) as Record<string, string>,
    };
  }

  /** Bytes as they stand: clients correct paths before they send them. */
  function raw(lines: readonly string[]): Promise<number> {
    const { hostname, port } = new URL(api.server.url);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port) });
      let answer = '';
      socket.on('data', (bytes) => {
        answer += bytes.toString();
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0)));
      socket.write(`${lines.join('\r\n')}\r\nhost: x\r\nconnection: close\r\n\r\n`);
    });
  }

  it('of a thousand refreshes that race, each chain has one live end', async () => {
    const { email } = await people.user(tenant, { password: PASSWORD });
    const chains = 50;
    const racers = 20;
    for (let i = 0; i < chains; i++) {
      const signedIn = await post('/api/v1/auth/login', {
        tenant: slug,
        email,
        password: PASSWORD,
      });
      const token = { refresh_token: signedIn.body['refresh_token'] };
      const answers = await Promise.all(
        Array.from({ length: racers }, () => post('/api/v1/auth/refresh', token)),
      );
      // One client that repeats itself is given the same next token, and so is nobody's rival.
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      expect(new Set(answers.map(({ body }) => body['refresh_token'])).size).toBe(1);
    }
    const { rows } = await database.admin.query<{ live: number; sessions: number }>(
      `select count(*)::integer as live, count(distinct session_id)::integer as sessions
       from refresh_tokens where tenant_id = $1 and used_at is null`,
      [tenant],
    );
    expect(rows).toEqual([{ live: chains, sessions: chains }]);
  }, 120_000);

  it('of many clients that race for one token, nobody is left signed in', async () => {
    const { email } = await people.user(tenant, { password: PASSWORD });
    const signedIn = await post('/api/v1/auth/login', { tenant: slug, email, password: PASSWORD });
    const token = { refresh_token: signedIn.body['refresh_token'] };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        post('/api/v1/auth/refresh', token, { 'user-agent': `client ${i}` }),
      ),
    );
    const given = answers.filter(({ status }) => status === 200);
    expect(given.length).toBeLessThanOrEqual(1);
    expect(answers.every(({ status }) => status === 200 || status === 401)).toBe(true);
    for (const { body } of [signedIn, ...given]) {
      const me = await fetch(`${api.server.url}/api/v1/auth/me`, {
        headers: { authorization: `Bearer ${body['access_token']}` },
      });
      expect(me.status).toBe(401);
    }
  });

  it('two spellings of one address are one account', async () => {
    const headers = { authorization: `Bearer ${owner}` };
    const invited = await post('/api/v1/users', { email: 'Ada@Example.com', roles: [] }, headers);
    expect(invited.status).toBe(201);
    for (const email of [
      'ada@example.com',
      'ADA@EXAMPLE.COM',
      'ada@example.com.',
      'ada@ｅｘａｍｐｌｅ.com',
      'ａda@example.com',
    ]) {
      expect([email, (await post('/api/v1/users', { email, roles: [] }, headers)).status]).toEqual([
        email,
        409,
      ]);
    }
  });

  it.each([['X-HTTP-Method-Override'], ['X-HTTP-Method'], ['X-Method-Override']])(
    '%s changes no method',
    async (header) => {
      const viewer = await api.createKey(tenant, ['workflow:read']);
      const response = await fetch(`${api.server.url}/api/v1/workflows/absent`, {
        headers: { authorization: `Bearer ${viewer}`, [header]: 'DELETE' },
      });
      // Of a GET: a DELETE would be refused to this key.
      expect(response.status).toBe(404);
      const asQuery = await fetch(`${api.server.url}/api/v1/workflows/absent?_method=DELETE`, {
        headers: { authorization: `Bearer ${viewer}` },
      });
      expect(asQuery.status).toBe(400);
    },
  );

  it.each([
    ['/api/v1/users/../users'],
    ['/api/v1/./users'],
    ['//api/v1/users'],
    ['/api/v1//users'],
    ['/api/v1/users/'],
    ['/API/V1/USERS'],
    ['/api/v1/users;jsessionid=1'],
    ['/api/v1/%75sers'],
    ['/api/v1/users%2f'],
    ['/api/v1/users%00'],
    ['/api/v1/users%0d%0aset-cookie:x'],
    ['/api/v1/users%'],
    ['/api/v1/%c0%ae%c0%ae/users'],
    ['/healthz/../api/v1/users'],
    ['/healthz/%2e%2e/api/v1/users'],
    ['/.well-known/jwks.json/../../api/v1/users'],
    ['http://other.example/api/v1/users'],
    ['*'],
  ])('%s reaches nothing without a credential', async (path) => {
    const status = await raw([`GET ${path} HTTP/1.1`]);
    expect([400, 401, 404]).toContain(status);
  });

  it.each(['TRACE', 'CONNECT', 'PATCH', 'PROPFIND', 'get', 'G\u00c9T'])(
    'method %s does nothing',
    async (method) => {
      const status = await raw([
        `${method} /api/v1/users HTTP/1.1`,
        `authorization: Bearer ${owner}`,
      ]);
      expect(status === 0 || (status >= 400 && status < 500)).toBe(true);
    },
  );

  it('a request that two readers would read differently is refused', async () => {
    for (const lines of [
      ['POST /api/v1/auth/login HTTP/1.1', 'content-length: 4', 'transfer-encoding: chunked'],
      ['POST /api/v1/auth/login HTTP/1.1', 'content-length: 4', 'content-length: 5'],
      ['GET /api/v1/users HTTP/1.1', 'transfer-encoding: chunked, identity'],
      ['GET /api/v1/users HTTP/1.1', 'bad header: x'],
      ['GET /api/v1/users HTTP/1.1', ' authorization: Bearer x'],
    ]) {
      const status = await raw(lines);
      expect([lines.join(' | '), status >= 400 && status < 500]).toEqual([lines.join(' | '), true]);
    }
  });

  it('what a caller says of itself in headers changes nothing', async () => {
    const other = await people.tenant();
    for (const headers of [
      { 'x-tenant-id': other.tenant },
      { 'x-forwarded-user': 'admin' },
      { 'x-original-url': '/healthz' },
      { 'x-rewrite-url': '/healthz' },
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
    ] as Record<string, string>[]) {
      const without = await fetch(`${api.server.url}/api/v1/users`, { headers });
      expect(without.status).toBe(401);
      const me = await fetch(`${api.server.url}/api/v1/auth/me`, {
        headers: { ...headers, authorization: `Bearer ${owner}` },
      });
      expect(await me.json()).toMatchObject({ tenant_id: tenant });
    }
  });
});
