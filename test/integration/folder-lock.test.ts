import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FolderInUse, LOCK_FILE, lockFolder } from '#local/folder-lock.ts';
import { openStateFolder } from '#local/state-folder.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloudflow-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('is one process at a time, and free again when released', async () => {
  const first = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(FolderInUse);
  await expect(lockFolder(folder)).rejects.toMatchObject({ pid: process.pid });
  await first.release();
  await first.release();
  const second = await lockFolder(folder);
  expect(await readdir(folder)).toEqual([LOCK_FILE]);
  await second.release();
  expect(await readdir(folder)).toEqual([]);
});

it('of many who ask at once, one gets it', async () => {
  const asked = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

it('is not held by the dead, nor by who has the number of the dead', async () => {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  await once(child, 'exit');
  await writeFile(join(folder, LOCK_FILE), `${child.pid} 12345`);
  await (await lockFolder(folder)).release();
  await writeFile(join(folder, LOCK_FILE), `${process.pid} 1`);
  await (await lockFolder(folder)).release();
  await writeFile(join(folder, LOCK_FILE), 'not a lock');
  await (await lockFolder(folder)).release();
});

it('a fresh start empties a folder that nobody has, and leaves one in use alone', async () => {
  const first = await openStateFolder(folder, { fresh: false });
  await writeFile(join(folder, 'kept'), '');
  await expect(openStateFolder(folder, { fresh: true })).rejects.toThrow(FolderInUse);
  expect(await readdir(folder)).toContain('kept');
  await first.close();
  const second = await openStateFolder(folder, { fresh: true });
  expect(await readdir(folder)).not.toContain('kept');
  expect(second.identity.tenant).not.toBe(first.identity.tenant);
  await second.close();
});
