import { type DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { beforeAll, expect, it } from 'vitest';
import { createDynamoKeyValue } from '#adapters/dynamodb/key-value.ts';
import { createEncryptingCodec, createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { isUnavailable } from '#functions/shared/unavailable.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import { keyValueContract } from '#test/adapters/key-value-contract.ts';
import { createRecordsTable, describeWithDynamo, startDynamoDb } from '#test/support/dynamodb.ts';
import { TENANT } from '#test/support/platform.ts';

const START = Date.parse('2027-01-01T00:00:00.250Z');
const KEY = { tenant: TENANT, kind: 'lock_out', id: 'one' };

describeWithDynamo('small records in DynamoDB', () => {
  let open: Awaited<ReturnType<typeof startDynamoDb>>;
  let client: DynamoDBClient;
  let tables = 0;
  beforeAll(async () => {
    open = await startDynamoDb();
    client = open();
  });

  async function emptyTable(): Promise<string> {
    const table = `cloudflow-test-${tables++}`;
    await createRecordsTable(client, table);
    return table;
  }
  const storeIn = (table: string, over: Partial<Parameters<typeof createDynamoKeyValue>[0]> = {}) =>
    createDynamoKeyValue({
      client,
      table,
      clock: createVirtualClock({ start: START }),
      codec: createPlainCodec(),
      ...over,
    });

  keyValueContract(async (clock) => storeIn(await emptyTable(), { clock }));

  it('tells DynamoDB to clean up, in whole seconds and never too early', async () => {
    const table = await emptyTable();
    const store = storeIn(table);
    await store.put(KEY, null, { value: 1, expiresAt: START + 1 });
    await store.put({ ...KEY, id: 'stays' }, null, { value: 1, expiresAt: null });
    const { Items } = await client.send(new ScanCommand({ TableName: table }));
    const ttl = Object.fromEntries(Items!.map((item) => [item['id']?.S, item['ttl']?.N]));
    expect(ttl).toEqual({ one: String(START / 1_000 - 0.25 + 1), stays: undefined });
  });

  it('seals what records hold', async () => {
    const table = await emptyTable();
    const current = { id: 'k1', key: new Uint8Array(32).fill(7) };
    const store = storeIn(table, { codec: createEncryptingCodec(current) });
    await store.put(KEY, null, { value: 'canary-77', expiresAt: null });
    const { Items } = await client.send(new ScanCommand({ TableName: table }));
    expect(JSON.stringify(Items)).not.toContain('canary-77');
    expect((await store.get(KEY))?.value).toBe('canary-77');
  });

  it('finds its own write when the answer to it was lost', async () => {
    const table = await emptyTable();
    // One client for each: the first answer to it is thrown away, after the server has done the work.
    const lossy = () => {
      const losing = open({ maxAttempts: 3 });
      let lost = false;
      losing.middlewareStack.add(
        (next) => async (args) => {
          const answer = await next(args);
          if (lost) return answer;
          lost = true;
          throw Object.assign(new Error('the answer was lost'), { name: 'TimeoutError' });
        },
        { step: 'deserialize', priority: 'low' },
      );
      return storeIn(table, { client: losing });
    };
    const first = await lossy().put(KEY, null, { value: 1, expiresAt: null });
    if (first.kind !== 'written') throw new Error('not written');
    expect((await storeIn(table).get(KEY))?.version).toBe(first.version);
    const second = await lossy().put(KEY, first.version, { value: 2, expiresAt: null });
    expect(second.kind).toBe('written');
    expect((await storeIn(table).get(KEY))?.value).toBe(2);
    // Nobody is told that he deleted it, and it is gone.
    expect(await lossy().delete(KEY)).toBe(false);
    expect(await storeIn(table).get(KEY)).toBeNull();
  });

  it('a store that is away or full is unavailable, a table that is not there is not', async () => {
    const away = storeIn('t', { client: open({ endpoint: 'http://127.0.0.1:1' }) });
    await expect(away.get(KEY)).rejects.toSatisfy(isUnavailable);
    const full = open();
    full.middlewareStack.add(
      () => () => {
        throw Object.assign(new Error('slow down'), {
          name: 'ProvisionedThroughputExceededException',
          $metadata: { httpStatusCode: 400 },
        });
      },
      { step: 'deserialize', priority: 'low' },
    );
    await expect(storeIn('t', { client: full }).get(KEY)).rejects.toSatisfy(isUnavailable);
    await expect(storeIn('no-such-table').get(KEY)).rejects.not.toSatisfy(isUnavailable);
  });
});
