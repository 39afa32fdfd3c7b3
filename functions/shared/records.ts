import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Pool } from 'pg';
import { guarded } from '#adapters/aws/guarded.ts';
import { createDynamoKeyValue } from '#adapters/dynamodb/key-value.ts';
import { createPostgresKeyValue } from '#adapters/postgres/key-value.ts';
import type { KeyValue } from '#ports/key-value.ts';
import type { Basics } from './process.ts';

/** A record is small and near: what takes longer than this is away. */
const CONNECT_MS = 1_000;
const ANSWER_MS = 2_000;
const TRIES = 3;

/** Small records, in DynamoDB where the environment names a table. `pool`: role `cloudflow_app`. */
export function openRecords(
  basics: Pick<Basics, 'clock' | 'codec' | 'metrics'>,
  env: { readonly RECORDS_TABLE: string },
  pool: Pool,
): KeyValue {
  const { clock, codec } = basics;
  if (env.RECORDS_TABLE === '') return createPostgresKeyValue({ pool, clock, codec });
  const client = guarded(
    'records',
    new DynamoDBClient({
      maxAttempts: TRIES,
      requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS },
    }),
    basics,
  );
  return createDynamoKeyValue({ client, table: env.RECORDS_TABLE, clock, codec });
}
