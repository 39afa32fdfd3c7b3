/** Bundles as Lambda gets and keeps them: one archive each, unpacked where nobody may write. */
import { createHash } from 'node:crypto';
import { chmodSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unzipSync, type Zippable, zipSync } from 'fflate';

/** What Lambda takes: 250 MB unpacked. */
export const MAX_UNPACKED_BYTES = 250_000_000;
/** Archives hold a time for every file; one for all, so that the same files are the same archive. */
const FILE_TIME = new Date('2000-01-01T00:00:00Z');

/** All files below a folder, with `/` between names, sorted. */
export function filesIn(folder: string): readonly string[] {
  return globSync('**/*', { cwd: folder })
    .filter((file) => statSync(join(folder, file)).isFile())
    .map((file) => file.replaceAll('\\', '/'))
    .sort();
}

export function packageOf(folder: string): Uint8Array {
  const files: Zippable = {};
  for (const file of filesIn(folder)) files[file] = readFileSync(join(folder, file));
  return zipSync(files, { mtime: FILE_TIME });
}

/** Unpacks an archive into `folder`, which must not be there, and takes away the right to write. */
export function unpack(archive: Uint8Array, folder: string): void {
  const folders = new Set([folder]);
  for (const [file, bytes] of Object.entries(unzipSync(archive))) {
    const path = join(folder, file);
    mkdirSync(dirname(path), { recursive: true });
    folders.add(dirname(path));
    writeFileSync(path, bytes, { mode: 0o444, flag: 'wx' });
  }
  for (const each of folders) chmodSync(each, 0o555);
}

/** Gives the right to write back, so that what was unpacked can be deleted. */
export function release(folder: string): void {
  chmodSync(folder, 0o755);
  for (const file of globSync('**/*', { cwd: folder })) {
    if (statSync(join(folder, file)).isDirectory()) chmodSync(join(folder, file), 0o755);
  }
}

/** Differs when any file below the folder is another, or has another content. */
export function digestOf(folder: string): string {
  const hash = createHash('sha256');
  for (const file of filesIn(folder)) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(folder, file)))
      .update('\0');
  }
  return hash.digest('hex');
}
