import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_SEALED_BYTES, SealBroken, type Sealer } from '#ports/sealer.ts';
import { openKeyFile, openUnder, sealUnder } from './key-file.ts';

/**
 * Seals under a key in `directory`, which is made where it is not. It keeps secrets of the local
 * platform out of its database and its copies, not from whoever reads all of this user's files.
 */
export async function openFileSealer(directory: string): Promise<Sealer> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = await openKeyFile(join(directory, 'key'));
  return {
    async seal(purpose, plain) {
      if (plain.byteLength > MAX_SEALED_BYTES) {
        throw new TypeError(`${plain.byteLength} bytes to seal; use at most ${MAX_SEALED_BYTES}`);
      }
      return sealUnder(key, purpose, plain);
    },
    async open(purpose, sealed) {
      try {
        return openUnder(key, purpose, sealed);
      } catch (cause) {
        throw new SealBroken(purpose, { cause });
      }
    },
  };
}
