import {
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  NoSuchBucket,
  type S3Client,
} from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { createS3ObjectStore } from '#adapters/s3/object-store.ts';
import { objectStoreContract } from '#test/adapters/object-store-contract.ts';
import { TENANT } from '#test/support/platform.ts';
import { startS3, type TestS3 } from '#test/support/s3.ts';

describe('objects in S3', () => {
  let s3: TestS3;
  let client: S3Client;
  beforeAll(async () => {
    s3 = await startS3();
    client = s3.client;
    s3.createBucket('contract');
  });

  objectStoreContract(async () => createS3ObjectStore({ client, bucket: 'contract' }));

  it('lie under their tenant, with their type', async () => {
    const store = createS3ObjectStore({ client, bucket: 'contract' });
    const body = Buffer.from('{}');
    const rest = { contentType: 'application/json', onlyIfAbsent: true, maxBytes: 10 };
    await store.put({ tenant: TENANT, path: 'where/it-lies' }, { body, ...rest });
    const Key = `${TENANT}/where/it-lies`;
    const head = await client.send(new HeadObjectCommand({ Bucket: 'contract', Key }));
    expect(head).toMatchObject({ ContentType: 'application/json', ContentLength: 2 });
  });

  it('leave no parts behind of what failed', async () => {
    const { Uploads = [] } = await client.send(
      new ListMultipartUploadsCommand({ Bucket: 'contract' }),
    );
    expect(Uploads).toEqual([]);
  });

  it('a rival that S3 has not decided about asks again, and not for ever', async () => {
    const store = createS3ObjectStore({ client, bucket: 'contract' });
    const rest = { contentType: 'text/plain', onlyIfAbsent: true, maxBytes: 10 };
    const key = { tenant: TENANT, path: 'rivals' };
    s3.conflict(3);
    expect(await store.put(key, { body: Buffer.from('1'), ...rest })).toBe('stored');
    s3.conflict(3);
    expect(await store.put(key, { body: Buffer.from('2'), ...rest })).toBe('exists');
    s3.conflict(4);
    await expect(store.put(key, { body: Buffer.from('3'), ...rest })).rejects.toMatchObject({
      name: 'ConditionalRequestConflict',
    });
  });

  it('a bucket that is not there is an error, not an absent object', async () => {
    const store = createS3ObjectStore({ client, bucket: 'no-such-bucket' });
    const key = { tenant: TENANT, path: 'a' };
    await expect(store.get(key)).rejects.toBeInstanceOf(NoSuchBucket);
  });
});
