import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createOutboundGate } from '#adapters/breaker/outbound-gate.ts';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createUndiciHttp } from '#adapters/http/undici-http.ts';
import { openFileSecrets } from '#adapters/local/file-secrets.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPostgresDatabases } from '#adapters/postgres-target/databases.ts';
import { readEgressPolicy } from '#config/egress.ts';
import type { ConnectionSpec, OperationSpec } from '#core/connections.ts';
import { Secret } from '#core/secret.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { MARKER_TABLE_SQL } from '#ports/databases.ts';
import type { StepDeps } from '#steps/deps.ts';
import { performCall } from '#steps/perform-call.ts';
import { callOf, stepOf } from '#test/steps/support.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

const SECRET = `canary-${randomUUID()}`;

describeWithPostgres('steps over real adapters', () => {
  let deps: StepDeps;
  let server: Server;
  let port: number;
  let folder: string;
  const hits: { url: string; headers: IncomingMessage['headers']; body: string }[] = [];
  const closers: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      hits.push({ url: request.url ?? '', headers: request.headers, body });
      if (request.url?.startsWith('/v1/slow') === true) return;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ echo: request.headers, body }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;

    const database = await createTestDatabase();
    const url = new URL(database.url);
    await database.admin.query(MARKER_TABLE_SQL);
    await database.admin.query(
      'create table accounts (id int generated always as identity, name text)',
    );

    folder = mkdtempSync(join(tmpdir(), 'cloudflow-steps-'));
    const secrets = await openFileSecrets(join(folder, 'secrets'));
    const id = { tenant: 'acme', mode: 'live' } as const;
    await secrets.put({ ...id, name: 'token' }, new Secret(SECRET));
    await secrets.put(
      { ...id, name: 'pw' },
      new Secret(decodeURIComponent(url.password) || 'none'),
    );

    const specs: { [name: string]: ConnectionSpec } = {
      crm: {
        type: 'http',
        base_url: `http://127.0.0.1:${port}/v1`,
        auth: { scheme: 'bearer', secret: 'token' },
      },
      db: {
        type: 'postgres',
        host: '127.0.0.1',
        port: Number(url.port),
        database: url.pathname.slice(1),
        login: { username: decodeURIComponent(url.username), secret: 'pw' },
        tls: 'disable',
      },
    };
    const operations: { [name: string]: OperationSpec } = {
      'create-account': {
        connection: 'db',
        access: 'write',
        statement: 'insert into accounts (name) values (:name) returning id, name',
        parameters: {
          type: 'object',
          properties: { name: { type: 'string' } },
          required: ['name'],
        },
      },
      'count-accounts': {
        connection: 'db',
        access: 'read',
        statement: 'select count(*)::int as n from accounts',
      },
      nap: { connection: 'db', access: 'read', statement: 'select pg_sleep(30)' },
    };
    const guard = createEgressGuard({
      policy: readEgressPolicy({ EGRESS_ALLOW: `127.0.0.1:${port},127.0.0.1:${url.port}` }),
      resolver: { resolve: () => Promise.resolve([]) },
    });
    const http = createUndiciHttp({ guard });
    const databases = createPostgresDatabases({ guard, log: createSilentLog() });
    closers.push(
      () => http.close(),
      () => databases.close(),
    );
    const never = (what: string) => () => Promise.reject(new Error(`no ${what} in this test`));
    deps = {
      evaluator: createInProcessEvaluator(),
      deadlines: createRealDeadlines(),
      gate: createOutboundGate(createSystemClock()),
      connections: {
        find: (_tenant, _mode, name) =>
          Promise.resolve(
            specs[name] === undefined
              ? null
              : { name, id: name, revision: 1, spec: specs[name], secrets: {} },
          ),
        findOperation: (_tenant, _mode, name) =>
          Promise.resolve(
            operations[name] === undefined ? null : { name, revision: 1, spec: operations[name] },
          ),
      },
      secrets,
      http,
      databases,
      outbox: { publish: never('outbox') },
      children: { start: never('children'), ended: never('children') },
      publicUrl: 'http://127.0.0.1:1',
    };
  });

  afterAll(async () => {
    for (const close of closers) await close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  it('an http_request arrives with its secret, and the secret does not come back', async () => {
    const step = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: '/x', connection: 'crm' },
      max_output_bytes: 8_000,
    });
    const config = { url: '/orders/7', method: 'POST', connection: 'crm', body: { a: 1 } };
    const result = await performCall(deps, callOf(step, config));
    expect(hits.at(-1)).toMatchObject({
      url: '/v1/orders/7',
      body: '{"a":1}',
      headers: { authorization: `Bearer ${SECRET}` },
    });
    expect(result).toMatchObject({
      ok: true,
      output: {
        status: 200,
        body: { body: '{"a":1}', echo: { authorization: 'Bearer [secret]' } },
      },
    });
    expect(JSON.stringify(result)).not.toContain(SECRET);
  });

  it('a call that is late times out in real time, and the target sees it go', async () => {
    const step = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: '/x', connection: 'crm' },
    });
    const started = performance.now();
    const result = await performCall(
      deps,
      callOf(step, { url: '/slow', connection: 'crm' }, { timeoutMs: 250 }),
    );
    const took = performance.now() - started;
    expect(result).toEqual({
      ok: false,
      error: { code: 'CloudFlow.Timeout', message: 'no result within 250 ms' },
    });
    expect(took).toBeGreaterThan(200);
    expect(took).toBeLessThan(1_500);
  });

  it('a forbidden target is refused by code, whatever it is', async () => {
    const step = stepOf({
      id: 'ship',
      type: 'http_request',
      config: { url: 'https://a.example/' },
    });
    for (const url of [
      'http://169.254.169.254/latest',
      'http://localhost.:1/',
      `http://127.0.0.1:${port + 1}/`,
      'http://[::1]/',
      'http://10.1.1.1:5432/',
    ]) {
      const result = await performCall(deps, callOf(step, { url }));
      if (!url.includes('localhost')) {
        expect(result).toEqual({
          ok: false,
          error: {
            code: 'CloudFlow.PermissionDenied',
            message: 'the target is not one that this step may connect to',
          },
        });
      }
      expect(result.ok).toBe(false);
    }
  });

  it('a database_operation happens once however often it is attempted', async () => {
    const step = stepOf({ id: 'create-account', type: 'database_operation' });
    const config = { parameters: { name: "Robert'); drop table accounts; --" } };
    const first = await performCall(deps, callOf(step, config));
    expect(first).toMatchObject({
      ok: true,
      output: { row_count: 1, rows: [{ id: 1, name: config.parameters.name }] },
    });
    for (const attempt of [2, 3])
      expect(await performCall(deps, callOf(step, config, { attempt }))).toEqual(first);
    const count = stepOf({
      id: 'count-accounts',
      type: 'database_operation',
      result: '{% $result.rows[0].n %}',
    });
    expect(await performCall(deps, callOf(count, {}))).toEqual({
      ok: true,
      output: 1,
      compensation: null,
    });
    const next = await performCall(deps, callOf(step, config, { key: 'create-account[1]' }));
    expect(next).toMatchObject({ ok: true, output: { rows: [{ id: 2 }] } });
  });

  it('a statement that is late is ended from outside', async () => {
    const step = stepOf({ id: 'nap', type: 'database_operation' });
    const result = await performCall(deps, callOf(step, {}, { timeoutMs: 250 }));
    expect(result).toMatchObject({ ok: false, error: { code: 'CloudFlow.Timeout' } });
  });
});
