import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Documents } from '#ports/recovery.ts';
import { asked, isNamed } from '../aws/failure.ts';

/** Documents in a bucket. What is written over is named by its entity tag, so that no write is lost. */
export function createS3Documents(client: S3Client, bucket: string): Documents {
  return {
    async read(key) {
      try {
        const { Body, ETag } = await client.send(
          new GetObjectCommand({ Bucket: bucket, Key: key }),
        );
        return { text: (await Body?.transformToString('utf8')) ?? '', version: ETag ?? '' };
      } catch (error) {
        if (isNamed(error, 'NoSuchKey', 'NotFound')) return null;
        return asked('a document', () => Promise.reject(error));
      }
    },
    async write(key, text, over) {
      try {
        const { ETag } = await client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: text,
            ContentType: 'application/json',
            ...(over === null ? { IfNoneMatch: '*' } : { IfMatch: over }),
          }),
        );
        return ETag ?? '';
      } catch (error) {
        // The latter when another write of the same key is under way.
        if (isNamed(error, 'PreconditionFailed', 'ConditionalRequestConflict')) return null;
        return asked('a document', () => Promise.reject(error));
      }
    },
  };
}
