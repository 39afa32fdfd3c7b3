import { beforeAll, expect, it } from 'vitest';
import type { ObjectKey } from '#core/object-key.ts';
import { type NewObject, type ObjectStore, ObjectTooLarge } from '#ports/object-store.ts';
import { OTHER_TENANT, TENANT } from '#test/support/platform.ts';

const MEGABYTE = 1_048_576;

/** What every `ObjectStore` does, whatever keeps the objects. `make` is called once, on an empty store. */
export function objectStoreContract(make: () => Promise<ObjectStore>): void {
  let store: ObjectStore;
  let made = 0;
  beforeAll(async () => {
    store = await make();
  });

  const fresh = (): ObjectKey => ({ tenant: TENANT, path: `one/object-${made++}.json` });
  const object = (body: NewObject['body'] | string, over: Partial<NewObject> = {}): NewObject => ({
    body: typeof body === 'string' ? Buffer.from(body) : body,
    contentType: 'application/json',
    onlyIfAbsent: false,
    maxBytes: 64 * MEGABYTE,
    ...over,
  });
  async function textOf(key: ObjectKey): Promise<string | null> {
    const found = await store.get(key);
    if (found === null) return null;
    const pieces: Uint8Array[] = [];
    for await (const piece of found.body) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    expect(found.bytes).toBe(bytes.byteLength);
    return bytes.toString();
  }
  /** What is said about an object, whose body is left at once. */
  async function described(key: ObjectKey): Promise<unknown> {
    const found = await store.get(key);
    for await (const _ of found?.body ?? []) break;
    return found;
  }
  async function* stream(pieces: number, bytes: number): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < pieces; n++) yield Buffer.alloc(bytes, n % 251);
  }
  async function paths(tenant: string, prefix: string, limit: number): Promise<string[]> {
    const found: string[] = [];
    let after: string | null = null;
    for (let pages = 0; pages < 100; pages++) {
      const page = await store.list({ tenant, prefix }, { limit, after });
      expect(page.items.length).toBeLessThanOrEqual(limit);
      found.push(...page.items.map(({ path }) => path));
      if (page.next === null) return found;
      after = page.next;
    }
    throw new Error('a list without an end');
  }

  it('has nothing until something is put, and then what was put, with its type', async () => {
    const key = fresh();
    expect(await store.get(key)).toBeNull();
    const body = '{"é":"🙂"}\n\n';
    expect(await store.put(key, object(body, { contentType: 'text/plain;charset=utf-8' }))).toBe(
      'stored',
    );
    expect(await textOf(key)).toBe(body);
    expect(await described(key)).toMatchObject({ contentType: 'text/plain;charset=utf-8' });
  });

  it('keeps an empty object, and replaces one', async () => {
    const key = fresh();
    await store.put(key, object(''));
    expect(await textOf(key)).toBe('');
    await store.put(key, object('longer'));
    await store.put(key, object('new'));
    expect(await textOf(key)).toBe('new');
  });

  it('puts where nothing is, and leaves what is there', async () => {
    const key = fresh();
    expect(await store.put(key, object('first', { onlyIfAbsent: true }))).toBe('stored');
    expect(await store.put(key, object('second', { onlyIfAbsent: true }))).toBe('exists');
    expect(await store.put(key, object(stream(1, 9), { onlyIfAbsent: true }))).toBe('exists');
    expect(await textOf(key)).toBe('first');
  });

  it('lets one of many win that put where nothing is', async () => {
    const key = fresh();
    const rivals = Array.from({ length: 12 }, (_, n) => `rival ${n}`);
    const answers = await Promise.all(
      rivals.map((body) => store.put(key, object(body, { onlyIfAbsent: true }))),
    );
    const winners = rivals.filter((_, n) => answers[n] === 'stored');
    expect(winners).toHaveLength(1);
    expect(await textOf(key)).toBe(winners[0]);
  });

  it('takes and gives a stream of many parts piece by piece', async () => {
    const key = fresh();
    let taken = 0;
    async function* counted() {
      for await (const piece of stream(80, 256 * 1_024 + 1)) {
        taken++;
        yield piece;
      }
    }
    expect(await store.put(key, object(counted(), { onlyIfAbsent: true }))).toBe('stored');
    expect(taken).toBe(80);
    const found = await store.get(key);
    expect(found?.bytes).toBe(80 * (256 * 1_024 + 1));
    let at = 0;
    for await (const piece of found!.body) {
      for (const place of [0, piece.byteLength - 1]) {
        expect(piece[place]).toBe(Math.floor((at + place) / (256 * 1_024 + 1)) % 251);
      }
      at += piece.byteLength;
    }
    expect(at).toBe(found?.bytes);
  });

  it('a reader may leave before the end', async () => {
    const key = fresh();
    await store.put(key, object(stream(40, 256 * 1_024)));
    const found = await store.get(key);
    for await (const piece of found!.body) {
      expect(piece.byteLength).toBeGreaterThan(0);
      break;
    }
    expect(await described(key)).toMatchObject({ bytes: 40 * 256 * 1_024 });
  });

  it('keeps nothing of what is too large or whose writer fails, be it short or of many parts', async () => {
    for (const before of [null, 'what was there']) {
      for (const pieces of [2, 80]) {
        const key = fresh();
        if (before !== null) await store.put(key, object(before));
        const large = object(stream(pieces, 256 * 1_024), { maxBytes: (pieces - 1) * 256 * 1_024 });
        await expect(store.put(key, large)).rejects.toBeInstanceOf(ObjectTooLarge);
        async function* failing() {
          yield* stream(pieces, 256 * 1_024);
          throw new RangeError('the writer failed');
        }
        await expect(store.put(key, object(failing()))).rejects.toThrow('the writer failed');
        expect(await textOf(key)).toBe(before);
      }
    }
    const key = fresh();
    await expect(store.put(key, object('four', { maxBytes: 3 }))).rejects.toThrow(
      `${key.path} would be larger than 3 bytes`,
    );
    expect(await store.put(key, object('four', { maxBytes: 4 }))).toBe('stored');
  });

  it('deletes, also what is not there', async () => {
    const key = fresh();
    await store.put(key, object('gone'));
    await store.delete(key);
    await store.delete(key);
    expect(await store.get(key)).toBeNull();
  });

  it('lists by path, byte by byte, from a prefix, page by page, with sizes', async () => {
    const all = ['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a/b-c', 'a0', 'b/a', 'b/b/b'];
    for (const path of [...all].reverse()) {
      await store.put({ tenant: OTHER_TENANT, path }, object(path));
    }
    for (const limit of [1, 3, 1_000]) {
      expect(await paths(OTHER_TENANT, '', limit)).toEqual([...all].sort());
      expect(await paths(OTHER_TENANT, 'a/', limit)).toEqual(['a/b', 'a/b-c', 'a/b/c']);
      expect(await paths(OTHER_TENANT, 'a/b', limit)).toEqual(['a/b', 'a/b-c', 'a/b/c']);
      expect(await paths(OTHER_TENANT, 'b/b/', limit)).toEqual(['b/b/b']);
      expect(await paths(OTHER_TENANT, 'none/', limit)).toEqual([]);
    }
    const range = { tenant: OTHER_TENANT, prefix: 'b/b' };
    expect(await store.list(range, { limit: 1, after: null })).toEqual({
      items: [{ path: 'b/b/b', bytes: 5 }],
      next: null,
    });
  });

  it('shows no tenant anything of another', async () => {
    const key = fresh();
    await store.put(key, object('ours'));
    const other = { ...key, tenant: '0190b3c1-0000-7000-8000-0000000000ff' };
    expect(await store.get(other)).toBeNull();
    expect(await paths(other.tenant, '', 10)).toEqual([]);
    await store.delete(other);
    expect(await store.put(other, object('theirs', { onlyIfAbsent: true }))).toBe('stored');
    expect(await textOf(key)).toBe('ours');
  });

  it.each([
    ['nothing', ''],
    ['the folder above', '../one'],
    ['a folder above in between', 'a/../b'],
    ['an absolute path', '/etc/passwd'],
    ['an empty part', 'a//b'],
    ['a slash at the end', 'a/'],
    ['upper case', 'A'],
    ['what ends a file', 'a~'],
    ['an escape', 'a%2e%2e'],
    ['NUL', 'a\u0000'],
    ['too much', `${'a/'.repeat(256)}a`],
  ])('refuses a path of %s', async (_, path) => {
    const key = { tenant: TENANT, path };
    await expect(store.get(key)).rejects.toThrow('the path of an object is');
    await expect(store.put(key, object('x'))).rejects.toThrow('the path of an object is');
    await expect(store.delete(key)).rejects.toThrow('the path of an object is');
  });

  it('refuses a tenant, a prefix and a page that are none', async () => {
    const page = { limit: 10, after: null };
    await expect(store.get({ tenant: '..', path: 'a' })).rejects.toThrow('use a UUID');
    const range = { tenant: TENANT, prefix: 'a/' };
    for (const [given, asked, said] of [
      [{ ...range, tenant: '' }, page, 'use a UUID'],
      [{ ...range, prefix: 'A*' }, page, 'a prefix of paths is "A*"'],
      [range, { ...page, limit: 1_001 }, 'a page of 1001 objects; use 1 to 1000'],
      [range, { ...page, after: 'b' }, 'has no paths that begin with "a/"'],
    ] as const) {
      await expect(store.list(given, asked)).rejects.toThrow(said);
    }
  });
}
