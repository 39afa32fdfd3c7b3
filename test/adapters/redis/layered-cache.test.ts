import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { createBreaker } from '#adapters/breaker/breaker.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { createLayeredCache } from '#adapters/redis/layered-cache.ts';
import type { SharedValue, SharedValues } from '#adapters/redis/shared-values.ts';
import type { Cache, CacheKind } from '#ports/cache.ts';

const TENANT = '0199c1aa-0000-7000-8000-000000000001';
const OTHER = '0199c1aa-0000-7000-8000-000000000002';
const KIND: CacheKind = {
  name: 'thing',
  format: 1,
  shared: { ms: 60_000, spread: 0 },
  heldMs: 1_000,
  absentMs: 500,
  maxBytes: 1_000,
};
const at = (id: string, tenant = TENANT) => ({ tenant, parts: [id] });

/** One process over the values that all share, with a clock that a test moves. */
function processOver(shared: () => SharedValues | null = () => null, limits?: object) {
  const clock = { ms: 1_000, monotonic: () => clock.ms };
  const metrics = createLocalMetrics();
  const cache = createLayeredCache({
    shared,
    alone: shared() === null,
    breaker: createBreaker('cache', { clock, metrics }),
    clock,
    metrics,
    ...(limits === undefined ? {} : { limits: limits as { entries: number; bytes: number } }),
  });
  const count = (metric: string, of: string): number =>
    Number(new RegExp(`${metric}\\S*${of}\\S* (\\d+)$`, 'm').exec(metrics.text())?.[1] ?? 0);
  return { cache, clock, metrics, count };
}

/** A source that counts how often it is asked. */
function source<V>(answer: V | null) {
  const asked = {
    times: 0,
    answer,
    async load(): Promise<V | null> {
      asked.times += 1;
      return asked.answer;
    },
  };
  return asked;
}

describe('what one process holds', () => {
  it('is asked of the source once, until its time is over', async () => {
    const { cache, clock } = processOver();
    const things = cache.of<string>(KIND);
    const from = source('a');
    expect(await things.read(at('1'), from.load)).toBe('a');
    clock.ms += 999;
    expect(await things.read(at('1'), from.load)).toBe('a');
    expect(from.times).toBe(1);
    clock.ms += 2;
    from.answer = 'b';
    expect(await things.read(at('1'), from.load)).toBe('b');
    expect(from.times).toBe(2);
  });

  it('is of one tenant, one kind, one format and one name', async () => {
    const { cache } = processOver();
    const from = source('a');
    await cache.of<string>(KIND).read(at('1'), from.load);
    await cache.of<string>(KIND).read(at('1', OTHER), from.load);
    await cache.of<string>({ ...KIND, name: 'other' }).read(at('1'), from.load);
    await cache.of<string>({ ...KIND, format: 2 }).read(at('1'), from.load);
    await cache.of<string>(KIND).read({ tenant: TENANT, parts: ['1', '1'] }, from.load);
    await cache.of<string>(KIND).read({ tenant: TENANT, parts: ['1:1'] }, from.load);
    expect(from.times).toBe(6);
  });

  it('asks the source once for all who ask at a time', async () => {
    const { cache } = processOver();
    const things = cache.of<string>(KIND);
    const { promise, resolve } = Promise.withResolvers<string>();
    let times = 0;
    const load = () => {
      times += 1;
      return promise;
    };
    const all = Promise.all(Array.from({ length: 100 }, () => things.read(at('1'), load)));
    resolve('a');
    expect(new Set(await all)).toEqual(new Set(['a']));
    expect(times).toBe(1);
  });

  it('keeps no failure: all who waited are told, and the next one asks again', async () => {
    const { cache } = processOver();
    const things = cache.of<string>(KIND);
    const fails = () => Promise.reject(new Error('the source is away'));
    const told = await Promise.allSettled([
      things.read(at('1'), fails),
      things.read(at('1'), fails),
    ]);
    expect(told.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await things.read(at('1'), source('a').load)).toBe('a');
  });

  it('that there is nothing is kept for a shorter time, or not at all', async () => {
    const { cache, clock } = processOver();
    const nothing = source<string>(null);
    const things = cache.of<string>(KIND);
    expect(await things.read(at('1'), nothing.load)).toBeNull();
    expect(await things.read(at('1'), nothing.load)).toBeNull();
    expect(nothing.times).toBe(1);
    clock.ms += 501;
    await things.read(at('1'), nothing.load);
    expect(nothing.times).toBe(2);
    const never = cache.of<string>({ ...KIND, name: 'never', absentMs: 0 });
    await never.read(at('1'), nothing.load);
    await never.read(at('1'), nothing.load);
    expect(nothing.times).toBe(4);
  });

  it('is bounded by how many and by how large they are', async () => {
    const few = processOver(undefined, { entries: 2, bytes: 1_000_000 });
    const small = processOver(undefined, { entries: 1_000, bytes: 2_000 });
    for (const { cache } of [few, small]) {
      const things = cache.of<string>(KIND);
      const from = source('x'.repeat(500));
      for (const id of ['1', '2', '3', '4']) await things.read(at(id), from.load);
      await things.read(at('4'), from.load);
      expect(from.times).toBe(4);
      await things.read(at('1'), from.load);
      expect(from.times).toBe(5);
    }
  });

  it('is no value that is larger than its kind may be', async () => {
    const { cache, count } = processOver();
    const things = cache.of<string>(KIND);
    const from = source('ü'.repeat(500));
    expect(await things.read(at('1'), from.load)).toBe(from.answer);
    await things.read(at('1'), from.load);
    expect(from.times).toBe(2);
    expect(count('cache_unusable', 'thing')).toBe(2);
  });

  it('what is forgotten while it is read is answered to who asked before, and kept by nobody', async () => {
    const { cache } = processOver();
    const things = cache.of<string>(KIND);
    const { promise, resolve } = Promise.withResolvers<string>();
    const before = things.read(at('1'), () => promise);
    await things.forget(at('1'));
    const after = things.read(at('1'), source('new').load);
    resolve('old');
    expect(await before).toBe('old');
    expect(await after).toBe('new');
    expect(await things.read(at('1'), source('newer').load)).toBe('new');
  });

  it('forgets all names that begin alike', async () => {
    const { cache } = processOver();
    const things = cache.of<string>(KIND);
    const name = (...parts: string[]) => ({ tenant: TENANT, parts });
    const from = source('a');
    for (const parts of [['w', '1'], ['w', '2'], ['w2', '1'], ['w']]) {
      await things.read(name(...parts), from.load);
    }
    expect(await things.forgetUnder(name('w'))).toEqual({ count: 2, whole: true });
    for (const parts of [['w', '1'], ['w', '2'], ['w2', '1'], ['w']]) {
      await things.read(name(...parts), from.load);
    }
    expect(from.times).toBe(6);
  });

  it('never goes back: what is written is not replaced by what is older', async () => {
    const { cache } = processOver();
    const things = cache.of<{ revision: number }>(KIND, ({ revision }) => revision);
    await things.write(at('1'), { revision: 5 });
    await things.write(at('1'), { revision: 4 });
    expect(await things.read(at('1'), source(null).load)).toEqual({ revision: 5 });
  });

  it('a name without a tenant is none', async () => {
    const things = processOver().cache.of<string>(KIND);
    expect(() => things.read({ tenant: '*', parts: ['1'] }, source('a').load)).toThrow(TypeError);
    expect(() => things.read({ tenant: TENANT, parts: [] }, source('a').load)).toThrow(TypeError);
  });
});

