/**
 * Objects in one bucket, named `<tenant>/<path>`. The bucket seals them, locks them and lets them age: see
 * the stack that makes it.
 */
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { boundedBody } from '#adapters/object-body.ts';
import { checkObjectKey, checkObjectRange, type ObjectKey } from '#core/object-key.ts';
import { type NewObject, type ObjectStore, ObjectTooLarge } from '#ports/object-store.ts';

/** What a stream holds at a time: two parts. Ten thousand parts are what an object may have. */
const PART_BYTES = 8 * 1_048_576;
const PARTS_AT_A_TIME = 2;
/** Rivals of one absent name are sent away by S3 before it has decided between them. */
const CONFLICT_TRIES = 4;

export function createS3ObjectStore(deps: {
  readonly client: S3Client;
  readonly bucket: string;
}): ObjectStore {
  const { client, bucket: Bucket } = deps;
  const nameOf = ({ tenant, path }: ObjectKey): string => `${tenant}/${path}`;

  async function write(key: ObjectKey, object: NewObject): Promise<void> {
    const target = {
      Bucket,
      Key: nameOf(key),
      ContentType: object.contentType,
      ...(object.onlyIfAbsent ? { IfNoneMatch: '*' } : {}),
    };
    if (object.body instanceof Uint8Array) {
      if (object.body.byteLength > object.maxBytes) throw new ObjectTooLarge(key, object.maxBytes);
      await client.send(new PutObjectCommand({ ...target, Body: object.body }));
      return;
    }
    // It takes back the parts of what did not get whole.
    await new Upload({
      client,
      params: { ...target, Body: Readable.from(boundedBody(key, object)) },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_A_TIME,
    }).done();
  }

  return {
    async put(key, object) {
      checkObjectKey(key);
      for (let attempt = 1; ; attempt++) {
        try {
          await write(key, object);
          return 'stored';
        } catch (error) {
          const status = statusOf(error);
          if (object.onlyIfAbsent && status === 412) return 'exists';
          // A stream cannot be read twice.
          const again = object.body instanceof Uint8Array && attempt < CONFLICT_TRIES;
          if (!object.onlyIfAbsent || status !== 409 || !again) throw error;
        }
      }
    },

    async get(key) {
      checkObjectKey(key);
      try {
        const found = await client.send(new GetObjectCommand({ Bucket, Key: nameOf(key) }));
        if (found.Body === undefined) throw new Error('S3 answered without a body');
        return {
          contentType: found.ContentType ?? 'application/octet-stream',
          bytes: found.ContentLength ?? 0,
          body: found.Body as Readable,
        };
      } catch (error) {
        if (error instanceof NoSuchKey) return null;
        throw error;
      }
    },

    async list(range, page) {
      checkObjectRange(range, page);
      const start = `${range.tenant}/`;
      const found = await client.send(
        new ListObjectsV2Command({
          Bucket,
          Prefix: start + range.prefix,
          MaxKeys: page.limit,
          ...(page.after === null ? {} : { StartAfter: start + page.after }),
        }),
      );
      const items = (found.Contents ?? []).map(({ Key = '', Size = 0 }) => ({
        path: Key.slice(start.length),
        bytes: Size,
      }));
      return { items, next: found.IsTruncated === true ? (items.at(-1)?.path ?? null) : null };
    },

    async delete(key) {
      checkObjectKey(key);
      await client.send(new DeleteObjectCommand({ Bucket, Key: nameOf(key) }));
    },
  };
}

function statusOf(error: unknown): number {
  return error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 0) : 0;
}
