import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readEnv } from '#config/env.ts';
import type { ProxyEvent, ProxyResult } from '#functions/shared/lambda.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

type Handler = (event: ProxyEvent) => Promise<ProxyResult>;

describeWithPostgres('the deployed functions, as API Gateway calls them', () => {
  let api: TestApi;
  let admin: TestDatabase['admin'] | undefined;
  let key: string;
  let workflows: Handler;
  let executions: Handler;

  beforeAll(async () => {
    const database = await createTestDatabase();
    admin = database.admin;
    api = await startTestApi(database);
    key = await api.createKey(await api.createTenant(), ['*']);
    Object.assign(process.env, {
      DATABASE_URL: database.url,
      CURSOR_KEY: randomBytes(32).toString('base64'),
      PUBLIC_URL: 'https://api.example',
      PREFERRED_RUNTIME: 'engine',
      ALLOWED_ORIGINS: '',
    });
    workflows = (await import('#functions/workflows/main.ts')).handler;
    executions = (await import('#functions/executions/main.ts')).handler;
  });
  afterAll(async () => {
    // A function is never closed, only frozen and forgotten: its sessions end from the other side.
    await admin?.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name in ('workflows-api', 'executions-api')`,
    );
    await api?.close();
  });

  function event(httpMethod: string, path: string, more: Partial<ProxyEvent> = {}): ProxyEvent {
    return {
      httpMethod,
      path,
      headers: null,
      multiValueHeaders: {
        Authorization: [`Bearer ${key}`],
        ...(more.body === undefined ? {} : { 'Content-Type': ['application/json'] }),
      },
      multiValueQueryStringParameters: null,
      body: null,
      isBase64Encoded: false,
      ...more,
    };
  }
  const json = ({ body }: ProxyResult) => JSON.parse(body) as Record<string, unknown>;

  it('store a definition, start it and list it', async () => {
    const stored = await workflows(
      event('POST', '/api/v1/workflows', {
        body: Buffer.from(JSON.stringify(aDefinition())).toString('base64'),
        isBase64Encoded: true,
      }),
    );
    expect(stored).toMatchObject({ statusCode: 201, isBase64Encoded: false });
    expect(stored.headers['location']).toBe('/api/v1/workflows/greeting/versions/1.0.0');
    const started = await executions(
      event('POST', '/api/v1/workflows/greeting/execute', { body: '{"labels":{"a":"b c"}}' }),
    );
    expect(started.statusCode).toBe(202);
    const listed = await executions(
      event('GET', '/api/v1/executions', {
        multiValueQueryStringParameters: { label: ['a:b c'], limit: ['1'] },
      }),
    );
    expect(json(listed)['items']).toMatchObject([{ id: json(started)['execution_id'] }]);
  });

  it('answer for their own part only', async () => {
    expect((await executions(event('GET', '/api/v1/workflows'))).statusCode).toBe(404);
    expect((await workflows(event('GET', '/api/v1/executions'))).statusCode).toBe(404);
    expect((await workflows(event('GET', '/healthz'))).statusCode).toBe(200);
  });

  it('have the same walls', async () => {
    const nobody = await workflows(event('GET', '/api/v1/workflows', { multiValueHeaders: null }));
    expect(nobody.statusCode).toBe(401);
    const large = await workflows(
      event('POST', '/api/v1/workflows', { body: 'x'.repeat(1_048_577) }),
    );
    expect(large.statusCode).toBe(413);
    const head = await workflows(event('HEAD', '/api/v1/workflows'));
    expect(head).toMatchObject({ statusCode: 200, body: '' });
  });

  it('do not start without what they need, and name all of it', () => {
    expect(() => readEnv('workflows-api', { PUBLIC_URL: 'x' })).toThrow(
      'workflows-api needs DATABASE_URL, CURSOR_KEY, PREFERRED_RUNTIME, ALLOWED_ORIGINS',
    );
  });
});
