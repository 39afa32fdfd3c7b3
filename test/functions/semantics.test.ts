import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '#client/client.ts';
import { openApiDocument } from '#contract/openapi.ts';
import { hasErrorCode } from '#core/errors.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

describeWithPostgres('what the API promises besides its data', () => {
  let database: TestDatabase;
  let api: TestApi;
  let tenant: string;
  let key: string;
  let client: Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
  });
  beforeEach(async () => {
    tenant = await api.createTenant();
    key = await api.createKey(tenant, ['*']);
    client = api.client(key);
  });
  afterAll(() => api?.close());

  function send(
    method: string,
    path: string,
    options: { readonly body?: unknown; readonly headers?: Record<string, string> } = {},
  ): Promise<Response> {
    return fetch(api.server.url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
  }
  const withKey = (value: string) => ({ 'idempotency-key': value });

  function rejects(promise: Promise<unknown>, code: Parameters<typeof hasErrorCode>[1]) {
    return expect(promise).rejects.toSatisfy((error) => hasErrorCode(error, code));
  }

  describe('Idempotency-Key', () => {
    it('the same request gives the same answer, word for word, and is done once', async () => {
      const body = { name: 'crm', connection: http('https://crm.example') };
      const first = await send('POST', '/api/v1/connections', { body, headers: withKey('a') });
      const again = await send('POST', '/api/v1/connections', { body, headers: withKey('a') });
      expect([first.status, again.status]).toEqual([201, 201]);
      expect(await again.text()).toBe(await first.text());
      expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
    });

    it('another body under the same key is refused', async () => {
      const body = { name: 'crm', connection: http('https://crm.example') };
      await send('POST', '/api/v1/connections', { body, headers: withKey('b') });
      const other = await send('POST', '/api/v1/connections', {
        body: { ...body, name: 'other' },
        headers: withKey('b'),
      });
      expect(other.status).toBe(422);
      expect(await other.json()).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
      await rejects(client.getConnection({ connection: 'other' }), 'NOT_FOUND');
    });

    it('another operation under the same key is refused too', async () => {
      await send('POST', '/api/v1/workflows', { body: aDefinition(), headers: withKey('c') });
      const other = await send('POST', '/api/v1/workflows/validate', {
        body: aDefinition(),
        headers: withKey('c'),
      });
      expect(other.status).toBe(422);
    });

    it('the same members in another order are the same body', async () => {
      const first = await send('POST', '/api/v1/workflows', {
        body: { ...aDefinition() },
        headers: withKey('d'),
      });
      const reversed = Object.fromEntries(Object.entries(aDefinition()).reverse());
      const again = await send('POST', '/api/v1/workflows', {
        body: reversed,
        headers: withKey('d'),
      });
      expect([first.status, again.status]).toEqual([201, 201]);
    });

    it('a refusal is not kept: what is put right runs under the same key', async () => {
      const body = { name: 'o', access: 'read', statement: 'select 1' };
      const path = '/api/v1/connections/db/operations';
      expect((await send('POST', path, { body, headers: withKey('e') })).status).toBe(404);
      await client.createConnection({
        body: {
          name: 'db',
          connection: {
            type: 'postgres',
            host: 'db.example.com',
            database: 'shop',
            login: { username: 'u', secret: 's' },
          },
          secrets: { s: 'x' },
        },
      });
      expect((await send('POST', path, { body, headers: withKey('e') })).status).toBe(201);
    });

    it('of many at once one runs, and none is done twice', async () => {
      const body = { name: 'many', connection: http('https://many.example') };
      const answers = await Promise.all(
        Array.from({ length: 12 }, () =>
          send('POST', '/api/v1/connections', { body, headers: withKey('f') }),
        ),
      );
      const statuses = answers.map(({ status }) => status);
      expect(statuses).toContain(201);
      expect(statuses.filter((status) => status !== 201 && status !== 409)).toEqual([]);
      for (const answer of answers.filter(({ status }) => status === 409)) {
        expect(await answer.json()).toMatchObject({ code: 'IDEMPOTENCY_IN_PROGRESS' });
      }
    });

    it('is one tenant and mode only', async () => {
      const testKey = await api.createKey(tenant, ['*'], { mode: 'test' });
      const body = { name: 'crm', connection: http('https://crm.example') };
      await send('POST', '/api/v1/connections', { body, headers: withKey('g') });
      const inTest = await send('POST', '/api/v1/connections', {
        body: { ...body, name: 'different' },
        headers: { ...withKey('g'), authorization: `Bearer ${testKey}` },
      });
      expect(inTest.status).toBe(201);
    });

    it('an execution is started once, also by a hundred requests at once', async () => {
      await client.createWorkflow({ body: aDefinition() });
      const body = { input: { order: 1 } };
      const path = '/api/v1/workflows/greeting/execute';
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => send('POST', path, { body, headers: withKey('h') })),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
      const bodies = new Set(await Promise.all(answers.map((answer) => answer.text())));
      expect(bodies.size).toBe(1);
      expect((await client.listExecutions()).items).toHaveLength(1);
      const other = await send('POST', path, { body: { input: 2 }, headers: withKey('h') });
      expect(await other.json()).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', status: 422 });
    });
  });

  describe('execution_id', () => {
    const id = () => {
      const time = Date.now().toString(16).padStart(12, '0');
      return `${time.slice(0, 8)}-${time.slice(8)}-7abc-8abc-${Math.random().toString(16).slice(2, 14).padEnd(12, '0')}`;
    };

    it('the same id and input give the first execution, another input is a conflict', async () => {
      await client.createWorkflow({ body: aDefinition() });
      const execution_id = id();
      const start = (input: number) =>
        client.send('executeWorkflow', {
          workflow_id: 'greeting',
          body: { input, execution_id },
        });
      expect((await start(1)).status).toBe(202);
      const again = await send('POST', '/api/v1/workflows/greeting/execute', {
        body: { input: 1, execution_id },
      });
      expect(again.status).toBe(200);
      expect(await again.json()).toMatchObject({ execution_id });
      await rejects(start(2), 'EXECUTION_CONFLICT');
    });

    it('an id that the other mode has used is taken, and nothing else is told of it', async () => {
      const execution_id = id();
      const inTest = api.client(await api.createKey(tenant, ['*'], { mode: 'test' }));
      for (const each of [client, inTest]) await each.createWorkflow({ body: aDefinition() });
      const start = (by: typeof client, input: number) =>
        by.executeWorkflow({ workflow_id: 'greeting', body: { input, execution_id } });
      await start(client, 1);
      const refusals: unknown[] = [];
      for (const input of [1, 2]) {
        await start(inTest, input).catch((error: Error & { code: string }) => {
          refusals.push([error.code, error.message]);
        });
      }
      expect(refusals).toHaveLength(2);
      expect(refusals[0]).toEqual(refusals[1]);
      expect(refusals[0]).toEqual(['EXECUTION_CONFLICT', expect.stringContaining(execution_id)]);
      await rejects(inTest.getExecution({ execution_id }), 'NOT_FOUND');
    });

    it('the id of another tenant is free here', async () => {
      const execution_id = id();
      const other = api.client(await api.createKey(await api.createTenant(), ['*']));
      for (const each of [client, other]) {
        await each.createWorkflow({ body: aDefinition() });
        const started = await each.executeWorkflow({
          workflow_id: 'greeting',
          body: { execution_id },
        });
        expect(started.execution_id).toBe(execution_id);
      }
    });
  });

  describe('versions and ETags', () => {
    it('the same version again is answered, another definition for it is refused', async () => {
      const first = await client.send('createWorkflow', { body: aDefinition() });
      const again = await client.send('createWorkflow', { body: aDefinition() });
      expect([first.status, again.status]).toEqual([201, 200]);
      await rejects(
        client.createWorkflow({ body: aDefinition({ description: 'changed' }) }),
        'WORKFLOW_VERSION_EXISTS',
      );
    });

    it('an update names what it saw: of two at once one wins', async () => {
      await client.createWorkflow({ body: aDefinition() });
      const { etag } = await client.send('getWorkflow', { workflow_id: 'greeting' });
      const update = (version: string) =>
        client.send('updateWorkflow', {
          workflow_id: 'greeting',
          body: aDefinition({ version }),
          ifMatch: etag ?? '',
        });
      const results = await Promise.allSettled([update('1.1.0'), update('1.2.0')]);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const lost = results.find((result) => result.status === 'rejected');
      expect(hasErrorCode(lost?.reason, 'PRECONDITION_FAILED')).toBe(true);
    });

    it('the highest version is the current one, whatever came last', async () => {
      await client.createWorkflow({ body: aDefinition({ version: '1.10.0' }) });
      await client.createWorkflow({ body: aDefinition({ version: '1.9.0' }) });
      expect(await client.getWorkflow({ workflow_id: 'greeting' })).toMatchObject({
        version: '1.10.0',
        version_count: 2,
      });
      const { items } = await client.listVersions({ workflow_id: 'greeting' });
      expect(items.map(({ version }) => version)).toEqual(['1.10.0', '1.9.0']);
    });

    it('a definition comes back as it was written, members in their order', async () => {
      const written =
        '{"workflow_id":"ordered","steps":[{"type":"transform","id":"z","config":{"value":{"b":1,"a":2}}}],"version":"1.0.0"}';
      await fetch(`${api.server.url}/api/v1/workflows`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: written,
      });
      const found = await client.getVersion({ workflow_id: 'ordered', version: '1.0.0' });
      expect(JSON.stringify(found.definition)).toBe(written);
    });

    it('a version that has not changed is not sent again', async () => {
      await client.createWorkflow({ body: aDefinition() });
      const path = '/api/v1/workflows/greeting/versions/1.0.0';
      const first = await send('GET', path);
      const again = await send('GET', path, {
        headers: { 'if-none-match': first.headers.get('etag') ?? '' },
      });
      expect(again.status).toBe(304);
      expect(await again.text()).toBe('');
    });

    it('deleted is gone: not found, not started, not listed; its history stays', async () => {
      await client.createWorkflow({ body: aDefinition() });
      await client.createWorkflow({ body: aDefinition({ version: '2.0.0' }) });
      const { execution_id } = await client.executeWorkflow({ workflow_id: 'greeting' });
      await client.deleteWorkflow({ workflow_id: 'greeting' });
      await rejects(client.getWorkflow({ workflow_id: 'greeting' }), 'NOT_FOUND');
      await rejects(client.getVersion({ workflow_id: 'greeting', version: '1.0.0' }), 'NOT_FOUND');
      await rejects(client.executeWorkflow({ workflow_id: 'greeting' }), 'NOT_FOUND');
      await rejects(client.deleteWorkflow({ workflow_id: 'greeting' }), 'NOT_FOUND');
      expect((await client.listWorkflows()).items).toEqual([]);
      const history = await client.listHistory({ workflow_id: 'greeting' });
      expect(history.items.map(({ id }) => id)).toEqual([execution_id]);
      expect(await client.getExecution({ execution_id })).toMatchObject({ id: execution_id });
    });

    it('a version number is never given to another definition, not even after a deletion', async () => {
      await client.createWorkflow({ body: aDefinition({ version: '2.0.0' }) });
      await client.deleteWorkflow({ workflow_id: 'greeting' });
      await rejects(
        client.createWorkflow({ body: aDefinition({ version: '2.0.0', description: 'x' }) }),
        'WORKFLOW_VERSION_EXISTS',
      );
      await client.createWorkflow({ body: aDefinition({ version: '1.0.0' }) });
      const found = await client.getWorkflow({ workflow_id: 'greeting' });
      expect(found).toMatchObject({ version: '1.0.0', version_count: 1 });
      await rejects(client.getVersion({ workflow_id: 'greeting', version: '2.0.0' }), 'NOT_FOUND');
    });

    it('a child that leads back is refused, over stored definitions', async () => {
      const starting = (workflow_id: string, child: string) =>
        aDefinition({
          workflow_id,
          steps: [{ id: 'child', type: 'sub_workflow', config: { workflow_id: child } }],
        });
      await client.createWorkflow({ body: starting('b', 'c') });
      await client.createWorkflow({ body: starting('c', 'a') });
      const checked = await client.validateWorkflow({ body: starting('a', 'b') });
      expect(checked.problems.map(({ code }) => code)).toEqual(['E_SUB_RECURSION']);
    });
  });

  describe('lists', () => {
    beforeEach(async () => {
      for (const name of ['alpha-billing', 'beta-billing', 'gamma-shipping']) {
        await client.createWorkflow({
          body: aDefinition({ workflow_id: name, description: `handles ${name} daily` }),
        });
      }
    });

    it('pages are whole and in order', async () => {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await client.listWorkflows({
          query: { limit: 1, ...(cursor === undefined ? {} : { cursor }) },
        });
        found.push(...page.items.map(({ workflow_id }) => workflow_id));
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      expect(found).toEqual(['alpha-billing', 'beta-billing', 'gamma-shipping']);
    });

    it('are searched by words and by step type', async () => {
      const words = await client.listWorkflows({ query: { text: 'billing daily' } });
      expect(words.items).toHaveLength(2);
      const byType = await client.listWorkflows({ query: { step_type: 'wait' } });
      expect(byType.items).toEqual([]);
      const some = await client.listWorkflows({ query: { step_type: 'transform', limit: 2 } });
      expect(some.items).toHaveLength(2);
      expect(some.next_cursor).not.toBeNull();
    });

    it('a cursor is of one query, one tenant and one operation', async () => {
      const { next_cursor } = await client.listWorkflows({ query: { limit: 1 } });
      const cursor = next_cursor ?? '';
      const other = api.client(await api.createKey(await api.createTenant(), ['*']));
      await rejects(other.listWorkflows({ query: { cursor } }), 'CURSOR_INVALID');
      await rejects(client.listWorkflows({ query: { cursor, text: 'billing' } }), 'CURSOR_INVALID');
      await rejects(client.listConnections({ query: { cursor } }), 'CURSOR_INVALID');
      const flipped = `${cursor.startsWith('A') ? 'B' : 'A'}${cursor.slice(1)}`;
      await rejects(client.listWorkflows({ query: { cursor: flipped } }), 'CURSOR_INVALID');
      expect((await client.listWorkflows({ query: { cursor, limit: 2 } })).items).toHaveLength(2);
    });

    it('executions are found by what is asked of them', async () => {
      const ids: string[] = [];
      for (const [i, workflow_id] of ['alpha-billing', 'beta-billing'].entries()) {
        const started = await client.executeWorkflow({
          workflow_id,
          body: { labels: { region: i === 0 ? 'eu' : 'us', customer: 'acme corp' } },
        });
        ids.push(started.execution_id);
      }
      const idsOf = async (query: object) =>
        (await client.listExecutions({ query })).items.map(({ id }) => id);
      expect(await idsOf({})).toEqual([ids[1], ids[0]]);
      expect(await idsOf({ workflow_id: 'alpha-billing' })).toEqual([ids[0]]);
      expect(await idsOf({ version: '9.9.9' })).toEqual([]);
      expect(await idsOf({ status: 'PENDING' })).toHaveLength(2);
      expect(await idsOf({ status: 'FAILED' })).toEqual([]);
      expect(await idsOf({ label: ['region:eu'] })).toEqual([ids[0]]);
      expect(await idsOf({ label: ['region:eu', 'customer:acme corp'] })).toEqual([ids[0]]);
      expect(await idsOf({ text: 'acme' })).toHaveLength(2);
      expect(await idsOf({ from: '2000-01-01T00:00:00Z' })).toHaveLength(2);
      expect(await idsOf({ from: '1960-01-01T00:00:00Z' })).toHaveLength(2);
      expect(await idsOf({ to: '2000-01-01T00:00:00Z' })).toEqual([]);
    });

    it('searches use their indexes', async () => {
      await database.admin.query(
        `insert into workflows (tenant_id, mode, workflow_id, version, description, runtime,
           step_count, version_count, revision, definition, created_at, updated_at)
         select $1, 'live', 'w' || n, '1.0.0', 'number ' || n, 'auto', 1, 1, 1,
                jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('type', 't' || n))),
                to_timestamp(0), to_timestamp(0)
         from generate_series(1, 20000) n`,
        [tenant],
      );
      await database.admin.query('analyze workflows');
      // As the role that search_workflows runs as, with the conditions that it has.
      const searcher = database.pool('cloudflow_lookup');
      const plan = async (where: string) => {
        const { rows } = await searcher.query<{ 'QUERY PLAN': string }>(
          `explain select workflow_id from workflows where tenant_id = '${tenant}' and ${where}`,
        );
        return rows.map((row) => row['QUERY PLAN']).join('\n');
      };
      expect(await plan(`search @@ plainto_tsquery('simple', 'number 4711')`)).toContain(
        'workflows_search',
      );
      expect(await plan(`definition @> '{"steps":[{"type":"t4711"}]}'`)).toContain(
        'workflows_definition',
      );
      expect((await client.listWorkflows({ query: { text: '4711' } })).items).toHaveLength(1);
    });
  });

  describe('the protocol', () => {
    it('HEAD is GET without the body', async () => {
      await client.createWorkflow({ body: aDefinition() });
      const path = '/api/v1/workflows/greeting';
      const got = await send('GET', path);
      const head = await send('HEAD', path);
      expect(head.status).toBe(200);
      expect(head.headers.get('content-length')).toBe(
        String(new TextEncoder().encode(await got.text()).length),
      );
      expect(await head.text()).toBe('');
    });

    it('405 says what is allowed', async () => {
      const response = await send('PATCH', '/api/v1/workflows/greeting', { body: {} });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD, PUT, DELETE, OPTIONS');
    });

    it('OPTIONS says what is allowed, without a key', async () => {
      const response = await fetch(`${api.server.url}/api/v1/workflows`, { method: 'OPTIONS' });
      expect(response.status).toBe(204);
      expect(response.headers.get('allow')).toBe('GET, HEAD, POST, OPTIONS');
    });

    it('every answer has a request id and tells browsers to keep their hands off', async () => {
      for (const path of ['/healthz', '/nothing', '/api/v1/workflows']) {
        const response = await send('GET', path);
        expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
        expect(response.headers.get('x-content-type-options')).toBe('nosniff');
        expect(response.headers.get('cache-control')).toBe('no-store');
        expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
      }
    });

    it('a correlation id goes in, out, and into the execution and its events', async () => {
      await client.createWorkflow({ body: aDefinition() });
      const response = await send('POST', '/api/v1/workflows/greeting/execute', {
        body: {},
        headers: { 'x-correlation-id': 'order-4711' },
      });
      expect(response.headers.get('x-correlation-id')).toBe('order-4711');
      const { execution_id } = (await response.json()) as { execution_id: string };
      const found = await client.getExecution({ execution_id });
      expect(found.correlation_id).toBe('order-4711');
      const { rows } = await database.admin.query<{ payload: string }>(
        'select payload from outbox where key like $1',
        [`%${execution_id}%`],
      );
      expect(rows.length).toBeGreaterThan(0);
      for (const { payload } of rows) expect(payload).toContain('order-4711');
    });

    it('a correlation id that is not well-formed is replaced', async () => {
      const response = await send('GET', '/healthz', {
        headers: { 'x-correlation-id': 'a b{{c}}' },
      });
      expect(response.headers.get('x-correlation-id')).toBe(response.headers.get('x-request-id'));
    });

    it('all problems of a definition come in one answer', async () => {
      const response = await send('POST', '/api/v1/workflows', {
        body: aDefinition({
          oops: 1,
          steps: [
            { id: 'a', type: 'transform', config: { value: 1 }, depends_on: ['nowhere'] },
            { id: 'a', type: 'nothing' },
          ],
        }),
      });
      expect(response.status).toBe(422);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      const problem = (await response.json()) as { type: string; problems: object[] };
      expect(problem).toMatchObject({
        type: 'urn:cloudflow:problem:workflow-invalid',
        title: 'workflow invalid',
        code: 'WORKFLOW_INVALID',
        status: 422,
      });
      expect(problem.problems.length).toBeGreaterThanOrEqual(3);
      for (const each of problem.problems) {
        expect(each).toMatchObject({
          code: expect.any(String),
          pointer: expect.any(String),
          message: expect.any(String),
        });
      }
    });

    it('the platform tells its health, its contract and the schema of definitions', async () => {
      expect(await client.getHealth()).toEqual({ status: 'ok' });
      expect(await client.getReadiness()).toEqual({ status: 'ok', checks: { postgres: 'ok' } });
      expect(await client.getOpenApi()).toEqual(openApiDocument());
      expect(await client.getWorkflowSchema()).toMatchObject({ $id: 'urn:cloudflow:dsl:1' });
    });
  });

  describe('connections', () => {
    it('a connection with operations is not deleted before them', async () => {
      await client.createConnection({
        body: {
          name: 'db',
          connection: {
            type: 'postgres',
            host: 'db.example.com',
            database: 'shop',
            login: { username: 'u', secret: 's' },
          },
          secrets: { s: 'x' },
        },
      });
      const created = await client.createOperation({
        connection: 'db',
        body: { name: 'one', access: 'read', statement: 'select 1 as one' },
      });
      expect(created).toMatchObject({ name: 'one', connection: 'db' });
      await rejects(client.deleteConnection({ connection: 'db' }), 'CONFLICT');
      await client.updateOperation({
        connection: 'db',
        operation: 'one',
        body: { access: 'read', statement: 'select 2 as two' },
        ifMatch: '*',
      });
      expect((await client.listOperations({ connection: 'db' })).items).toMatchObject([
        { name: 'one', statement: 'select 2 as two' },
      ]);
      await client.deleteOperation({ connection: 'db', operation: 'one' });
      await client.deleteConnection({ connection: 'db' });
      await rejects(client.getConnection({ connection: 'db' }), 'NOT_FOUND');
    });
  });

  function http(base_url: string) {
    return { type: 'http', base_url, auth: { scheme: 'none' } };
  }
});
