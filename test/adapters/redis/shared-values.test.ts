import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { connectRedis, type Redis } from '#adapters/redis/connect.ts';
import { keyOf } from '#adapters/redis/keys.ts';
import { createValueSeal } from '#adapters/redis/seal-values.ts';
import { createSharedValues, type SharedValues } from '#adapters/redis/shared-values.ts';
import { CACHE_ACCESS } from '#config/cache.ts';
import type { CacheKind } from '#ports/cache.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { DAYS_TRACE, hits, inTraceTime, replayTrace } from '#test/support/cache-trace.ts';
import {
  describeWithRedis,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from '#test/support/redis-server.ts';

const TENANT = '0199c1aa-0000-7000-8000-000000000001';
const OTHER = '0199c1aa-0000-7000-8000-000000000002';
const KIND: CacheKind = {
  name: 'thing',
  format: 1,
  shared: { ms: 600_000, spread: 0.1 },
  heldMs: 0,
  absentMs: 5_000,
  maxBytes: 100_000,
};
const at = (...parts: string[]) => ({ tenant: TENANT, parts });
const key = randomBytes(32);
const keysOf = (...all: Uint8Array[]) => ({ now: () => all[0] as Uint8Array, all: () => all });
const USER = 'programs';

async function connected(url: string, cluster: boolean): Promise<Redis> {
  const redis = connectRedis(
    {
      ...{ url, cluster, name: 'test', answerMs: 20_000 },
      login: { user: USER, password: async () => 'token' },
    },
    { log: createSilentLog(), metrics: NO_METRICS, deadlines: createRealDeadlines() },
  );
  await redis.connected();
  return redis;
}

const WHERE = {
  'one server': async () => [await startRedis()],
  'a cluster': () => startRedisCluster(),
} as const;

for (const [where, start] of Object.entries(WHERE)) {
  describeWithRedis(`shared values on ${where}, by the access of programs`, () => {
    let servers: readonly RedisServer[];
    let redis: Redis;
    let values: SharedValues;
    let chance = 0;
    beforeAll(async () => {
      servers = await start();
      for (const server of servers) {
        await server.admin('ACL', 'SETUSER', USER, ...CACHE_ACCESS.split(' '), '>token');
      }
      redis = await connected(servers[0]?.url ?? '', where === 'a cluster');
      const seal = createValueSeal(keysOf(key));
      values = createSharedValues({ redis, seal, random: () => chance });
    });
    afterAll(() => redis?.close());

    const put = (id: string, text: string | null, revision = 0) =>
      values.put(KIND, at(id), { revision, text });
    const get = async (id: string) => {
      const found = await values.get(KIND, at(id));
      return found.kind === 'found' ? found.value.text : found.kind;
    };
    const sizes = async () => {
      const told = await Promise.all(servers.map((server) => server.admin('DBSIZE')));
      return told.map((size) => Number(size.slice(1)));
    };

    it('are what was put there, and nothing where nothing was', async () => {
      await put('a', '{"grün":1}');
      expect(await get('a')).toBe('{"grün":1}');
      expect(await get('b')).toBe('nothing');
      await put('c', null);
      expect(await get('c')).toBeNull();
    });

    it('stand under keys that begin with their tenant, and cannot be read there', async () => {
      await put('secretive', '"a value that nobody reads"');
      const stored = String(
        await redis.send(keyOf(KIND, at('secretive')), ['GET', keyOf(KIND, at('secretive'))]),
      );
      expect(keyOf(KIND, at('secretive'))).toBe(`${TENANT}:thing:1:secretive`);
      expect(stored.startsWith('0 ')).toBe(true);
      expect(Buffer.from(stored.slice(2), 'base64').toString()).not.toContain('nobody reads');
    });

    it('end by themselves, a little sooner or later than one another and never later than they may', async () => {
      const left = async (id: string) =>
        Number(await redis.send(keyOf(KIND, at(id)), ['PTTL', keyOf(KIND, at(id))]));
      for (const [random, most, least] of [
        [0, 600_000, 540_001],
        [0.999, 540_100, 400_000],
      ] as const) {
        chance = random;
        await put('ends', '1');
        expect(await left('ends')).toBeLessThanOrEqual(most);
        expect(await left('ends')).toBeGreaterThan(least);
      }
      chance = 0;
      await put('absent', null);
      expect(await left('absent')).toBeLessThanOrEqual(5_000);
      expect(await left('absent')).toBeGreaterThan(0);
    });

    it('never go back to an older revision, nor to what was read before a change was told', async () => {
      await put('r', '"five"', 5);
      await put('r', '"four"', 4);
      expect(await get('r')).toBe('"five"');
      await put('r', '"six"', 6);
      expect(await get('r')).toBe('"six"');
      await values.forget(KIND, at('r'), 8);
      expect(await get('r')).toBe('nothing');
      await put('r', '"seven"', 7);
      expect(await get('r')).toBe('nothing');
      await put('r', '"eight"', 8);
      expect(await get('r')).toBe('"eight"');
      await values.forget(KIND, at('r'), null);
      await put('r', '"one"', 1);
      expect(await get('r')).toBe('"one"');
    });

    it('are forgotten by how they begin, on every node, and no others', async () => {
      for (const server of servers) await server.admin('FLUSHALL');
      const many = Array.from({ length: 300 }, (_, i) => String(i));
      for (const id of many) {
        await values.put(KIND, at('order', id), { revision: 0, text: '1' });
      }
      const others: readonly (readonly [CacheKind, { tenant: string; parts: string[] }])[] = [
        [KIND, at('order')],
        [KIND, at('orders', '1')],
        [KIND, at('ord*r', '1')],
        [{ ...KIND, name: 'thin' }, at('order', '1')],
        [{ ...KIND, format: 2 }, at('order', '1')],
        [KIND, { tenant: OTHER, parts: ['order', '1'] }],
      ];
      for (const [kind, name] of others) await values.put(kind, name, { revision: 0, text: '1' });
      const before = await sizes();
      expect(before.every((size) => size > 0)).toBe(true);
      // What a tenant chose is no pattern.
      expect(await values.forgetUnder(KIND, at('*'))).toEqual({ count: 0, whole: true });
      expect(await values.forgetUnder(KIND, at('ord*r'))).toEqual({ count: 1, whole: true });
      expect(await values.forgetUnder(KIND, at('order'))).toEqual({ count: 300, whole: true });
      expect((await sizes()).reduce((sum, size) => sum + size, 0)).toBe(others.length - 1);
    });

    it('of a minute’s reads by Zipf’s law as many come out of them as must, and no other', async () => {
      const trace = { ...DAYS_TRACE, reads: 10_000, workflows: 500, seconds: 60 };
      for (const kind of ['workflow-version', 'workflow'] as const) {
        // Nothing ends within a minute, so both must find the same, read by read.
        const wanted = await replayTrace(trace, kind, inTraceTime);
        const found = await replayTrace(trace, kind, () => values);
        expect(found).toEqual(wanted);
        if (kind === 'workflow-version') expect(hits(found)).toBeGreaterThan(0.942);
      }
    }, 180_000);

    it('what somebody else wrote, moved or changed is nothing that can be used', async () => {
      await put('mine', '"mine"', 3);
      const raw = async (id: string) =>
        String(await redis.send(keyOf(KIND, at(id)), ['GET', keyOf(KIND, at(id))]));
      const write = (id: string, text: string) =>
        redis.send(keyOf(KIND, at(id)), ['SET', keyOf(KIND, at(id)), text, 'PX', '60000']);
      const sealed = await raw('mine');
      for (const forged of [
        '"mine"',
        'x',
        '0 "mine"',
        '0 AAAA',
        // Of another revision, and cut.
        sealed.replace(/^3 /, '4 '),
        sealed.slice(0, -4),
        sealed.slice(0, -6) + sealed.slice(-6).split('').reverse().join(''),
        '99999999999999999 x',
      ]) {
        await write('forged', forged);
        expect(await get('forged'), forged.slice(0, 30)).toBe('unusable');
      }
      // Of another name, and of another tenant.
      await write('forged', sealed);
      expect(await get('forged')).toBe('unusable');
      const elsewhere = { tenant: OTHER, parts: ['mine'] };
      await redis.send(keyOf(KIND, elsewhere), ['SET', keyOf(KIND, elsewhere), sealed]);
      expect(await values.get(KIND, elsewhere)).toEqual({ kind: 'unusable' });
    });
  });
}

describe('seals of values', () => {
  const of = { tenant: TENANT, key: 'k', revision: 1 };
  it('open with any key of the ring, and with no other', () => {
    const [old, young] = [randomBytes(32), randomBytes(32)];
    const sealed = createValueSeal(keysOf(old)).seal(of, 'text');
    expect(createValueSeal(keysOf(young, old)).open(of, sealed)).toBe('text');
    expect(createValueSeal(keysOf(young)).open(of, sealed)).toBeNull();
  });

  it('never look alike', () => {
    const seal = createValueSeal(keysOf(key));
    expect(seal.seal(of, 'text')).not.toBe(seal.seal(of, 'text'));
  });
});
