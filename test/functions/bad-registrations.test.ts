import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { call, forEach, value, workflow } from '#test/core/plan/definitions.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const CRM = {
  type: 'http',
  base_url: 'https://crm.example',
  auth: { scheme: 'bearer', secret: 'token' },
};
const http = (base_url: string) => ({ type: 'http', base_url, auth: { scheme: 'none' } });

/** Where a connection may not begin, whatever it would be resolved to. */
const BASE_URLS = [
  'ftp://crm.example/',
  'file:///etc/passwd',
  'gopher://crm.example/',
  'javascript:alert(1)',
  '//crm.example',
  '/orders',
  '',
  'https://',
  'https://user@crm.example',
  'https://user:pass@crm.example',
  'https://crm.example@169.254.169.254/',
  'https://crm.example#@169.254.169.254/',
  'https://crm.example?to=169.254.169.254',
  'https://crm.example/a b',
  'https://crm.example/\u0000',
  'https://crm.example\\@169.254.169.254/',
  'https://crm.example:123456/',
  'https://%31%36%39.254.169.254/',
  'https://\uff11\uff16\uff19.254.169.254/',
  'https://\u2460.example/',
  'https://crm.example\r\nHost: x',
  `https://${'a'.repeat(254)}/`,
  `https://crm.example/${'a'.repeat(2_048)}`,
];

/** Where a step may not be sent, when it is written out in the definition. */
const URLS = [
  'ftp://crm.example/',
  'file:///etc/passwd',
  'gopher://crm.example/',
  'javascript:alert(1)',
  'https://user:pass@crm.example/',
  'https://',
  '',
  `https://crm.example/${'a'.repeat(8_193)}`,
];

/** What would leave the transaction, the session, the statement or the limits of an operation. */
const STATEMENTS: readonly (readonly [access: 'read' | 'write', statement: string])[] = [
  ['read', ''],
  ['read', '-- nothing'],
  ['read', 'select 1; select 2'],
  ['read', 'select 1; drop table orders'],
  ['read', 'insert into orders values (1)'],
  ['read', 'delete from orders'],
  ['read', "copy orders to program 'sh'"],
  ['read', 'set role postgres'],
  ['read', 'explain select 1'],
  ['read', "select 'open"],
  ['read', 'select /* open'],
  ['read', 'select $q$ open'],
  ['read', 'select $1, :name'],
  ['read', 'select $2'],
  ['read', 'select $65'],
  ['read', 'select $1'],
  ['read', 'select :name'],
  ['write', 'commit'],
  ['write', 'begin'],
  ['write', 'rollback'],
  ['write', 'do $$ begin end $$'],
  ['write', 'copy orders from stdin'],
  ['write', 'set session authorization postgres'],
  ['write', 'reset all'],
  ['write', 'listen x'],
  ['write', 'notify x'],
  ['write', 'lock orders'],
  ['write', 'truncate orders'],
  ['write', 'create table x ()'],
  ['write', 'drop table orders'],
  ['write', 'grant all on orders to public'],
  ['write', 'prepare transaction $$x$$'],
  ['write', 'savepoint a'],
];

const loop = (max_iterations: Json) => ({
  id: 'again',
  type: 'loop',
  config: { while: '{% true %}', max_iterations, steps: [value('inner')] },
});
const nested = (depth: number): object =>
  depth === 0
    ? value('leaf')
    : { id: `g${depth}`, type: 'group', config: { steps: [nested(depth - 1)] } };
const retry = (more: object) => workflow([call('a', { retry: more })]);

/** Definitions that ask for more of the machine than anybody is given. */
const BEYOND_LIMITS: Readonly<Record<string, object>> = {
  '11 retries': retry({ max_attempts: 11 }),
  'a retry after nothing': retry({ max_attempts: 1, interval: 0 }),
  'retries that grow faster than tenfold': retry({ max_attempts: 3, rate: 11 }),
  'a retry after a week': retry({ max_attempts: 1, interval: '7d' }),
  'a for_each of 1,001 items': workflow([forEach('e', [value('a')], { max_items: 1_001 })]),
  'a for_each that does 41 at a time': workflow([forEach('e', [value('a')], { concurrency: 41 })]),
  'a loop of 1,001 rounds': workflow([loop(1_001)]),
  'a loop of 1e9 rounds': workflow([loop(1e9)]),
  'a loop without a limit': workflow([loop(null)]),
  'six levels': workflow([nested(6)]),
  '101 steps in one list': workflow(Array.from({ length: 101 }, (_, n) => value(`s${n}`))),
  '501 steps in all': workflow(
    Array.from({ length: 6 }, (_, g) => ({
      ...{ id: `g${g}`, type: 'group' },
      config: { steps: Array.from({ length: 84 }, (_, n) => value(`s${g}-${n}`)) },
    })),
  ),
  'a wait of two years': workflow([{ id: 'w', type: 'wait', config: { duration: '731d' } }]),
  'a timeout of a thousand years': workflow([value('a')], { timeout: 31_536_000_000_000 }),
  '21 labels': workflow([value('a')], {
    labels: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`l${n}`, 'x'])),
  }),
  'an expression of 5,000 characters': workflow([
    value('a', [], { config: { value: `{% ${'1+'.repeat(2_500)}1 %}` } }),
  ]),
  'an expression of 100 levels': workflow([
    value('a', [], { config: { value: `{% ${'('.repeat(100)}1${')'.repeat(100)} %}` } }),
  ]),
  'an output of a megabyte': workflow([value('a', [], { max_output_bytes: 1_048_576 })]),
};

