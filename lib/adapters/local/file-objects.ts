/**
 * Objects in files, for the local stack: `<directory>/<tenant>/<parts of the path>~`. The tilde, which no
 * part of a path holds, tells an object from the folder of those below it.
 *
 *  F1 what is written lies beside its place, under a name that no object has, until it is whole.
 *  F2 of many that put one absent object the file system lets one win.
 */

import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { boundedBody } from '#adapters/object-body.ts';
import { checkObjectKey, checkObjectRange, type ObjectKey } from '#core/object-key.ts';
import type { NewObject, ObjectStore } from '#ports/object-store.ts';
import { codeOf, syncFolder } from './key-file.ts';

const END = '~';
/** What lies under way begins with what ends objects. */
const UNDER_WAY = '~';
/** The first line of a file is its type, no longer than this. */
const MAX_TYPE_BYTES = 256;

export function createFileObjects(directory: string): ObjectStore {
  const fileOf = ({ tenant, path }: ObjectKey): string => join(directory, tenant, `${path}${END}`);

  return {
    async put(key, object) {
      checkObjectKey(key);
      const place = fileOf(key);
      const folder = dirname(place);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const fresh = join(folder, `${UNDER_WAY}${randomBytes(8).toString('hex')}`);
      try {
        await writeWhole(fresh, key, object);
        if (object.onlyIfAbsent) await link(fresh, place);
        else await rename(fresh, place);
      } catch (error) {
        if (object.onlyIfAbsent && codeOf(error) === 'EEXIST') return 'exists';
        throw error;
      } finally {
        await rm(fresh, { force: true });
      }
      await syncFolder(folder);
      return 'stored';
    },

    async get(key) {
      checkObjectKey(key);
      const file = await openIfThere(fileOf(key));
      if (file === null) return null;
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_TYPE_BYTES), {
          position: 0,
        });
        const end = buffer.subarray(0, bytesRead).indexOf('\n');
        if (end === -1) throw new Error(`the file of ${key.path} is no object of ours`);
        const { size } = await file.stat();
        return {
          contentType: buffer.toString('utf8', 0, end),
          bytes: size - end - 1,
          // Of the file that is open, whatever takes its place meanwhile; closes it at its end.
          body: file.createReadStream({ start: end + 1 }),
        };
      } catch (error) {
        await file.close();
        throw error;
      }
    },

    async list(range, page) {
      checkObjectRange(range, page);
      const root = join(directory, range.tenant);
      const items: { path: string; bytes: number }[] = [];
      for await (const path of pathsIn(root, '', range.prefix, page.after ?? '')) {
        if (items.length === page.limit) return { items, next: items.at(-1)?.path ?? null };
        const bytes = await sizeOf(join(root, `${path}${END}`));
        // Deleted since its folder was read.
        if (bytes !== null) items.push({ path, bytes });
      }
      return { items, next: null };
    },

    async delete(key) {
      checkObjectKey(key);
      await rm(fileOf(key), { force: true });
    },
  };
}

async function writeWhole(path: string, key: ObjectKey, object: NewObject): Promise<void> {
  const type = Buffer.from(`${object.contentType}\n`);
  if (type.byteLength > MAX_TYPE_BYTES || type.indexOf('\n') !== type.byteLength - 1) {
    throw new TypeError(`the type of an object is ${JSON.stringify(object.contentType)}`);
  }
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(type);
    for await (const piece of boundedBody(key, object)) await file.writeFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Paths below a folder in the order of their bytes, from `after` on, as far as they begin with `prefix`. */
async function* pathsIn(
  folder: string,
  base: string,
  prefix: string,
  after: string,
): AsyncGenerator<string> {
  const entries = (await readdir(folder, { withFileTypes: true }).catch(nothingThere))
    .filter((entry) => !entry.name.startsWith(UNDER_WAY))
    // A slash sorts as it does in a path.
    .map((entry) => base + (entry.isDirectory() ? `${entry.name}/` : entry.name.slice(0, -1)))
    .sort((left, right) => (left < right ? -1 : 1));
  for (const path of entries) {
    if (!path.endsWith('/')) {
      if (path > after && path.startsWith(prefix)) yield path;
    } else if (
      (path.startsWith(prefix) || prefix.startsWith(path)) &&
      (path > after || after.startsWith(path))
    ) {
      yield* pathsIn(join(folder, path.slice(base.length)), path, prefix, after);
    }
  }
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  return open(path, 'r').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
}

async function sizeOf(path: string): Promise<number | null> {
  const file = await openIfThere(path);
  if (file === null) return null;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_TYPE_BYTES), { position: 0 });
    const { size } = await file.stat();
    return size - buffer.subarray(0, bytesRead).indexOf('\n') - 1;
  } finally {
    await file.close();
  }
}

function nothingThere(error: unknown): [] {
  if (codeOf(error) === 'ENOENT') return [];
  throw error;
}
