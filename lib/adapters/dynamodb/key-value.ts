/**
 * Small records in one table of DynamoDB, an item each: `owner` is tenant and kind, `id` the rest.
 *
 *  D1 reads are consistent, and every write is one conditional request.
 *  D2 the version is made here before the first try. The client repeats requests whose answer was lost;
 *     a condition that fails on our own version is a write that had arrived.
 *  D3 `expires` decides, in milliseconds of business time; `ttl`, never before it, only cleans up.
 */
import { randomUUID } from 'node:crypto';
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import { RECORDS_TABLE } from '#config/tables.ts';
import {
  checkRecordContent,
  checkRecordKey,
  checkRecordRange,
  type RecordKey,
} from '#core/record.ts';
import type { Clock } from '#ports/clock.ts';
import type { KeyValue, StoredRecord } from '#ports/key-value.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';

type Item = Record<string, AttributeValue>;

const { partitionKey: OWNER, sortKey: ID, timeToLive: TTL } = RECORDS_TABLE;
const IS_THERE = '(attribute_exists(#id) and (attribute_not_exists(#expires) or #expires > :now))';
const IS_GONE = '(attribute_not_exists(#id) or #expires <= :now)';

export function createDynamoKeyValue(deps: {
  readonly client: DynamoDBClient;
  readonly table: string;
  readonly clock: Clock;
  readonly codec: PayloadCodec;
}): KeyValue {
  const { client, table: TableName, clock, codec } = deps;
  const now = () => ({ N: String(clock.now()) });

  /** What an item says; null where none is or it has expired. */
  function read(item: Item | undefined): StoredRecord | null {
    if (item === undefined) return null;
    const expiresAt = item['expires']?.N === undefined ? null : Number(item['expires'].N);
    if (expiresAt !== null && expiresAt <= clock.now()) return null;
    const tenant = textOf(item, OWNER).split('#', 1)[0] ?? '';
    return {
      version: textOf(item, 'version'),
      value: codec.decode(textOf(item, 'content'), tenant),
      expiresAt,
    };
  }

  return {
    async get(key) {
      checkRecordKey(key);
      const { Item: item } = await client.send(
        new GetItemCommand({ TableName, Key: keyOf(key), ConsistentRead: true }),
      );
      return read(item);
    },

    async put(key, over, { value, expiresAt }) {
      checkRecordKey(key);
      const content = codec.encode(value, key.tenant);
      checkRecordContent(key.kind, content, expiresAt);
      const version = randomUUID();
      try {
        await client.send(
          new PutItemCommand({
            TableName,
            Item: {
              ...keyOf(key),
              version: { S: version },
              content: { S: content },
              ...(expiresAt === null
                ? {}
                : {
                    expires: { N: String(expiresAt) },
                    [TTL]: { N: String(Math.ceil(expiresAt / 1_000)) },
                  }),
            },
            ConditionExpression: over === null ? IS_GONE : `${IS_THERE} and #version = :over`,
            ExpressionAttributeNames: {
              '#id': ID,
              '#expires': 'expires',
              ...(over === null ? {} : { '#version': 'version' }),
            },
            ExpressionAttributeValues: {
              ':now': now(),
              ...(over === null ? {} : { ':over': { S: over } }),
            },
            ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          }),
        );
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        if (error.Item?.['version']?.S !== version) {
          return { kind: 'conflict', found: read(error.Item) };
        }
      }
      return { kind: 'written', version };
    },

    async delete(key, version) {
      checkRecordKey(key);
      try {
        await client.send(
          new DeleteItemCommand({
            TableName,
            Key: keyOf(key),
            ConditionExpression:
              version === undefined ? IS_THERE : `${IS_THERE} and #version = :version`,
            ExpressionAttributeNames: {
              '#id': ID,
              '#expires': 'expires',
              ...(version === undefined ? {} : { '#version': 'version' }),
            },
            ExpressionAttributeValues: {
              ':now': now(),
              ...(version === undefined ? {} : { ':version': { S: version } }),
            },
          }),
        );
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return false;
        throw error;
      }
      return true;
    },

    async list(range, page) {
      checkRecordRange(range, page);
      const { prefix } = range;
      const owner = ownerOf(range);
      const { Items = [], LastEvaluatedKey } = await client.send(
        new QueryCommand({
          TableName,
          ConsistentRead: true,
          KeyConditionExpression: `#owner = :owner${prefix === '' ? '' : ' and begins_with(#id, :prefix)'}`,
          ExpressionAttributeNames: { '#owner': OWNER, ...(prefix === '' ? {} : { '#id': ID }) },
          ExpressionAttributeValues: {
            ':owner': { S: owner },
            ...(prefix === '' ? {} : { ':prefix': { S: prefix } }),
          },
          Limit: page.limit,
          ...(page.after === null
            ? {}
            : { ExclusiveStartKey: { [OWNER]: { S: owner }, [ID]: { S: page.after } } }),
        }),
      );
      return {
        items: Items.flatMap((item) => {
          const record = read(item);
          return record === null ? [] : [{ id: textOf(item, ID), ...record }];
        }),
        next: LastEvaluatedKey === undefined ? null : textOf(LastEvaluatedKey, ID),
      };
    },
  };
}

function ownerOf({ tenant, kind }: Pick<RecordKey, 'tenant' | 'kind'>): string {
  return `${tenant}#${kind}`;
}

function keyOf(key: RecordKey): Item {
  return { [OWNER]: { S: ownerOf(key) }, [ID]: { S: key.id } };
}

/** Every item was written by `put`, so what is not there is damage. */
function textOf(item: Item, name: string): string {
  const text = item[name]?.S;
  if (text === undefined) throw new TypeError(`an item of the table of records has no ${name}`);
  return text;
}
