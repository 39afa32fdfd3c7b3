/** A key of this machine's own in a file of mode 0600, and what is sealed under it. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { link, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** First byte of everything sealed: the way it is written. */
const FORMAT = 1;

/** Format, random start, proof, text: AES-256-GCM. `about` must be said again to open. */
export function sealUnder(key: Buffer, about: string, plain: Uint8Array): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(about));
  const text = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.from([FORMAT]), iv, cipher.getAuthTag(), text]);
}

/** Throws on whatever `sealUnder` did not make of this key and `about`. */
export function openUnder(key: Buffer, about: string, sealed: Uint8Array): Buffer {
  if (sealed[0] !== FORMAT) throw new TypeError('unknown format');
  const iv = sealed.subarray(1, 1 + IV_BYTES);
  const tag = sealed.subarray(1 + IV_BYTES, 1 + IV_BYTES + TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(about))
    .setAuthTag(tag);
  const text = decipher.update(sealed.subarray(1 + IV_BYTES + TAG_BYTES));
  return Buffer.concat([text, decipher.final()]);
}

/** What is wrong with a file that holds a key. */
export class KeyFileUnusable extends Error {
  constructor(path: string, why: string) {
    super(`${path} ${why}`);
    this.name = 'KeyFileUnusable';
  }
}

/** The key in `path`, made where none is. Throws `KeyFileUnusable` for one that others can read. */
export async function openKeyFile(path: string): Promise<Buffer> {
  let key = await readIfThere(path);
  if (key === null) {
    const fresh = `${path}.${randomBytes(6).toString('hex')}`;
    await writeFileSynced(fresh, randomBytes(KEY_BYTES));
    try {
      // Of two processes that start at once the first wins, and both use its key.
      await link(fresh, path);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    } finally {
      await rm(fresh, { force: true });
    }
    await syncFolder(dirname(path));
    key = await readFile(path);
  }
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) {
    throw new KeyFileUnusable(path, 'can be read by others; its mode must be 0600');
  }
  if (key.byteLength !== KEY_BYTES) {
    throw new KeyFileUnusable(path, `is not a key of ${KEY_BYTES} bytes`);
  }
  return key;
}

/** A new file, mode 0600, durable once its folder is. */
export async function writeFileSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is durable once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
