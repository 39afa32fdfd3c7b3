import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { SFNClient, StopExecutionCommand } from '@aws-sdk/client-sfn';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createMachineNames } from '#adapters/stepfunctions/machines.ts';
import {
  FUNCTION_DEFAULTS,
  type FunctionName,
  functionNames,
  functionSpec,
} from '#config/functions.ts';
import type { PlatformWorkflowName } from '#config/platform-workflows.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import type { EnvKey } from '#config/variables.ts';
import type { Json } from '#core/json.ts';
import type { ProxyResult } from '#functions/shared/lambda.ts';
import { makeApiKey } from '#services/identity/api-key.ts';
import { ProbeStack } from '#stacks/probe-stack.ts';
import { StandbyStack } from '#stacks/standby-stack.ts';
import { platformProgram } from '#statemachines/platform.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  clientConfig,
  startTestAws,
  TEST_ARNS,
  TEST_STEP_RUNNER,
  type TestAws,
} from '#test/support/aws.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { ask, proxyEvent } from '#test/support/gateway.ts';
import { type GatewaySockets, startGatewaySockets } from '#test/support/gateway-sockets.ts';
import { startLambda, type TestLambda } from '#test/support/lambda.ts';
import { digestOf } from '#test/support/packages.ts';
import { type Emulation, startEmulation } from '#test/support/recovery/emulation.ts';
import {
  ARN_OF,
  HOME,
  HOME_FACTS,
  STANDBY,
  STANDBY_FACTS,
} from '#test/support/recovery/run-workflow.ts';
import { hasRedis, type RedisServer, startRedis } from '#test/support/redis-server.ts';
import { startS3, type TestS3 } from '#test/support/s3.ts';
import { startIdp, visit } from '#test/support/saml/idp.ts';
import { startSes, type TestSes } from '#test/support/ses.ts';
import { type Synthesised, synthesise, synthesiseParts } from './synth.ts';

/**
 * Every bundle out of its archive, in a process of its own, with the variables that the template gives
 * it and those of Lambda and no others, on a real PostgreSQL, and on the emulation of AWS in
 * lib/local/aws-endpoint.
 */
const unpacked = inject('unpacked');
const MACHINE_PREFIX = 'cloudflow-dev';
const lambdas = new Map<FunctionName, TestLambda>();
/** All that ran, those with a database of their own as well. */
const started: { readonly name: FunctionName; readonly lambda: TestLambda }[] = [];

async function begin(
  name: FunctionName,
  env: Readonly<Record<string, string>>,
): Promise<TestLambda> {
  const lambda = await startLambda(unpacked, name, env);
  started.push({ name, lambda });
  return lambda;
}

function lambda(name: FunctionName): TestLambda {
  const found = lambdas.get(name);
  if (found === undefined) throw new Error(`${name} was not started`);
  return found;
}

