import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createFileObjects } from '#adapters/local/file-objects.ts';
import { objectStoreContract } from '#test/adapters/object-store-contract.ts';
import { TENANT } from '#test/support/platform.ts';

const root = mkdtempSync(join(tmpdir(), 'cloudflow-objects-'));
afterAll(() => rmSync(root, { recursive: true }));

objectStoreContract(async () => createFileObjects(join(root, 'contract')));

const REST = { contentType: 'text/plain', onlyIfAbsent: false, maxBytes: 100 };

it('are found after a restart, in files that only this user reads', async () => {
  const folder = join(root, 'restart');
  const key = { tenant: TENANT, path: 'a/b' };
  await createFileObjects(folder).put(key, { body: Buffer.from('kept'), ...REST });
  const found = await createFileObjects(folder).get(key);
  expect(found?.bytes).toBe(4);
  for await (const piece of found!.body) expect(Buffer.from(piece).toString()).toBe('kept');
  expect(statSync(join(folder, TENANT, 'a/b~')).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, TENANT, 'a')).mode & 0o777).toBe(0o700);
});

// The server that the contract runs S3 against sorts these two as a dictionary does; S3 itself does not.
it('come by their bytes, whatever a language makes of them', async () => {
  const store = createFileObjects(join(root, 'bytes'));
  const all = ['a-b', 'a.b', 'a/b', 'a0', 'a=1', 'aa', 'a_b'];
  for (const path of all)
    await store.put({ tenant: TENANT, path }, { body: new Uint8Array(), ...REST });
  const found: string[] = [];
  let after: string | null = null;
  do {
    const page = await store.list({ tenant: TENANT, prefix: 'a' }, { limit: 2, after });
    found.push(...page.items.map(({ path }) => path));
    after = page.next;
  } while (after !== null);
  expect(found).toEqual([...all].sort());
});

it('what a process left under way is no object', async () => {
  const folder = join(root, 'left');
  const store = createFileObjects(folder);
  await store.put({ tenant: TENANT, path: 'a' }, { body: Buffer.from('whole'), ...REST });
  writeFileSync(join(folder, TENANT, '~0011223344556677'), 'half');
  const { items } = await store.list({ tenant: TENANT, prefix: '' }, { limit: 9, after: null });
  expect(items.map(({ path }) => path)).toEqual(['a']);
});

it('a failed write leaves nothing behind', async () => {
  const folder = join(root, 'failed');
  const body = Buffer.alloc(101);
  const put = createFileObjects(folder).put({ tenant: TENANT, path: 'a' }, { body, ...REST });
  await expect(put).rejects.toThrow('larger than 100 bytes');
  expect(readdirSync(join(folder, TENANT))).toEqual([]);
});

it('refuses a type that would end its line', async () => {
  const store = createFileObjects(join(root, 'type'));
  const object = { ...REST, body: Buffer.from('x'), contentType: 'text/plain\n' };
  await expect(store.put({ tenant: TENANT, path: 'a' }, object)).rejects.toThrow(TypeError);
});
