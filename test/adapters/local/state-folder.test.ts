import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderUnusable, openStateFolder, StateDamaged } from '#local/state-folder.ts';

describe('the folder of a local stack', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'cloudflow-folder-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('is made with the folders above it, and keeps its identity for its owner alone', async () => {
    const path = join(root, 'a', 'b', 'c');
    const first = await openStateFolder(path, { fresh: false });
    await first.close();
    const second = await openStateFolder(path, { fresh: false });
    await second.close();
    expect(second.identity.tenant).toBe(first.identity.tenant);
    expect((await stat(join(path, 'identity.json'))).mode & 0o777).toBe(0o600);
  });

  it('begins anew when it is asked to', async () => {
    const first = await openStateFolder(root, { fresh: false });
    await first.close();
    const second = await openStateFolder(root, { fresh: true });
    await second.close();
    expect(second.identity.tenant).not.toBe(first.identity.tenant);
  });

  it('says which file is damaged, leaves it as it is, and opens again once it is put back', async () => {
    const first = await openStateFolder(root, { fresh: false });
    await first.close();
    const file = join(root, 'identity.json');
    const whole = await readFile(file, 'utf8');
    await writeFile(file, whole.slice(0, 100));
    const open = () => openStateFolder(root, { fresh: false });
    await expect(open()).rejects.toThrow(StateDamaged);
    await expect(open()).rejects.toThrow(`${file} is damaged`);
    expect(await readFile(file, 'utf8')).toBe(whole.slice(0, 100));
    await writeFile(file, whole);
    const again = await open();
    await again.close();
    expect(again.identity.tenant).toBe(first.identity.tenant);
  });

  it('says so where it cannot be: a file in its place, a file above it, a place that makes no folders', async () => {
    const file = join(root, 'file');
    await writeFile(file, '');
    for (const path of [file, join(file, 'below'), '/proc/cloudflow']) {
      await expect(openStateFolder(path, { fresh: false }), path).rejects.toThrow(FolderUnusable);
    }
  });
});
