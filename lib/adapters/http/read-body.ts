import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** What is asked for; anything else that a server sends is refused. */
export const ACCEPTED_ENCODINGS = 'gzip, deflate, br';

const DECODERS: { readonly [encoding: string]: () => Transform } = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** Compressed bytes may exceed what they decode to by headers and empty blocks; not by more. */
const ENCODING_OVERHEAD = 65_536;

export class BodyTooLarge extends Error {}
export class BodyUndecodable extends Error {}

/**
 * Reads a body to its end, undoing at most one content encoding. Bytes are counted as they come and
 * after decompression, so that neither a bomb nor an endless stream of empty blocks gets past `limit`.
 */
export async function readBody(
  source: Readable,
  contentEncoding: string | undefined,
  limit: number,
): Promise<Uint8Array> {
  const encodings = (contentEncoding ?? '')
    .split(',')
    .map((word) => word.trim().toLowerCase())
    .filter((word) => word !== '' && word !== 'identity');
  const decoder = encodings[0] === undefined ? undefined : DECODERS[encodings[0]];
  if (encodings.length > 1 || (encodings.length === 1 && decoder === undefined)) {
    // Destroying makes undici report the abort on the stream, where nobody would hear it any more.
    source.on('error', () => undefined).destroy();
    throw new BodyUndecodable('the content encoding is not one that was asked for');
  }

  const chunks: Uint8Array[] = [];
  const collect = async (parts: AsyncIterable<Uint8Array>): Promise<void> => {
    let bytes = 0;
    for await (const part of parts) {
      bytes += part.byteLength;
      if (bytes > limit) throw new BodyTooLarge(`the body is larger than ${limit} bytes`);
      chunks.push(part);
    }
  };
  if (decoder === undefined) await pipeline(source, collect);
  else {
    try {
      await pipeline(source, counter(limit + ENCODING_OVERHEAD), decoder(), collect);
    } catch (error) {
      throw isZlibError(error)
        ? new BodyUndecodable('the body cannot be decompressed', { cause: error })
        : error;
    }
  }
  return Buffer.concat(chunks);
}

function counter(limit: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(part: Uint8Array, _encoding, done) {
      bytes += part.byteLength;
      if (bytes > limit) done(new BodyTooLarge(`the body is larger than ${limit} bytes`));
      else done(null, part);
    },
  });
}

function isZlibError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('Z_') || code.startsWith('ERR__ERROR_') || code.startsWith('ERR_PADDING');
}