describe('over what all processes share', () => {
  let values: Map<string, SharedValue>;
  let state: 'well' | 'away';
  let shared: SharedValues;
  beforeEach(() => {
    values = new Map();
    state = 'well';
    const key = (kind: CacheKind, name: { tenant: string; parts: readonly string[] }) =>
      [name.tenant, kind.name, ...name.parts].join('/');
    const well = () => {
      if (state === 'away') throw new Error('away');
    };
    shared = {
      async get(kind, name) {
        well();
        const value = values.get(key(kind, name));
        return value === undefined ? { kind: 'nothing' } : { kind: 'found', value };
      },
      async put(kind, name, value) {
        well();
        values.set(key(kind, name), value);
      },
      async forget(kind, name) {
        well();
        values.delete(key(kind, name));
      },
      async forgetUnder() {
        well();
        values.clear();
        return { count: 0, whole: true };
      },
    };
  });

  it('a process answers what another has read', async () => {
    const [one, two] = [processOver(() => shared), processOver(() => shared)];
    await one.cache.of<string>(KIND).read(at('1'), source('a').load);
    const unasked = source('b');
    expect(await two.cache.of<string>(KIND).read(at('1'), unasked.load)).toBe('a');
    expect(unasked.times).toBe(0);
    expect([one.count('cache_reads', 'source'), two.count('cache_reads', 'shared')]).toEqual([
      1, 1,
    ]);
  });

  it('while they are away the source answers; they are asked a few times, and then left alone', async () => {
    state = 'away';
    const one = processOver(() => shared);
    const things = one.cache.of<string>({ ...KIND, heldMs: 0 });
    for (let i = 0; i < 20; i++) {
      expect(await things.read(at(String(i)), source(`a${i}`).load)).toBe(`a${i}`);
    }
    expect(one.count('breaker_refusals', 'cache')).toBeGreaterThan(30);
    state = 'well';
    one.clock.ms += 1_001;
    await things.read(at('x'), source('a').load);
    expect(values.size).toBe(1);
  });

  it('says whether all have forgotten', async () => {
    const one = processOver(() => shared);
    const things = one.cache.of<string>(KIND);
    await things.write(at('1'), 'a');
    state = 'away';
    expect(await things.forget(at('1'))).toBe(false);
    expect(await things.forgetUnder(at('1'))).toBeNull();
    state = 'well';
    expect(await things.forget(at('1'))).toBe(true);
    expect(values.size).toBe(0);
  });

  it('what is no JSON is asked for anew', async () => {
    const one = processOver(() => shared);
    const things = one.cache.of<string>(KIND);
    await things.write(at('1'), 'a');
    for (const [key, value] of values) values.set(key, { ...value, text: '{"a' });
    const two = processOver(() => shared);
    expect(await two.cache.of<string>(KIND).read(at('1'), source('b').load)).toBe('b');
    expect(two.count('cache_unusable', 'thing')).toBe(1);
  });
});

describe('a cache of nobody', () => {
  it('answers what the source says', async () => {
    const { NO_CACHE } = await import('#ports/cache.ts');
    const none: Cache = NO_CACHE;
    const from = source(randomBytes(4).toString('hex'));
    await none.of<string>(KIND).read(at('1'), from.load);
    expect(await none.of<string>(KIND).read(at('1'), from.load)).toBe(from.answer);
    expect(from.times).toBe(2);
  });
});
