import { beforeAll, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { MAX_RECORD_BYTES, NO_TENANT, type RecordKey } from '#core/record.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import type { KeyValue } from '#ports/key-value.ts';
import { OTHER_TENANT, TENANT } from '#test/support/platform.ts';

const START = Date.parse('2027-01-01T00:00:00.250Z');

/** What every `KeyValue` does, whatever keeps the records. `make` is called once, on an empty store. */
export function keyValueContract(make: (clock: VirtualClock) => Promise<KeyValue>): void {
  let clock: VirtualClock;
  let store: KeyValue;
  let made = 0;
  beforeAll(async () => {
    clock = createVirtualClock({ start: START });
    store = await make(clock);
  });

  /** A key that no other test has. */
  const fresh = (): RecordKey => ({ tenant: TENANT, kind: 'lock_out', id: `id-${made++}` });
  const content = (value: Json, lastsMs: number | null = null) => ({
    value,
    expiresAt: lastsMs === null ? null : clock.now() + lastsMs,
  });
  async function written(key: RecordKey, over: string | null, value: Json, lastsMs?: number) {
    const answer = await store.put(key, over, content(value, lastsMs ?? null));
    if (answer.kind !== 'written') throw new Error(`not written: ${JSON.stringify(answer)}`);
    return answer.version;
  }

  it('has nothing until something is put, and then what was put', async () => {
    const key = fresh();
    expect(await store.get(key)).toBeNull();
    const version = await written(key, null, { tries: 1 }, 5_000);
    expect(await store.get(key)).toEqual({
      version,
      value: { tries: 1 },
      expiresAt: clock.now() + 5_000,
    });
  });

  it.each<[string, Json]>([
    ['null', null],
    ['text in any script', 'Größe, 日本, 🙂, \u202e'],
    ['nested values', { a: [1, -0.5, 1e21, true, { b: [] }], '': 'empty name' }],
  ])('gives back %s', async (_, value) => {
    const key = fresh();
    await written(key, null, value);
    expect((await store.get(key))?.value).toEqual(value);
  });

  it('puts over nothing only where nothing is, and tells what is there', async () => {
    const key = fresh();
    const version = await written(key, null, 'first');
    const answer = await store.put(key, null, content('second'));
    expect(answer).toEqual({
      kind: 'conflict',
      found: { version, value: 'first', expiresAt: null },
    });
    expect((await store.get(key))?.value).toBe('first');
  });

  it('puts over the version that is there, and over no other', async () => {
    const key = fresh();
    const first = await written(key, null, 1, 1_000);
    const second = await written(key, first, 2);
    expect(second).not.toBe(first);
    const there = { version: second, value: 2, expiresAt: null };
    expect(await store.get(key)).toEqual(there);
    expect(await store.put(key, first, content(3))).toEqual({ kind: 'conflict', found: there });
    expect(await store.put(key, 'none', content(3))).toEqual({ kind: 'conflict', found: there });
    const nothing = fresh();
    expect(await store.put(nothing, first, content(3))).toEqual({ kind: 'conflict', found: null });
    expect(await store.get(nothing)).toBeNull();
  });

  it('deletes what is there, or one version of it', async () => {
    const key = fresh();
    expect(await store.delete(key)).toBe(false);
    const first = await written(key, null, 1);
    const second = await written(key, first, 2);
    expect(await store.delete(key, first)).toBe(false);
    expect(await store.delete(key, 'none')).toBe(false);
    expect((await store.get(key))?.version).toBe(second);
    expect(await store.delete(key, second)).toBe(true);
    expect(await store.delete(key)).toBe(false);
    expect(await store.get(key)).toBeNull();
    await written(key, null, 3);
    expect(await store.delete(key)).toBe(true);
  });

  it('gives no version twice: what was deleted and made anew is another', async () => {
    const key = fresh();
    const first = await written(key, null, 'same');
    await store.delete(key);
    const again = await written(key, null, 'same');
    expect(again).not.toBe(first);
    expect((await store.put(key, first, content('late'))).kind).toBe('conflict');
    expect(await store.delete(key, first)).toBe(false);
  });

  it('has nothing any more from the millisecond on at which it expires', async () => {
    const keys = [fresh(), fresh(), fresh()] as const;
    const [version] = await Promise.all(keys.map((key) => written(key, null, 'short', 1_500)));
    await clock.advance(1_499);
    expect((await store.get(keys[0]))?.value).toBe('short');
    expect((await store.put(keys[0], null, content('no'))).kind).toBe('conflict');
    await clock.advance(1);
    expect(await store.get(keys[0])).toBeNull();
    expect(await store.put(keys[0], version!, content('no'))).toEqual({
      kind: 'conflict',
      found: null,
    });
    expect(await store.delete(keys[1])).toBe(false);
    await written(keys[2], null, 'anew');
    expect((await store.get(keys[2]))?.value).toBe('anew');
  });

  it('replaces the expiry with the value', async () => {
    const key = fresh();
    const first = await written(key, null, 1, 1_000);
    const second = await written(key, first, 2, 3_000);
    await clock.advance(2_000);
    expect((await store.get(key))?.value).toBe(2);
    await written(key, second, 3);
    await clock.advance(1e12);
    expect((await store.get(key))?.value).toBe(3);
  });

  it('lets one of many win: of puts over nothing, over one version, and of deletes', async () => {
    const key = fresh();
    const rivals = Array.from({ length: 25 }, (_, n) => n);
    const race = async (over: string | null) => {
      const answers = await Promise.all(rivals.map((n) => store.put(key, over, content(n))));
      const winners = rivals.filter((n) => answers[n]?.kind === 'written');
      expect(winners).toHaveLength(1);
      const there = await store.get(key);
      expect(there?.value).toBe(winners[0]);
      for (const answer of answers) {
        if (answer.kind === 'conflict') expect(answer.found).toEqual(there);
      }
      return there?.version ?? null;
    };
    const version = await race(null);
    await race(version);
    const deleted = await Promise.all(rivals.map(() => store.delete(key)));
    expect(deleted.filter(Boolean)).toHaveLength(1);
  });

  it('shows no tenant and no kind anything of another', async () => {
    const key = fresh();
    const version = await written(key, null, 'ours');
    for (const other of [
      { ...key, tenant: OTHER_TENANT },
      { ...key, tenant: NO_TENANT },
      { ...key, kind: 'lock_outs' },
    ]) {
      expect(await store.get(other)).toBeNull();
      expect(await store.delete(other)).toBe(false);
      expect((await store.put(other, version, content('theirs'))).kind).toBe('conflict');
      const { items } = await store.list({ ...other, prefix: '' }, { limit: 500, after: null });
      expect(items).toEqual([]);
      await written(other, null, 'theirs');
      expect((await store.get(key))?.value).toBe('ours');
      expect(await store.delete(other)).toBe(true);
    }
  });

  async function all(prefix: string, limit: number, kind = 'socket') {
    const ids: string[] = [];
    let after: string | null = null;
    for (let pages = 0; pages < 100; pages++) {
      const page = await store.list({ tenant: TENANT, kind, prefix }, { limit, after });
      expect(page.items.length).toBeLessThanOrEqual(limit);
      ids.push(...page.items.map(({ id }) => id));
      if (page.next === null) return ids;
      after = page.next;
    }
    throw new Error('a list without an end');
  }

  it('lists by id, byte by byte, from a prefix, page by page', async () => {
    const ids = ['A/1', 'a%b', 'a/1', 'a/10', 'a/2', 'a/~', 'a0', 'a_b', 'b/1', '~'];
    for (const id of [...ids].reverse()) {
      await written({ tenant: TENANT, kind: 'socket', id }, null, id);
    }
    for (const limit of [1, 3, 500]) {
      expect(await all('', limit)).toEqual([...ids].sort());
      expect(await all('a/', limit)).toEqual(['a/1', 'a/10', 'a/2', 'a/~']);
      expect(await all('a%', limit)).toEqual(['a%b']);
      expect(await all('a_', limit)).toEqual(['a_b']);
      expect(await all('~', limit)).toEqual(['~']);
      expect(await all('none', limit)).toEqual([]);
    }
    const { items } = await store.list(
      { tenant: TENANT, kind: 'socket', prefix: 'b' },
      { limit: 1, after: null },
    );
    expect(items).toEqual([
      { id: 'b/1', version: expect.any(String), value: 'b/1', expiresAt: null },
    ]);
  });

  it('lists nothing that has expired', async () => {
    for (const [n, lasts] of [500, 1_000, 500, 500, 2_000].entries()) {
      await written({ tenant: TENANT, kind: 'session', id: `s${n}` }, null, n, lasts);
    }
    await clock.advance(500);
    expect(await all('', 1, 'session')).toEqual(['s1', 's4']);
    await clock.advance(500);
    expect(await all('', 2, 'session')).toEqual(['s4']);
  });

  it('takes what fits and refuses the rest in a sentence', async () => {
    // Two quotes, and what the codec puts before.
    const full = 'x'.repeat(MAX_RECORD_BYTES - '0:""'.length);
    const key = fresh();
    const version = await written(key, null, full);
    expect((await store.get(key))?.value).toBe(full);
    await expect(store.put(key, version, content(`${full}x`))).rejects.toThrow(
      'a lock_out takes 65537 bytes; use at most 65536',
    );
    const other = { value: 1, expiresAt: 1.5 };
    await expect(store.put(key, version, other)).rejects.toThrow('use whole milliseconds');
  });

  it.each<[string, Partial<RecordKey>, string]>([
    ['no tenant', { tenant: '' }, 'the tenant of a record is ""; use a UUID'],
    ['a tenant with a kind in it', { tenant: `${TENANT}#x` }, 'use a UUID'],
    ['a tenant in upper case', { tenant: 'A'.repeat(36) }, 'use a UUID'],
    ['a kind with a separator', { kind: 'a#b' }, 'the kind of a record is "a#b"'],
    ['no id', { id: '' }, 'the id of a lock_out is ""'],
    ['an id with a blank', { id: 'a b' }, 'use 1 to 256 printable ASCII characters'],
    ['an id with a letter that is not ASCII', { id: 'é' }, 'printable ASCII'],
    ['an id that is too long', { id: 'x'.repeat(257) }, 'printable ASCII'],
  ])('refuses a key with %s', async (_, part, message) => {
    const key = { ...fresh(), ...part };
    await expect(store.get(key)).rejects.toThrow(message);
    await expect(store.put(key, null, content(1))).rejects.toThrow(message);
    await expect(store.delete(key)).rejects.toThrow(message);
  });

  it.each([
    ['no records', 0, null, 'a page of 0 records of socket; use 1 to 500'],
    ['more than a page may have', 501, null, 'use 1 to 500'],
    [
      'a cursor outside of its prefix',
      10,
      'b/1',
      'a page after "b/1" has no ids that begin with "a/"',
    ],
  ])('refuses a page of %s', async (_, limit, after, message) => {
    const range = { tenant: TENANT, kind: 'socket', prefix: 'a/' };
    await expect(store.list(range, { limit, after })).rejects.toThrow(message);
  });
}
