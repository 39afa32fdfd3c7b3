import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openFileSecrets } from '#adapters/local/file-secrets.ts';
import { Secret } from '#core/secret.ts';
import type { SecretKey } from '#ports/secrets.ts';

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'cloudflow-secrets-')), 'secrets');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

const ID: SecretKey = { tenant: 'acme', mode: 'live', name: 'stripe' };
const VALUE = 'canary-5b1f-é';

it('keeps a value per tenant, mode and name, over a restart', async () => {
  const secrets = await openFileSecrets(folder);
  await secrets.put(ID, new Secret(VALUE));
  await secrets.put({ ...ID, mode: 'test' }, new Secret('other'));
  const again = await openFileSecrets(folder);
  expect((await again.get(ID))?.reveal()).toBe(VALUE);
  expect((await again.get({ ...ID, mode: 'test' }))?.reveal()).toBe('other');
  expect(await again.get({ ...ID, tenant: 'else' })).toBeNull();
  expect(await again.get({ ...ID, name: '../key' })).toBeNull();
});

it('replaces and deletes', async () => {
  const secrets = await openFileSecrets(folder);
  await secrets.put(ID, new Secret('old'));
  await secrets.put(ID, new Secret('new'));
  expect((await secrets.get(ID))?.reveal()).toBe('new');
  await secrets.delete(ID);
  await secrets.delete(ID);
  expect(await secrets.get(ID)).toBeNull();
  expect(readdirSync(folder)).toEqual(['key']);
});

it('shows no value: not in files, not in what is thrown, not in what is printed', async () => {
  const secrets = await openFileSecrets(folder);
  await secrets.put(ID, new Secret(VALUE));
  for (const name of readdirSync(folder)) {
    expect(readFileSync(join(folder, name)).includes('canary-5b1f')).toBe(false);
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  }
  expect(inspect(await secrets.get(ID))).not.toContain('canary-5b1f');
});

it('notices a changed file, and one that was written for somebody else', async () => {
  const secrets = await openFileSecrets(folder);
  await secrets.put(ID, new Secret(VALUE));
  const [mine] = readdirSync(folder).filter((name) => name !== 'key');
  const bytes = readFileSync(join(folder, mine!));
  await secrets.put({ ...ID, tenant: 'else' }, new Secret('x'));
  const [theirs] = readdirSync(folder).filter((name) => name !== 'key' && name !== mine);
  writeFileSync(join(folder, theirs!), bytes);
  await expect(secrets.get({ ...ID, tenant: 'else' })).rejects.toThrow(/changed or belongs/);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(join(folder, mine!), bytes);
  await expect(secrets.get(ID)).rejects.toThrow(/changed or belongs/);
});

it('refuses a key that others can read, or that is none', async () => {
  await openFileSecrets(folder);
  chmodSync(join(folder, 'key'), 0o644);
  await expect(openFileSecrets(folder)).rejects.toThrow(/0600/);
  chmodSync(join(folder, 'key'), 0o600);
  writeFileSync(join(folder, 'key'), 'short');
  await expect(openFileSecrets(folder)).rejects.toThrow(/not a key/);
});

it('gives processes that start at once the same key', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => openFileSecrets(folder)));
  await all[0]?.put(ID, new Secret(VALUE));
  for (const each of all) expect((await each.get(ID))?.reveal()).toBe(VALUE);
});