describeWithPostgres('what is registered for steps', () => {
  let database: TestDatabase;
  let api: TestApi;
  let key: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
    key = await api.createKey(await api.createTenant(), ['*']);
    const client = api.client(key);
    await client.createWorkflow({ body: aDefinition() });
    await client.createConnection({
      body: { name: 'web', connection: http('https://a.example') as never },
    });
    await client.createConnection({
      body: {
        name: 'shop',
        connection: {
          ...{ type: 'postgres', host: 'db.example.com', database: 'shop' },
          login: { username: 'u', secret: 's' },
        } as never,
        secrets: { s: 'x' },
      },
    });
  });
  afterAll(() => api?.close());

  async function stored(): Promise<unknown> {
    const { rows } = await database.admin.query(
      `select (select count(*) from workflow_versions) as versions,
              (select count(*) from connections) as connections,
              (select count(*) from connection_secrets) as secrets,
              (select count(*) from operations) as operations`,
    );
    return rows[0];
  }

  async function refused(path: string, body: object): Promise<string> {
    const before = await stored();
    const started = performance.now();
    const response = await fetch(`${api.server.url}/api/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const problem = (await response.json()) as Readonly<Record<string, Json>>;
    expect(performance.now() - started).toBeLessThan(2_000);
    expect([response.status, JSON.stringify(problem).slice(0, 300)]).toEqual([
      expect.toSatisfy((status: number) => status === 400 || status === 422),
      expect.any(String),
    ]);
    const told = [...((problem['problems'] ?? []) as Json[]), problem['detail']];
    expect(told.filter((each) => each !== undefined && each !== '').length).toBeGreaterThan(0);
    expect(JSON.stringify(problem)).not.toContain('pass@');
    expect(await stored()).toEqual(before);
    // The next good request answers.
    const good = await fetch(`${api.server.url}/api/v1/workflows/greeting`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(good.status).toBe(200);
    await good.arrayBuffer();
    return String(problem['code']);
  }

  it.each(BASE_URLS)('no connection begins with %j', async (url) => {
    const code = await refused('connections', { name: 'c', connection: http(url) });
    // U+0000 is refused before the shape is looked at.
    expect(code).toBe(url.includes('\u0000') ? 'REQUEST_MALFORMED' : 'REQUEST_INVALID');
  });

  it.each(URLS)('no step is sent to %j', async (url) => {
    expect(await refused('workflows', workflow([call('a', { url })]))).toBe('WORKFLOW_INVALID');
  });

  it.each(STATEMENTS)('no operation to %s is %j', async (access, statement) => {
    const code = await refused('connections/shop/operations', { name: 'o', access, statement });
    expect(code).toBe(statement === '' ? 'REQUEST_INVALID' : 'CONNECTION_INVALID');
  });

  it('no operation is on a connection that is no database', async () => {
    const response = await fetch(`${api.server.url}/api/v1/connections/web/operations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'o', access: 'read', statement: 'select 1 as one' }),
    });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: 'CONNECTION_INVALID' });
  });

  describe.each([
    ['a host with a path', { host: 'db.example.com/x' }],
    ['a host with a user', { host: 'u@db.example.com' }],
    ['a socket for a host', { host: '/var/run/postgresql' }],
    ['a database with NUL', { database: 'a\u0000b' }],
    ['port 0', { port: 0 }],
    ['port 70000', { port: 70_000 }],
    ['21 connections', { max_connections: 21 }],
    ['TLS by another name', { tls: 'prefer' }],
    ['a member that libpq knows', { options: '-c search_path=x' }],
  ] as const)('a database with %s', (_, more) => {
    it('is refused', async () => {
      const connection = {
        ...{ type: 'postgres', host: 'db.example.com', database: 'shop' },
        ...{ login: { username: 'u', secret: 's' }, ...more },
      };
      const body = { name: 'c', connection, secrets: { s: 'x' } };
      expect(await refusedCode(body)).toMatch(/^REQUEST_(INVALID|MALFORMED)$/);
    });
  });

  it.each([
    ['connections', { name: 'c', connection: CRM, secrets: { token: 'canary'.repeat(1_000) } }],
    ['connections', { name: 'c', connection: CRM, secrets: { token: ['canary'] } }],
    ['connections', { name: 'c', connection: CRM, secrets: { 'a b': 'canary' } }],
    ['connections', { name: 'c', connection: CRM, secret: 'canary' }],
    ['connections', { name: 'c', connection: http('https://user:canary@crm.example') }],
    ['auth/login', { tenant: 'acme', email: 'a@b.example', password: 'canary'.repeat(100) }],
    ['auth/login', { tenant: 'acme', email: 'a@b.example', pasword: 'canary' }],
    ['auth/refresh', { refresh_token: 'canary!'.repeat(5) }],
    ['callbacks/canary%21canary%21canary/complete', {}],
    ['workflows', workflow([call('a', { url: 'https://user:canary@crm.example/' })])],
  ])('a refusal never repeats a secret: %s', async (path, body) => {
    const response = await fetch(`${api.server.url}/api/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = await response.text();
    expect([400, 422]).toContain(response.status);
    expect(answer).not.toContain('canary');
  });

  async function refusedCode(body: object): Promise<string> {
    const before = await stored();
    const response = await fetch(`${api.server.url}/api/v1/connections`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(400);
    expect(await stored()).toEqual(before);
    return ((await response.json()) as { code: string }).code;
  }

  it.each(Object.entries(BEYOND_LIMITS))('nobody is given %s', async (_, definition) => {
    expect(await refused('workflows', definition)).toBe('WORKFLOW_INVALID');
  });
});
