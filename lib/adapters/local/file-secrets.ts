/**
 * Secrets in files, for the local stack. One file per secret, AES-256-GCM under a key that lies beside
 * them with mode 0600: this keeps values out of backups, screenshots and greps, not from whoever can
 * read the whole directory as this user.
 *
 *  F1 a file opens only for the (tenant, mode, name) it was written for: those are its associated data.
 *  F2 a write is durable when it resolves, and readers see the old value or the new one.
 *  F3 several processes may share a directory: nothing is cached.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Secret } from '#core/secret.ts';
import type { SecretKey, Secrets } from '#ports/secrets.ts';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** First byte of every file: the way it is written. */
const FORMAT = 1;

/** Opens or creates the store in `directory`. Refuses a key that others can read. */
export async function openFileSecrets(directory: string): Promise<Secrets> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = await openKey(join(directory, 'key'));
  const pathOf = (id: SecretKey): string =>
    join(directory, createHash('sha256').update(idText(id)).digest('hex'));

  return {
    async get(id) {
      const sealed = await readIfThere(pathOf(id));
      return sealed === null ? null : new Secret(unseal(key, id, sealed));
    },
    async put(id, value) {
      await writeDurably(pathOf(id), seal(key, id, value.reveal()));
    },
    async delete(id) {
      await rm(pathOf(id), { force: true });
      await syncFolder(directory);
    },
  };
}

function idText({ tenant, mode, name }: SecretKey): string {
  return JSON.stringify([tenant, mode, name]);
}

function seal(key: Buffer, id: SecretKey, value: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(idText(id)));
  const text = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.from([FORMAT]), iv, cipher.getAuthTag(), text]);
}

function unseal(key: Buffer, id: SecretKey, sealed: Buffer): string {
  try {
    if (sealed[0] !== FORMAT) throw new TypeError('unknown format');
    const iv = sealed.subarray(1, 1 + IV_BYTES);
    const tag = sealed.subarray(1 + IV_BYTES, 1 + IV_BYTES + TAG_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(idText(id)))
      .setAuthTag(tag);
    const text = decipher.update(sealed.subarray(1 + IV_BYTES + TAG_BYTES));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new Error(`the file of secret '${id.name}' was changed or belongs to another key`, {
      cause,
    });
  }
}

async function openKey(path: string): Promise<Buffer> {
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
    throw new Error(`${path} can be read by others; its mode must be 0600`);
  }
  if (key.byteLength !== KEY_BYTES) throw new Error(`${path} is not a key of ${KEY_BYTES} bytes`);
  return key;
}

async function writeDurably(path: string, bytes: Buffer): Promise<void> {
  const fresh = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFileSynced(fresh, bytes);
    await rename(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
  await syncFolder(dirname(path));
}

async function writeFileSynced(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is durable once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
