/**
 * The demonstration of `cloudflow dev`: the onboarding example, once on each runtime, against a real
 * HTTP service and a real database.
 */

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { type Client, createClient } from '#client/client.ts';
import { hasErrorCode } from '#core/errors.ts';
import { isFinal } from '#core/execution/events.ts';
import type { Json, JsonObject } from '#core/json.ts';
import { MARKER_TABLE_SQL } from '#ports/databases.ts';
import type { Platform } from './platform.ts';

export interface DemoResult {
  readonly runtime: 'engine' | 'step_functions';
  readonly executionId: string;
  readonly status: string;
  readonly output: Json;
  readonly durationMs: number;
}

const EXAMPLE = new URL('../../statemachines/examples/onboarding-demo.json', import.meta.url);
const INPUT = new URL('../../statemachines/examples/inputs/onboarding-demo.json', import.meta.url);
const DATABASE = 'cloudflow_demo';
const ROLE = 'cloudflow_demo';
const LOOK_MS = 10;
const GIVE_UP_MS = 60_000;

/** What the example stands on: the service that it asks, for as long as it is open. */
export interface Demo {
  /** Registers what the example needs, runs it once on each runtime, and answers with what came of it. */
  run(): Promise<readonly DemoResult[]>;
  close(): Promise<void>;
}

/** The service stays until `close`, so that a user can run the example again. */
export async function openDemo(platform: Platform): Promise<Demo> {
  const service = await startVerificationService();
  return { run: () => runDemo(platform, service.port), close: service.close };
}

async function runDemo(platform: Platform, servicePort: number): Promise<readonly DemoResult[]> {
  const client = createClient({ baseUrl: platform.baseUrl, credential: platform.apiKey });
  await prepareDatabase(platform);
  await register(platform, client, servicePort);
  const definition = JSON.parse(await readFile(EXAMPLE, 'utf8')) as JsonObject;
  const input = JSON.parse(await readFile(INPUT, 'utf8')) as JsonObject;
  const { workflow_id, version } = await client.createWorkflow({ body: definition });
  const results: DemoResult[] = [];
  for (const runtime of ['engine', 'step_functions'] as const) {
    const accepted = await client.executeWorkflow({
      workflow_id,
      body: { version, runtime, input, labels: { example: 'onboarding' } },
    });
    results.push(await follow(platform, client, runtime, accepted.execution_id));
  }
  return results;
}

async function follow(
  platform: Platform,
  client: Client,
  runtime: DemoResult['runtime'],
  executionId: string,
): Promise<DemoResult> {
  const deadline = performance.now() + GIVE_UP_MS;
  for (;;) {
    await platform.virtualClock?.settle();
    const execution = await client.getExecution({ execution_id: executionId });
    if (isFinal(execution.status)) {
      return {
        runtime,
        executionId,
        status: execution.status,
        output: execution.output,
        durationMs: Date.parse(execution.ended_at ?? '') - Date.parse(execution.created_at),
      };
    }
    if (performance.now() > deadline) {
      throw new Error(`the example is still ${execution.status} on ${runtime} after a minute`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A small service that knows every customer but those without an at sign in their address. */
async function startVerificationService(): Promise<{ port: number; close(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { email } = JSON.parse(Buffer.concat(chunks).toString() || '{}') as { email?: string };
      const valid = typeof email === 'string' && email.includes('@');
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ valid, risk: valid ? 'low' : 'high' }));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

/** A database of the example's own, with a role that may do nothing else. */
async function prepareDatabase(platform: Platform): Promise<void> {
  const password = platform.state.identity.demoPassword;
  await asOwner(platform.postgresUrl, async (client) => {
    const role = await client.query('select 1 from pg_roles where rolname = $1', [ROLE]);
    const verb = role.rowCount === 0 ? 'create' : 'alter';
    await client.query(
      `${verb} role ${ROLE} login nosuperuser connection limit 10 password ${pg.escapeLiteral(password)}`,
    );
    const database = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (database.rowCount === 0) await client.query(`create database ${DATABASE}`);
  });
  await asOwner(inDatabase(platform.postgresUrl, DATABASE), (client) =>
    client.query(`
      create table if not exists accounts (
        account_id bigint generated always as identity primary key,
        customer_id text not null, email text not null, risk text not null,
        closed boolean not null default false, created_at timestamptz not null default now());
      grant select, insert, update on accounts to ${ROLE};
    `),
  );
  await asOwner(inDatabase(platform.postgresUrl, DATABASE), async (client) => {
    const { rows } = await client.query("select to_regclass('cloudflow_markers') as there");
    if (rows[0]?.there === null) await client.query(MARKER_TABLE_SQL);
    await client.query(`grant select, insert, update on cloudflow_markers to ${ROLE}`);
  });
}

async function asOwner<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function inDatabase(url: string, database: string): string {
  const parsed = new URL(url);
  parsed.pathname = `/${database}`;
  return parsed.href;
}

/** Connections and operations; on a later start their ports may be others, so they are replaced. */
async function register(platform: Platform, client: Client, port: number): Promise<void> {
  const { hostname, port: databasePort } = new URL(platform.postgresUrl);
  platform.allowEgress(`127.0.0.1:${port}`);
  platform.allowEgress(`${hostname}:${databasePort || '5432'}`);
  await putConnection(client, 'validation', {
    connection: { type: 'http', base_url: `http://127.0.0.1:${port}`, auth: { scheme: 'none' } },
  });
  await putConnection(client, 'accounts', {
    connection: {
      type: 'postgres',
      host: hostname,
      port: Number(databasePort || '5432'),
      database: DATABASE,
      login: { username: ROLE, secret: 'accounts-password' },
      tls: 'disable',
    },
    secrets: { 'accounts-password': platform.state.identity.demoPassword },
  });
  await putOperation(client, 'create-account', {
    access: 'write',
    statement:
      'insert into accounts (customer_id, email, risk) values (:customer_id, :email, :risk) returning account_id::int',
    parameters: {
      type: 'object',
      properties: {
        customer_id: { type: 'string', maxLength: 64 },
        email: { type: 'string', maxLength: 254 },
        risk: { type: 'string', enum: ['low', 'high'] },
      },
      required: ['customer_id', 'email', 'risk'],
    },
  });
  await putOperation(client, 'close-account', {
    access: 'write',
    statement: 'update accounts set closed = true where account_id = :account_id',
    parameters: {
      type: 'object',
      properties: { account_id: { type: 'integer', minimum: 1 } },
      required: ['account_id'],
    },
  });
}

type ConnectionBody = Parameters<Client['updateConnection']>[0]['body'];
type OperationBody = Parameters<Client['updateOperation']>[0]['body'];

async function putConnection(client: Client, name: string, body: ConnectionBody): Promise<void> {
  try {
    await client.createConnection({ body: { name, ...body } });
  } catch (error) {
    if (!hasErrorCode(error, 'CONFLICT')) throw error;
    await client.updateConnection({ connection: name, body, ifMatch: '*' });
  }
}

async function putOperation(client: Client, name: string, body: OperationBody): Promise<void> {
  try {
    await client.createOperation({ connection: 'accounts', body: { name, ...body } });
  } catch (error) {
    if (!hasErrorCode(error, 'CONFLICT')) throw error;
    await client.updateOperation({ connection: 'accounts', operation: name, body, ifMatch: '*' });
  }
}
