import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openFileSealer } from '#adapters/local/file-sealer.ts';
import { sealerContract } from '#test/adapters/sealer-contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'cloudflow-sealer-'));
afterAll(() => rmSync(folder, { recursive: true }));

sealerContract(async () => ({
  one: await openFileSealer(join(folder, 'one')),
  same: await openFileSealer(join(folder, 'one')),
  other: await openFileSealer(join(folder, 'other')),
}));

it('keeps its key where only this user reads it, and refuses one that others can', async () => {
  const directory = join(folder, 'guarded');
  await openFileSealer(directory);
  const key = join(directory, 'key');
  expect(statSync(key).mode & 0o777).toBe(0o600);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  chmodSync(key, 0o640);
  await expect(openFileSealer(directory)).rejects.toThrow('its mode must be 0600');
});