describeWithPostgres('the deployed functions, bundled', () => {
  let template: Synthesised;
  let standby: Synthesised;
  let recovery: Emulation;
  /** Where Lambda has a file of certificates, this machine need not. */
  let certificates: string;
  let aws: TestAws;
  let sockets: GatewaySockets;
  let ses: TestSes;
  let s3: TestS3;
  let redis: RedisServer | null;
  let database: TestDatabase;
  let api: TestApi;
  let apiKey: string;
  let env: Readonly<Record<EnvKey, string>>;
  /** What is asked whether it answers, and where; asking takes a minute, in which others are tested. */
  let health: Server;
  const healthAsked: string[] = [];
  let probed: Promise<unknown>;

  beforeAll(async () => {
    // The smallest stage that has all of them where the platform serves.
    template = synthesise('staging', inject('dist'));
    // Only there is a region that waits.
    const prod = readStageSettings({ stage: 'prod', account: undefined }, {});
    if (prod.standby === null) throw new Error('prod has no standby');
    const waits = prod.standby;
    standby = synthesiseParts(prod, (app) => {
      const there = new StandbyStack(app, prod, waits, inject('dist'));
      new ProbeStack(app, prod, waits, { waits: there, api: { publicUrl: 'https://api.example' } });
    });
    recovery = await startEmulation({
      clock: createSystemClock(),
      region: 'eu-central-1',
      databaseHost: '127.0.0.1',
      checkIntegrity: () => Promise.reject(new Error('nobody asks here')),
    });
    certificates = join(mkdtempSync(join(tmpdir(), 'cloudflow-certificates-')), 'ca.pem');
    writeFileSync(certificates, rootCertificates[0] ?? '');
    database = await createTestDatabase();
    api = await startTestApi(database);
    apiKey = await api.createKey(await api.createTenant(), ['*']);
    const url = new URL(database.url);
    aws = await startTestAws({
      invoke: (_, payload) => lambda('step-runner').invoke(payload) as Promise<Json>,
      secrets: {
        'cursor-key': randomBytes(32).toString('base64'),
        'identity-key': randomBytes(32).toString('base64'),
        'database-owner': JSON.stringify({
          username: decodeURIComponent(url.username),
          password: decodeURIComponent(url.password),
        }),
      },
    });
    sockets = await startGatewaySockets();
    ses = await startSes();
    redis = hasRedis ? await startRedis() : null;
    s3 = await startS3();
    s3.createBucket('audit');
    env = {
      STAGE: 'dev',
      DATABASE_URL: database.url,
      DATABASE_READER_URL: database.url,
      DATABASE_AUTH: 'url',
      DATABASE_OWNER_SECRET: 'database-owner',
      CURSOR_KEY_SECRET: 'cursor-key',
      IDENTITY_KEY_SECRET: 'identity-key',
      TENANT_SECRETS_PREFIX: 'cloudflow/dev/tenants',
      TENANT_SECRETS_KEY: '',
      TENANT_SECRETS_COPY: '',
      PUBLIC_URL: 'https://api.example',
      ALLOWED_ORIGINS: '',
      PREFERRED_RUNTIME: 'step_functions',
      NUDGES_QUEUE_URL: `${aws.url}/000000000000/nudges`,
      STEP_RUNNER_ARN: TEST_STEP_RUNNER,
      MACHINE_ROLE_ARN: 'arn:aws:iam::000000000000:role/machines',
      MACHINE_LOG_GROUP_ARN: 'arn:aws:logs:eu-central-1:000000000000:log-group:machines:*',
      MACHINE_PREFIX,
      EGRESS_ALLOW: '',
      EGRESS_PORTS: '',
      HEALTH_PORT: '0',
      KAFKA_CLUSTER_ARN: '',
      RECORDS_TABLE: '',
      SIGNING_SEAL_KEY: 'alias/cloudflow/dev/signing',
      CACHE_URL: redis?.url ?? '',
      CACHE_AUTH: 'url',
      SOCKETS_URL: sockets.url,
      MAIL_FROM: 'no-reply@mail.example',
      MAIL_CONFIGURATION_SET: 'cloudflow-dev',
      AUDIT_BUCKET: 'audit',
      RECOVERY_FACTS: '',
      RECOVERY_BUCKET: 'recovery',
      RECOVERY_TOPIC_ARN: 'arn:aws:sns:eu-central-1:000000000000:recovery',
      INTEGRITY_FUNCTION_ARN: 'integrity',
    };
    health = createHttpServer((request, response) => {
      healthAsked.push(`${request.method} ${request.url}`);
      response.end();
    });
    health.listen(0, '127.0.0.1');
    await once(health, 'listening');
    const { port } = health.address() as AddressInfo;
    for (const name of functionNames) {
      const { runsIn } = functionSpec(name);
      const facts = JSON.stringify(runsIn === 'standby' ? STANDBY_FACTS : HOME_FACTS);
      const more = name === 'probe' ? { PUBLIC_URL: `http://127.0.0.1:${port}` } : {};
      lambdas.set(name, await begin(name, envOf(name, { RECOVERY_FACTS: facts, ...more })));
    }
    probed = lambda('probe').invoke({});
    // Two templates, and a process for each function of the registry.
  }, 400_000);
  afterAll(async () => {
    await Promise.all([...lambdas.values()].map((each) => each.close()));
    health?.close();
    rmSync(dirname(certificates), { recursive: true });
    await api?.close();
    await aws?.close();
    await sockets?.close();
    await ses?.close();
    await recovery?.close();
    expect(aws?.faults).toEqual([]);
    expect(recovery?.unknown).toEqual([]);
    // Their sessions end a moment after the processes that held them.
    await database?.admin.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity
       where datname = current_database() and application_name = any ($1)`,
      [functionNames],
    );
  });

  /** Keys of the template, and its values but where they name what this test has made instead. */
  function envOf(name: FunctionName, more: Partial<Record<EnvKey, string>> = {}) {
    const instead: Readonly<Record<string, string>> = {
      ...env,
      ...more,
      NODE_EXTRA_CA_CERTS: certificates,
    };
    const own = Object.entries(templateVariables(name)).map(([key, value]): [string, string] => {
      const text = instead[key] ?? value;
      if (typeof text !== 'string') throw new TypeError(`give this test a value for ${key}`);
      return [key, text];
    });
    const operates = functionSpec(name).triggers.some(({ kind }) => kind === 'platform-task');
    return {
      ...Object.fromEntries(own),
      ...aws.env,
      ...(name === 'mail' ? ses.env : {}),
      ...(operates ? { AWS_ENDPOINT_URL: recovery.url } : { AWS_ENDPOINT_URL_S3: s3.url }),
    };
  }
  function templateVariables(name: FunctionName): Readonly<Record<string, unknown>> {
    const where = functionSpec(name).runsIn === 'standby' ? standby : template;
    const found = where
      .ofType('AWS::Lambda::Function')
      .find(
        ({ Properties }) =>
          Properties['FunctionName'] === `cloudflow-${where.settings.stage}-${name}`,
      );
    if (found === undefined) throw new TypeError(`the template has no function ${name}`);
    return (found.Properties['Environment'] as { Variables: Record<string, unknown> }).Variables;
  }
  const workflows = (method: string, path: string, body?: unknown) =>
    ask(lambda('workflows-api'), method, path, { apiKey, ...(body === undefined ? {} : { body }) });
  const executions = (method: string, path: string, body?: unknown) =>
    ask(lambda('executions-api'), method, path, {
      apiKey,
      ...(body === undefined ? {} : { body }),
    });

  it.skipIf(!hasRedis)('functions of the API count requests together, in the cache', async () => {
    // A tenant of its own, so that nobody else is counted.
    const tenant = await api.createTenant();
    const key = await api.createKey(tenant, ['*'], { requestsPerMinute: 4 });
    const left = async (name: 'workflows-api' | 'executions-api', path: string) => {
      const event = proxyEvent('GET', path, { apiKey: key });
      const { statusCode, headers } = (await lambda(name).invoke(event)) as ProxyResult;
      return [statusCode, /"caller";r=(\d+)/.exec(headers['ratelimit'] ?? '')?.[1]];
    };
    // Their clients are loaded after they have started, so the first answers may be of one process alone.
    for (const name of ['executions-api', 'workflows-api']) {
      const clients = expect.poll(() => redis?.admin('CLIENT', 'LIST'), { timeout: 30_000 });
      await clients.toContain(`name=cloudflow-${name}`);
    }
    expect(await left('workflows-api', '/api/v1/workflows')).toEqual([200, '3']);
    expect(await left('executions-api', '/api/v1/executions')).toEqual([200, '2']);
    expect(await left('workflows-api', '/api/v1/workflows')).toEqual([200, '1']);
    expect(await left('executions-api', '/api/v1/executions')).toEqual([200, '0']);
    expect(await left('workflows-api', '/api/v1/workflows')).toEqual([429, '0']);
  });

  async function store(workflow_id: string, steps: readonly unknown[]): Promise<void> {
    const runtime = 'step_functions';
    const stored = await workflows('POST', '/api/v1/workflows', {
      ...{ workflow_id, version: '1.0.0', runtime, steps },
    });
    expect(stored).toMatchObject({ status: 201 });
  }
  async function start(workflowId: string): Promise<string> {
    const path = `/api/v1/workflows/${workflowId}/execute`;
    const started = await executions('POST', path, { input: { name: 'Ada' } });
    expect(started).toMatchObject({ status: 202, body: { status: 'PENDING' } });
    return String(started.body['execution_id']);
  }
  const got = async (id: string) => (await executions('GET', `/api/v1/executions/${id}`)).body;
  const NUDGE = { Records: [{ messageId: '1', body: '{}', eventSource: 'aws:sqs' }] };
  const TICK = { source: 'aws.scheduler', detail: {} };

  it('start on the Node that Lambda has, in a time that is told and not judged', () => {
    const times = [...lambdas].map(([name, { coldStartMs }]) => [name, Math.round(coldStartMs)]);
    process.stdout.write(`cold starts in ms: ${JSON.stringify(Object.fromEntries(times))}\n`);
    const major = Number(FUNCTION_DEFAULTS.runtime.replace(/\D+/g, ''));
    for (const [name, { version }] of lambdas) {
      expect([name, version.split('.')[0]]).toEqual([name, `v${major}`]);
    }
  });

  it('answer for the platform without a caller, and for nobody else’s part', async () => {
    const platform = lambda('platform-api');
    expect(await ask(platform, 'GET', '/healthz')).toMatchObject({ status: 200 });
    expect(await ask(platform, 'GET', '/readyz')).toMatchObject({
      status: 200,
      body: { checks: { postgres: 'ok' } },
    });
    const document = await ask(platform, 'GET', '/openapi.json');
    expect(document.body['servers']).toEqual([{ url: 'https://api.example' }]);
    expect(await ask(platform, 'GET', '/api/v1/workflows', { apiKey })).toMatchObject({
      status: 404,
    });
    expect(await ask(lambda('workflows-api'), 'GET', '/api/v1/workflows')).toMatchObject({
      status: 401,
    });
  });

  it('make a key that another part of the API knows, and show where tokens are checked', async () => {
    const identity = lambda('identity-api');
    const made = await ask(identity, 'POST', '/api/v1/api-keys', {
      apiKey,
      body: { name: 'reader', mode: 'live', scopes: ['workflow:read'] },
    });
    expect(made).toMatchObject({ status: 201, body: { key: { name: 'reader' } } });
    const reader = String(made.body['api_key']);
    const workflowsApi = lambda('workflows-api');
    expect(await ask(workflowsApi, 'GET', '/api/v1/workflows', { apiKey: reader })).toMatchObject({
      status: 200,
    });
    expect(await ask(identity, 'GET', '/api/v1/users', { apiKey: reader })).toMatchObject({
      status: 403,
    });
    expect(await ask(identity, 'GET', '/.well-known/jwks.json')).toMatchObject({
      status: 200,
      body: { keys: expect.any(Array) },
    });
  });

  it('let a client with a key open a WebSocket, remember it, and answer what it says', async () => {
    const realtime = lambda('realtime');
    const methodArn = 'arn:aws:execute-api:eu-central-1:000000000000:abc123/live/$connect';
    const ask = (headers: Record<string, string>) =>
      realtime.invoke({ type: 'REQUEST', methodArn, headers }) as Promise<{
        policyDocument: { Statement: { Effect: string }[] };
        context: Record<string, string>;
      }>;
    const refused = await ask({});
    expect(refused.policyDocument.Statement[0]?.Effect).toBe('Deny');
    const { policyDocument, context } = await ask({ Authorization: `Bearer ${apiKey}` });
    expect(policyDocument.Statement[0]?.Effect).toBe('Allow');
    const tell = (eventType: string, body: string | null = null) =>
      realtime.invoke({
        requestContext: { eventType, connectionId: 'L0SM9=', authorizer: context },
        headers: {},
        body,
      });
    const count = async () =>
      (await database.admin.query("select 1 from records where kind = 'socket'")).rows.length;
    expect(await tell('CONNECT')).toEqual({ statusCode: 200 });
    expect(await count()).toBe(1);
    expect(await tell('MESSAGE', '{"type":"ping"}')).toEqual({
      statusCode: 200,
      body: '{"type":"pong"}',
    });
    expect(await tell('DISCONNECT')).toEqual({ statusCode: 200 });
    expect(await count()).toBe(0);
  });

  it('tell API Gateway who calls, and that junk is nobody, without an error', async () => {
    const ARN = 'arn:aws:execute-api:eu-central-1:000000000000:a1b2c3/live';
    const judge = (authorizationToken: string) =>
      lambda('authorizer').invoke({
        type: 'TOKEN',
        authorizationToken,
        methodArn: `${ARN}/POST/api/v1/workflows`,
      });
    const statement = (Effect: string) => ({
      Statement: [{ Action: 'execute-api:Invoke', Effect, Resource: `${ARN}/*/*` }],
    });
    expect(await judge(`Bearer ${apiKey}`)).toEqual({
      principalId: expect.stringMatching(/^key:[0-9A-Za-z]{8}$/),
      policyDocument: { Version: '2012-10-17', ...statement('Allow') },
    });
    const stranger = makeApiKey('test', randomBytes).text;
    const mistyped = apiKey.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'));
    for (const key of [stranger, mistyped, 'cfk_live_', '']) {
      expect(await judge(`Bearer ${key}`)).toMatchObject({
        principalId: 'nobody',
        policyDocument: statement('Deny'),
      });
    }
  });

  it('tell a caller that the database is away before Lambda would end the authorizer', async () => {
    const held: Socket[] = [];
    // It takes connections and never says a word.
    const silent = createServer((socket) => void held.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const url = `postgres://nobody@127.0.0.1:${port}/cloudflow`;
    const waits = await begin('authorizer', envOf('authorizer', { DATABASE_URL: url }));
    try {
      await expect(
        waits.invoke({
          type: 'TOKEN',
          authorizationToken: `Bearer ${apiKey}`,
          methodArn: 'arn:aws:execute-api:eu-central-1:000000000000:a1b2c3/live/GET/api/v1/me',
        }),
      ).rejects.toThrow('the database has not answered within 3 seconds');
    } finally {
      await waits.close();
      for (const socket of held) socket.destroy();
      silent.close();
    }
  });

  it('keep the secret of an identity provider in Secrets Manager, and ask none at a private address', async () => {
    const protocol = {
      kind: 'oidc',
      issuer: 'https://127.0.0.1',
      client_id: 'cloudflow',
      client_auth: 'client_secret_basic',
    };
    const settings = { enabled: true, email_domains: [], default_roles: null, trusts_mfa: false };
    const body = { name: 'corp', protocol, ...settings, client_secret: 'canary-78' };
    const path = '/api/v1/identity-providers';
    const made = await ask(lambda('sso-api'), 'POST', path, { apiKey, body });
    expect([made.status, made.body['has_secret']]).toEqual([201, true]);
    expect(JSON.stringify(made.body)).not.toContain('canary-78');
    const { pathname } = new URL(String(made.body['callback_url']));
    const begun = (await lambda('sso-api').invoke({
      ...proxyEvent('GET', pathname.replace(/\/callback$/, '')),
      multiValueQueryStringParameters: {
        return_to: ['http://127.0.0.1:4711/callback'],
        code_challenge: ['c'.repeat(43)],
      },
    })) as { statusCode: number; body: string };
    expect(begun.statusCode).toBe(424);
    expect(JSON.parse(begun.body)).toMatchObject({ code: 'IDENTITY_PROVIDER_AWAY' });
  });

  it('keep a connection in PostgreSQL and its secret in Secrets Manager', async () => {
    const more = {
      apiKey,
      body: {
        name: 'shop',
        connection: {
          type: 'postgres',
          host: 'db.example.com',
          database: 'shop',
          login: { username: 'cloudflow', secret: 'shop-password' },
        },
        secrets: { 'shop-password': 'canary-77' },
      },
    };
    const before = aws.asked.length;
    const made = await ask(lambda('connections-api'), 'POST', '/api/v1/connections', more);
    expect(made).toMatchObject({ status: 201 });
    expect(JSON.stringify(made)).not.toContain('canary-77');
    expect(aws.asked.slice(before)).toContain('secretsmanager.CreateSecret');
  });

  it('run an execution: accepted, nudged, started, performed by the step runner, recorded', async () => {
    await store('greet', [
      {
        id: 'hello',
        type: 'transform',
        config: { value: { text: "{% 'Hello, ' & $input.name %}" } },
      },
      {
        id: 'shout',
        type: 'transform',
        depends_on: ['hello'],
        config: { value: '{% $uppercase($steps.hello.output.text) %}' },
      },
    ]);
    aws.nudged.length = 0;
    const id = await start('greet');
    expect(aws.nudged).toEqual([env.NUDGES_QUEUE_URL]);
    await lambda('step-functions-driver').invoke(NUDGE);
    await expect.poll(() => got(id), { timeout: 20_000 }).toMatchObject({ status: 'COMPLETED' });
    const steps = (await executions('GET', `/api/v1/executions/${id}/steps`)).body['items'];
    expect(steps).toMatchObject([
      { step: 'hello', status: 'SUCCESS', output: { text: 'Hello, Ada' } },
      { step: 'shout', status: 'SUCCESS', output: 'HELLO, ADA' },
    ]);
    // What has ended is not started again, nudge or tick.
    const starts = () => aws.asked.filter((each) => each === 'AWSStepFunctions.StartExecution');
    const before = starts().length;
    await lambda('step-functions-driver').invoke(TICK);
    expect(starts()).toHaveLength(before);
  });

  it('fail a step under its own name, which the machine hears from the step runner', async () => {
    await store('refuse', [
      { id: 'no', type: 'fail', config: { error: 'OutOfStock', message: 'none left' } },
    ]);
    const id = await start('refuse');
    await lambda('step-functions-driver').invoke(NUDGE);
    await expect
      .poll(() => got(id), { timeout: 20_000 })
      .toMatchObject({
        status: 'FAILED',
        error: { code: 'OutOfStock' },
      });
    const nobody = { kind: 'record', execution: '0190b3c1-0000-7000-8000-00000000dead' };
    await expect(lambda('step-runner').invoke(nobody)).rejects.toThrow('no execution');
  });

  it('record an end that no task reported, and give it to the engine', async () => {
    await store('wait', [{ id: 'nap', type: 'wait', config: { duration: '2h' } }]);
    const id = await start('wait');
    await lambda('step-functions-driver').invoke(NUDGE);
    await expect.poll(() => got(id), { timeout: 20_000 }).toMatchObject({ status: 'RUNNING' });
    const event = {
      source: 'aws.states',
      'detail-type': 'Step Functions Execution Status Change',
      detail: { name: id, status: 'ABORTED' },
    };
    // What an event says is not believed: the machine still runs.
    await lambda('state-changed').invoke(event);
    expect(await handedToEngine(id)).toBe(false);
    const client = new SFNClient(clientConfig(aws));
    await client.send(new StopExecutionCommand({ executionArn: await arnOf(id) }));
    client.destroy();
    await lambda('state-changed').invoke(event);
    expect(await handedToEngine(id)).toBe(true);
    await lambda('state-changed').invoke(event); // twice is once
    const unknown = { detail: { name: '0190b3c1-0000-7000-8000-00000000dead' } };
    await lambda('state-changed').invoke(unknown);
  });

  async function handedToEngine(id: string): Promise<boolean> {
    const { rows } = await database.admin.query<{ handed: boolean }>(
      'select wake_at is not null as handed from workflow_executions where id = $1',
      [id],
    );
    return rows[0]?.handed ?? false;
  }
  async function arnOf(id: string): Promise<string> {
    const { rows } = await database.admin.query<{ tenant_id: string; program_hash: string }>(
      'select tenant_id, program_hash from workflow_executions where id = $1',
      [id],
    );
    const names = createMachineNames({
      stepRunnerArn: TEST_STEP_RUNNER,
      roleArn: '',
      logGroupArn: null,
      prefix: MACHINE_PREFIX,
    });
    const { tenant_id = '', program_hash = '' } = rows[0] ?? {};
    const arn = names.executionArn(
      { tenant: tenant_id, programHash: program_hash, continues: false },
      id,
    );
    expect(arn.startsWith(`${TEST_ARNS}:execution:${MACHINE_PREFIX}-`)).toBe(true);
    return arn;
  }

  it('migrate an empty database, once, and make its partitions', async () => {
    const name = `test_migrate_${randomBytes(6).toString('hex')}`;
    await database.admin.query(`create database ${name}`);
    const url = new URL(database.url);
    url.pathname = `/${name}`;
    // The login comes from the secret alone.
    const bare = new URL(url);
    bare.username = '';
    bare.password = '';
    const migrate = await begin('migrate', envOf('migrate', { DATABASE_URL: bare.href }));
    const partitions = await begin('partitions', envOf('partitions', { DATABASE_URL: url.href }));
    const client = new pg.Client({ connectionString: url.href });
    try {
      const first = (await migrate.invoke({})) as { applied: string[] };
      expect(first.applied.length).toBeGreaterThan(10);
      expect(await migrate.invoke({})).toEqual({ applied: [] });
      const { made } = (await partitions.invoke(TICK)) as { made: number };
      expect(made).toBeGreaterThan(0);
      expect(await partitions.invoke(TICK)).toMatchObject({ made: 0 });
      await client.connect();
      const { rows } = await client.query<{ count: string }>(
        'select count(*) from schema_migrations',
      );
      expect(Number(rows[0]?.count)).toBe(first.applied.length);
    } finally {
      await Promise.all([migrate.close(), partitions.close(), client.end()]);
      await database.admin.query(`drop database ${name} with (force)`);
    }
  });

  it('hold executions against their logs, and log in nowhere but at the database and its copies', async () => {
    const report = (await lambda('integrity').invoke(TICK)) as {
      ok: boolean;
      checked: { executions: number };
    };
    expect(report).toMatchObject({ ok: true, complete: true, violation_count: 0 });
    expect(report.checked.executions).toBeGreaterThan(0);
    await expect(lambda('integrity').invoke({ host: 'example.com' })).rejects.toThrow(
      'the host is neither the database nor a copy of it',
    );
    expect(await lambda('standby-integrity').invoke({ seed: 1 })).toMatchObject({ ok: true });
    await expect(lambda('standby-integrity').invoke({ host: 'example.com' })).rejects.toThrow(
      'the host is neither the database nor a copy of it',
    );
  });

  it('do tasks of the platform’s own machines, whose log is a document, and nobody else’s', async () => {
    const task = (workflow: PlatformWorkflowName, step: string, config: Json) => ({
      kind: 'call',
      type: 'platform_operation',
      execution: `of-${workflow}`,
      origin: {
        workflow,
        version: '1.0.0',
        program: platformProgram(workflow).hash,
        input: { mode: 'planned' },
        started_at: '2026-12-01T00:00:00.000Z',
      },
      step,
      repetition: 0,
      config,
    });
    recovery.services.topics.push({
      topicName: 'workflow.events',
      partitionCount: 32,
      replicationFactor: 3,
      configs: Buffer.from('{"retention.ms":"604800000"}').toString('base64'),
    });
    const exported = task('topic-configurations', 'export', { operation: 'topics.export' });
    const answer = await lambda('operations').invoke(exported);
    expect(answer).toMatchObject({ output: { count: 1 }, attempts: 1 });
    // Lambda may ask again: what is recorded is answered, and nothing is done.
    const before = recovery.asked.length;
    expect(await lambda('operations').invoke(exported)).toEqual(answer);
    expect(recovery.asked.slice(before).map(({ operation }) => operation)).toEqual([
      's3.GetObject',
    ]);
    const { key } = (answer as { output: { key: string } }).output;
    expect(JSON.parse(recovery.objects.documents.get(key) ?? '')).toMatchObject({
      topics: [{ name: 'workflow.events', settings: { 'retention.ms': '604800000' } }],
    });

    recovery.databases.addGlobal(STANDBY_FACTS.globalDatabase, [ARN_OF(HOME), ARN_OF(STANDBY)]);
    const plan = task('region-failover', 'plan', {
      operation: 'takeover.plan',
      parameters: { mode: 'planned' },
    });
    expect(await lambda('takeover').invoke(plan)).toMatchObject({
      output: { writer: HOME, region: STANDBY },
    });
    // Buckets differ by region: there no log of it would be found.
    await expect(lambda('operations').invoke({ ...plan, execution: 'unheard-of' })).rejects.toThrow(
      'deployed anew',
    );
    const { origin: _, ...foreign } = exported;
    await expect(lambda('operations').invoke(foreign)).rejects.toThrow(
      'that is no task of a machine of the platform',
    );
  });

  it('make a tenant whose owner sets a password with what the answer holds, once', async () => {
    const wanted = { slug: 'acme', name: 'Acme', email: 'ada@acme.example', owner_name: 'Ada' };
    interface Made {
      readonly tenant_id: string;
      readonly user_id: string;
      readonly invitation_token: string | null;
    }
    const first = (await lambda('make-tenant').invoke(wanted)) as Made;
    const again = (await lambda('make-tenant').invoke(wanted)) as Made;
    expect([again.tenant_id, again.user_id]).toEqual([first.tenant_id, first.user_id]);
    const accept = (token: string | null) =>
      ask(lambda('identity-api'), 'POST', '/api/v1/auth/invitations/accept', {
        body: { token, password: 'correct horse battery staple' },
      });
    // The newest alone is good.
    expect((await accept(first.invitation_token)).status).toBe(401);
    expect((await accept(again.invitation_token)).status).toBe(204);
    const { rows } = await database.admin.query(
      'select t.slug, u.email, u.status, u.roles from tenants t join users u on u.tenant_id = t.id where t.slug = $1',
      ['acme'],
    );
    expect(rows).toEqual([
      { slug: 'acme', email: 'ada@acme.example', status: 'active', roles: ['owner'] },
    ]);
    // Whoever has a password is given no other way in.
    expect(await lambda('make-tenant').invoke(wanted)).toMatchObject({
      user_id: first.user_id,
      invitation_token: null,
    });
    expect(await lambda('make-tenant').invoke({ slug: 'No Name', email: 'nobody' })).toMatchObject({
      error: { code: 'REQUEST_INVALID', problems: [{ pointer: '/slug' }, { pointer: '/email' }] },
    });
    for (const event of [null, 'acme', [wanted], { ...wanted, owner_nam: 'Ada' }]) {
      expect(await lambda('make-tenant').invoke(event)).toMatchObject({
        error: { code: 'REQUEST_INVALID', message: expect.stringContaining('owner_name') },
      });
    }
    // The trail of the tenant has the two that made something, each before it did and after.
    const { rows: audited } = await database.admin.query<{
      part: string;
      operation: string | null;
    }>(
      `select part, entry::json -> 'facts' ->> 'operation' as operation from audit_inbox
       where id in (select id from audit_inbox where tenant_id = $1
                      and entry::json -> 'facts' ->> 'actor' = 'operator')
       order by n`,
      [first.tenant_id],
    );
    const twice = [
      { part: 'begun', operation: 'makeTenant' },
      { part: 'ended', operation: null },
    ];
    expect(audited).toEqual([...twice, ...twice]);
    const told = lambda('make-tenant').lines.join('\n');
    expect(told).toContain('TENANT_MADE');
    for (const secret of [first.invitation_token, again.invitation_token]) {
      expect(told).not.toContain(String(secret));
    }
  });

  it('make the first key that signs tokens, once, sealed by KMS', async () => {
    const before = aws.asked.length;
    const first = (await lambda('signing-keys').invoke(TICK)) as { made: string };
    expect(first).toEqual({ made: expect.any(String), deleted: 0 });
    expect(aws.asked.slice(before)).toEqual(['TrentService.Encrypt', 'TrentService.Decrypt']);
    expect(await lambda('signing-keys').invoke(TICK)).toEqual({ made: null, deleted: 0 });
    const { rows } = await database.admin.query('select kid from signing_keys');
    expect(rows).toEqual([{ kid: first.made }]);
  });

  it('take the signed answer of an identity provider of SAML once, and trade it for a session', async () => {
    const idp = await startIdp();
    const protocol = {
      ...{ kind: 'saml', entity_id: idp.entityId, certificates: [idp.certificates.now] },
      ...{ sso_url: 'https://idp.example/sso', email_attribute: 'email' },
    };
    const settings = { enabled: true, email_domains: ['example.com'], default_roles: ['viewer'] };
    const made = await ask(lambda('sso-api'), 'POST', '/api/v1/identity-providers', {
      apiKey,
      body: { name: 'saml', protocol, ...settings, trusts_mfa: false },
    });
    expect(made.status).toBe(201);
    const acs = new URL(String(made.body['callback_url'])).pathname;
    const metadata = await lambda('saml-api').invoke(
      proxyEvent('GET', acs.replace('acs', 'metadata')),
    );
    expect((metadata as ProxyResult).body).toContain(`Location="https://api.example${acs}"`);
    const verifier = 'v'.repeat(43);
    const query = new URLSearchParams({
      return_to: 'http://127.0.0.1:4711/callback',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    });
    const begun = (await lambda('sso-api').invoke(
      proxyEvent('GET', `${acs.replace(/\/acs$/, '')}?${query}`),
    )) as ProxyResult;
    expect(begun.statusCode).toBe(303);
    await idp.tell({ nameId: 'ada', attributes: { email: ['ada@example.com'] }, now: Date.now() });
    // Its address in the settings is of TLS, as it must be; here it listens without.
    const asked = new URL(begun.headers['location'] ?? '');
    const { fields } = await visit(`${idp.url}${asked.search}`);
    const post = () =>
      lambda('saml-api').invoke({
        ...proxyEvent('POST', acs),
        headers: {
          'Content-Type': 'application/x-www-form-urlencoded',
          Cookie: begun.headers['set-cookie']?.split(';')[0],
        },
        body: new URLSearchParams(fields).toString(),
      }) as Promise<ProxyResult>;
    const answered = await post();
    expect(answered.statusCode).toBe(303);
    expect((await post()).statusCode).toBe(401);
    const code = new URL(answered.headers['location'] ?? '').searchParams.get('code');
    const session = await ask(lambda('sso-api'), 'POST', '/api/v1/auth/sso/token', {
      body: { code, code_verifier: verifier },
    });
    await idp.close();
    expect([session.status, session.body['token_type']]).toEqual([200, 'Bearer']);
  });

  it('look at the keys of the platform, and write them as rings that the API goes on with', async () => {
    const nothingDue = { made_for: null, dropped: 0, age_days: 0 };
    expect(await lambda('platform-keys').invoke(TICK)).toEqual({
      'cursor-key': nothingDue,
      'identity-key': nothingDue,
    });
    const later = await begin('workflows-api', envOf('workflows-api'));
    expect(await ask(later, 'GET', '/api/v1/workflows', { apiKey })).toMatchObject({ status: 200 });
    await later.close();
  });

  it('take what was told of audits into chains, and write and sign them', async () => {
    const sealed = (await lambda('audit-sealer').invoke(TICK)) as {
      sealed: number;
      signed: number;
    };
    expect(sealed.sealed).toBeGreaterThan(10);
    expect(sealed.signed).toBeGreaterThan(0);
    const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: 'audit' }));
    const heads = Contents.filter(({ Key }) => Key?.includes('/heads/'));
    expect(heads).toHaveLength(sealed.signed);
    expect(await lambda('audit-sealer').invoke(TICK)).toEqual({ sealed: 0, signed: 0 });
  });

  it('make something of each event of a topic once, and answer where to go on', async () => {
    const { rows } = await database.admin.query<{ tenant_id: string; payload: string }>(
      "select tenant_id, payload from outbox where topic = 'workflow.events' order by xid, id",
    );
    expect(rows.length).toBeGreaterThan(0);
    const records = kafkaRecords('workflow.events', rows);
    const event = {
      eventSource: 'aws:kafka',
      records: {
        'workflow.events-3': records,
        'workflow.events-4': [{ ...records[0], value: '' }],
      },
    };
    const counts = async () => {
      const found = await database.admin.query(
        `select (select count(*)::integer from usage_records) as use,
                (select sum(created)::integer from execution_days) as created,
                (select count(*)::integer from dead_letters) as letters,
                (select count(*)::integer from processed_events) as seen`,
      );
      return found.rows[0];
    };
    for (const name of ['analytics', 'billing', 'audit-events', 'dead-letters'] as const) {
      expect(await lambda(name).invoke(event)).toEqual({ batchItemFailures: [] });
    }
    const once = await counts();
    expect(once.created).toBeGreaterThan(0);
    // What was no event is laid aside by every group for itself.
    expect(once.letters).toBe(4);
    for (const name of ['analytics', 'billing', 'audit-events', 'dead-letters'] as const) {
      expect(await lambda(name).invoke(event)).toEqual({ batchItemFailures: [] });
    }
    expect(await counts()).toEqual(once);
  });

  it('send the mail that a platform is asked for, once, and write no token into a log', async () => {
    const email = 'grace@mail.example';
    const invited = await ask(lambda('identity-api'), 'POST', '/api/v1/users', {
      apiKey,
      body: { email, roles: ['viewer'] },
    });
    expect(invited.status).toBe(201);
    const { rows } = await database.admin.query<{ tenant_id: string; payload: string }>(
      "select tenant_id, payload from outbox where topic = 'notifications.email' and payload like '%' || $1 || '%'",
      [email],
    );
    const event = {
      eventSource: 'aws:kafka',
      records: { m: kafkaRecords('notifications.email', rows) },
    };
    expect(await lambda('mail').invoke(event)).toEqual({ batchItemFailures: [] });
    expect(await lambda('mail').invoke(event)).toEqual({ batchItemFailures: [] });
    expect(ses.taken).toMatchObject([
      {
        FromEmailAddress: 'CloudFlow <no-reply@mail.example>',
        Destination: { ToAddresses: [email] },
      },
    ]);
    const text = ses.taken[0]?.Content.Simple.Body.Text.Data ?? '';
    const token = /\n(cfi_\S+)\n/.exec(text)?.[1] ?? '';
    expect(lambda('mail').lines.join('\n')).not.toContain(token);
    const accepted = await ask(lambda('identity-api'), 'POST', '/api/v1/auth/invitations/accept', {
      body: { token, password: 'a long walk in the rain' },
    });
    expect(accepted.status).toBe(204);
  });

  it('fill the cache with what is started most, and forget there what an event says is gone', async () => {
    await store('kept', [{ id: 'only', type: 'transform', config: { value: 1 } }]);
    await database.admin.query(
      `insert into execution_days (tenant_id, mode, day, workflow_id, runtime, created)
       select tenant_id, mode, current_date, workflow_id, 'engine', 9 from workflows
       where workflow_id = 'kept'`,
    );
    const removed = async () => {
      expect(await workflows('DELETE', '/api/v1/workflows/kept')).toMatchObject({ status: 204 });
      const { rows } = await database.admin.query<{ tenant_id: string; payload: string }>(
        "select tenant_id, payload from outbox where topic = 'cache.invalidation' order by xid, id",
      );
      return { eventSource: 'aws:kafka', records: { c: kafkaRecords('cache.invalidation', rows) } };
    };
    if (redis === null) {
      await expect(lambda('warm-caches').invoke(TICK)).rejects.toThrow('the cache is not there');
      expect(await lambda('cache-invalidation').invoke(await removed())).toEqual({
        batchItemFailures: [],
      });
      return;
    }
    const kept = () => redis?.admin('KEYS', '*:workflow-version:1:live:kept:*');
    await redis.admin('FLUSHALL');
    expect(await lambda('warm-caches').invoke(TICK)).toMatchObject({ failed: 0 });
    expect(await kept()).toContain(':kept:');
    expect(await lambda('cache-invalidation').invoke(await removed())).toEqual({
      batchItemFailures: [],
    });
    expect(await kept()).toBe('*0');
  });

  it('tell what they measured in lines that CloudWatch makes metrics of', async () => {
    await lambda('measure').invoke(TICK);
    const told = () =>
      lambda('measure').lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    await expect.poll(told).toContainEqual({
      _aws: {
        Timestamp: expect.any(Number),
        CloudWatchMetrics: [
          {
            Namespace: 'CloudFlow/dev',
            Dimensions: [['Runtime']],
            Metrics: [
              { Name: 'ExecutionsDue', Unit: 'Count' },
              { Name: 'OldestDue', Unit: 'Seconds' },
            ],
          },
        ],
      },
      program: 'measure',
      Runtime: 'engine',
      ExecutionsDue: expect.any(Number),
      OldestDue: expect.any(Number),
    });
  });

  it('delete the secret of a connection that has been gone for an hour', async () => {
    await ask(lambda('connections-api'), 'DELETE', '/api/v1/connections/shop', { apiKey });
    expect(await lambda('collect-secrets').invoke(TICK)).toEqual({ deleted: 0, told: 0 });
    await database.admin.query(
      "update connection_secrets set unused_since = unused_since - interval '1 hour'",
    );
    const before = aws.asked.length;
    expect(await lambda('collect-secrets').invoke(TICK)).toEqual({ deleted: 1, told: 0 });
    expect(aws.asked.slice(before)).toEqual([
      // Whether it has copies in other regions, which would have to go first.
      'secretsmanager.DescribeSecret',
      'secretsmanager.DeleteSecret',
    ]);
  });

  it('collect no machine that was used a moment ago', async () => {
    const collected = (await lambda('collect-machines').invoke(TICK)) as { seen: number };
    expect(collected).toMatchObject({ deleted: 0 });
    expect(collected.seen).toBeGreaterThanOrEqual(1);
  });

  it('ask for a minute whether the API answers, each time at the route that needs nothing', async () => {
    expect(await probed).toEqual({ asked: 6, unanswered: 0 });
    expect(healthAsked).toEqual(Array.from({ length: 6 }, () => 'GET /healthz'));
    const told = lambda('probe').lines.filter((line) => line.includes('RegionUnanswered'));
    expect(told).toHaveLength(6);
  }, 180_000);

  it('were all given an event, and none wrote to where its code lies', () => {
    const idle = functionNames.filter(
      (name) => !started.some((each) => each.name === name && each.lambda.events > 0),
    );
    expect(idle).toEqual([]);
    for (const name of functionNames) {
      const [after, before] = [unpacked, inject('dist')].map((each) => digestOf(join(each, name)));
      expect([name, after]).toEqual([name, before]);
    }
  });
});

/** What stood in the outbox, as Lambda gives it to readers of a topic. */
function kafkaRecords(
  topic: string,
  rows: readonly { readonly tenant_id: string; readonly payload: string }[],
) {
  const bytes = (text: string) => [...Buffer.from(text)];
  return rows.map(({ tenant_id, payload }, offset) => ({
    topic,
    partition: 3,
    offset,
    timestamp: 1_793_606_400_000,
    timestampType: 'CREATE_TIME',
    key: Buffer.from(`${tenant_id}:k`).toString('base64'),
    value: Buffer.from(payload.slice(2)).toString('base64'),
    headers: [{ tenant: bytes(tenant_id) }],
  }));
}
