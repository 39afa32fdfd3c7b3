/**
 * Secrets in files, for the local stack. One file per secret, AES-256-GCM under a key that lies beside
 * them with mode 0600: this keeps values out of backups, screenshots and greps, not from whoever can
 * read the whole directory as this user.
 *
 *  F1 a file opens only for the (tenant, mode, name) it was written for: those are its associated data.
 *  F2 a write is durable when it resolves, and readers see the old value or the new one.
 *  F3 several processes may share a directory: nothing is cached.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Secret } from '#core/secret.ts';
import type { SecretKey, Secrets } from '#ports/secrets.ts';
import {
  openKeyFile,
  openUnder,
  readIfThere,
  sealUnder,
  syncFolder,
  writeFileSynced,
} from './key-file.ts';

/** Opens or creates the store in `directory`. Refuses a key that others can read. */
export async function openFileSecrets(directory: string): Promise<Secrets> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = await openKeyFile(join(directory, 'key'));
  const pathOf = (id: SecretKey): string =>
    join(directory, createHash('sha256').update(idText(id)).digest('hex'));

  return {
    async get(id) {
      const sealed = await readIfThere(pathOf(id));
      return sealed === null ? null : new Secret(unseal(key, id, sealed));
    },
    async put(id, value) {
      await writeDurably(pathOf(id), sealUnder(key, idText(id), Buffer.from(value.reveal())));
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

function unseal(key: Buffer, id: SecretKey, sealed: Buffer): string {
  try {
    return openUnder(key, idText(id), sealed).toString('utf8');
  } catch (cause) {
    throw new Error(`the file of secret '${id.name}' was changed or belongs to another key`, {
      cause,
    });
  }
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
