import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readEnv } from '#config/env.ts';
import type { ProxyEvent, ProxyResult } from '#functions/shared/lambda.ts';
import { createQueueService, QUEUES } from '#local/aws-endpoint/queue-service.ts';
import { createSecretsService, SECRETS } from '#local/aws-endpoint/secrets-service.ts';
import { type AwsEndpoint, startAwsEndpoint } from '#local/aws-endpoint/server.ts';
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
  let platform: Handler;
  let aws: AwsEndpoint;
  const nudged: string[] = [];

  beforeAll(async () => {
    const database = await createTestDatabase();
    admin = database.admin;
    api = await startTestApi(database);
    key = await api.createKey(await api.createTenant(), ['*']);
    aws = await startAwsEndpoint({
      [SECRETS]: createSecretsService({ 'cursor-key': randomBytes(32).toString('base64') }),
      [QUEUES]: createQueueService((queue) => nudged.push(queue)),
    });
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: aws.url,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'nobody',
      AWS_SECRET_ACCESS_KEY: 'nothing',
      STAGE: 'dev',
      DATABASE_URL: database.url,
      DATABASE_READER_URL: database.url,
      DATABASE_AUTH: 'url',
      CURSOR_KEY_SECRET: 'cursor-key',
      NUDGES_QUEUE_URL: `${aws.url}/000000000000/nudges`,
      PUBLIC_URL: 'https://api.example',
      PREFERRED_RUNTIME: 'engine',
      ALLOWED_ORIGINS: '',
      CACHE_URL: '',
      CACHE_AUTH: 'url',
      RECORDS_TABLE: '',
      KAFKA_CLUSTER_ARN: '',
    });
    workflows = (await import('#functions/workflows/main.ts')).handler;
    executions = (await import('#functions/executions/main.ts')).handler;
    platform = (await import('#functions/platform/main.ts')).handler;
  });
  afterAll(async () => {
    // A function is never closed, only frozen and forgotten: its sessions end from the other side.
    await admin?.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity
       where application_name in ('workflows-api', 'executions-api', 'platform-api')`,
    );
    await aws?.close();
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
    expect((await workflows(event('GET', '/healthz'))).statusCode).toBe(404);
    expect((await platform(event('GET', '/healthz'))).statusCode).toBe(200);
    expect((await platform(event('GET', '/readyz'))).statusCode).toBe(200);
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
      'workflows-api needs STAGE, DATABASE_URL, DATABASE_AUTH, CURSOR_KEY_SECRET, ALLOWED_ORIGINS, PREFERRED_RUNTIME',
    );
  });

  it('wake the driver before they answer, and only for Step Functions', async () => {
    const start = (runtime: string) =>
      executions(
        event('POST', '/api/v1/workflows/greeting/execute', { body: JSON.stringify({ runtime }) }),
      );
    nudged.length = 0;
    expect((await start('engine')).statusCode).toBe(202);
    expect(nudged).toEqual([]);
    expect((await start('step_functions')).statusCode).toBe(202);
    expect(nudged).toEqual([`${aws.url}/000000000000/nudges`]);
  });
});
