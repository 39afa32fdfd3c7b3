import { randomBytes } from 'node:crypto';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { type Client, createClient } from '#client/client.ts';
import { type OpenedCache, openCache } from '#functions/shared/cache.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { describeWithRedis, type RedisServer, startRedis } from '#test/support/redis-server.ts';

const PASSWORD = 'a long walk in the rain';

/** With either missing it says which, and fails where services are required. */
function describeWithBoth(name: string, body: () => void): void {
  describeWithPostgres(name, () => {
    describeWithRedis('kept in Redis', body);
  });
}

describeWithBoth('profiles, over two processes and a cache', () => {
  let database: TestDatabase;
  let redis: RedisServer;
  let people: People;
  const caches: OpenedCache[] = [];
  const apis: TestApi[] = [];
  const metrics = createLocalMetrics();

  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await startRedis();
    const sealKey = randomBytes(32);
    for (let i = 0; i < 2; i++) {
      const cache = openCache(
        // Neighbours may keep this machine busy for longer than answers may take in earnest.
        {
          ...{ name: `process-${i}`, clock: createSystemClock(), metrics, answerMs: 3_000 },
          log: createSilentLog(),
        },
        { STAGE: 'dev', CACHE_URL: redis.url, CACHE_AUTH: 'url' },
        oneKey(sealKey),
      );
      caches.push(cache);
      await cache.connected();
      const [first] = apis;
      apis.push(
        await startTestApi(database, {
          ...{ metrics, cache: cache.cache },
          ...(first === undefined ? {} : { signingKeys: first.signingKeys }),
        }),
      );
    }
    people = createPeople(apis[0] as TestApi, database);
  }, 60_000);
  afterAll(async () => {
    for (const api of apis) await api.close();
    for (const cache of caches) await cache.close();
  });

  let tenant: string;
  let user: { readonly id: string; readonly email: string };
  /** Whoever is signed in, through the first process and through the second. */
  let mine: readonly [Client, Client];
  beforeEach(async () => {
    const made = await people.tenant();
    tenant = made.tenant;
    user = await people.user(tenant, { password: PASSWORD });
    const [one, two] = apis as [TestApi, TestApi];
    const tokens = await createClient({ baseUrl: one.server.url }).login({
      body: { tenant: made.slug, email: user.email, password: PASSWORD },
    });
    if (!('access_token' in tokens)) throw new Error('nobody asked for a second factor');
    mine = [one.client(tokens.access_token), two.client(tokens.access_token)];
  });

  const from = (source: string): number =>
    Number(
      new RegExp(`cache_reads\\S*user-profile\\S*${source}\\S* (\\d+)$`, 'm').exec(
        metrics.text(),
      )?.[1] ??
        new RegExp(`cache_reads\\S*${source}\\S*user-profile\\S* (\\d+)$`, 'm').exec(
          metrics.text(),
        )?.[1] ??
        0,
    );
  const rename = async (client: Client, name: string) => {
    const seen = await client.send('getProfile', {});
    return client.send('updateProfile', {
      body: { name, preferences: { locale: 'de' } },
      ifMatch: seen.etag ?? '',
    });
  };

  it('are read where they are written once, then out of the cache, sealed', async () => {
    const [one, two] = mine;
    const before = { source: from('source'), shared: from('shared') };
    const first = await one.send('getProfile', {});
    const second = await two.send('getProfile', {});
    expect(second.body).toEqual(first.body);
    expect(second.etag).toBe(first.etag);
    expect((await two.whoAmI()).user).toEqual(first.body.user);
    expect(from('source') - before.source).toBe(1);
    expect(from('shared') - before.shared).toBe(2);
    const keys = (await redis.admin('KEYS', '*'))
      .split('\n')
      .filter((key) => key.includes(user.id));
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      expect(await redis.admin('GET', key.trim())).not.toContain(user.email);
    }
  });

  it('that were changed through one process are seen through the other at once, with their ETag', async () => {
    const [one, two] = mine;
    await two.getProfile();
    const changed = await rename(one, 'Ada');
    const seen = await two.send('getProfile', {});
    expect(seen.body).toMatchObject({ user: { name: 'Ada' }, preferences: { locale: 'de' } });
    expect(seen.etag).toBe(changed.etag);
    expect((await rename(two, 'Ada Lovelace')).body.user.name).toBe('Ada Lovelace');
  });

  it('are changed by nobody who saw something old', async () => {
    const [one, two] = mine;
    const old = await one.send('getProfile', {});
    await rename(two, 'Ada');
    const late = one.updateProfile({
      body: { name: 'X', preferences: {} },
      ifMatch: old.etag ?? '',
    });
    await expect(late).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect((await one.getProfile()).user.name).toBe('Ada');
  });

  it('show what others changed, and an authenticator that was enrolled, within seconds', async () => {
    const [one, two] = mine;
    await one.getProfile();
    await database.admin.query(
      `update users set name = 'By another', revision = revision + 1, updated_at = now() where id = $1`,
      [user.id],
    );
    for (const client of mine) {
      await expect
        .poll(async () => (await client.getProfile()).user.name, { timeout: 20_000 })
        .toBe('By another');
    }
    const before = await two.send('getProfile', {});
    const totp = new TOTP({ secret: (await one.enrolTotp()).secret });
    await one.confirmTotp({ body: { code: totp.generate() } });
    await expect
      .poll(async () => (await two.getProfile()).user.mfa_enrolled, { timeout: 20_000 })
      .toBe(true);
    expect((await two.send('getProfile', {})).etag).not.toBe(before.etag);
  });

  const AWAY: readonly [string, () => Promise<void> | void, () => Promise<void> | void][] = [
    ['is killed', () => redis.kill(), () => redis.start()],
    ['stops answering', () => redis.freeze(), () => redis.thaw()],
    [
      'takes nothing',
      async () => void (await redis.admin('CONFIG', 'SET', 'maxmemory', '1')),
      async () => void (await redis.admin('CONFIG', 'SET', 'maxmemory', '0')),
    ],
  ];
  it.each(AWAY)(
    'are told as they are while the cache %s, and what it kept of before is not told afterwards',
    async (_, go, back) => {
      const [one, two] = mine;
      await one.getProfile();
      await two.getProfile();
      await go();
      try {
        await rename(one, 'While it was away');
        expect((await one.getProfile()).user.name).toBe('While it was away');
      } finally {
        await back();
      }
      // A session may be held for two seconds; then nothing older than it says is told.
      await expect
        .poll(async () => (await two.getProfile()).user.name, { timeout: 30_000 })
        .toBe('While it was away');
      await expect
        .poll(() => Promise.all(caches.map((cache) => answers(cache))), { timeout: 60_000 })
        .toEqual([true, true]);
      for (const client of mine) {
        expect((await client.getProfile()).user.name).toBe('While it was away');
      }
    },
    120_000,
  );

  it('are told after the cache was emptied, and who was deactivated is out whatever it kept', async () => {
    const [one, two] = mine;
    const { user: known } = await one.getProfile();
    await redis.admin('FLUSHALL');
    expect((await two.getProfile()).user).toEqual(known);
    const [first] = apis as [TestApi];
    const manager = first.client(await first.createKey(tenant, ['*']));
    await manager.deactivateUser({ user_id: user.id });
    for (const client of mine) {
      await expect
        .poll(
          () =>
            client.getProfile().then(
              () => 'in',
              (error) => error.code,
            ),
          { timeout: 20_000 },
        )
        .toBe('UNAUTHENTICATED');
    }
  });

  /** Whether the cache counts again: what it is asked is answered by it. */
  async function answers(cache: OpenedCache): Promise<boolean> {
    const probe = cache.cache.of<number>({
      ...{ name: 'user-profile', format: 99, shared: { ms: 60_000, spread: 0 } },
      ...{ heldMs: 0, absentMs: 0, maxBytes: 100 },
    });
    const name = { tenant: '0199c1aa-0000-7000-8000-000000000001', parts: ['probe'] };
    await probe.write(name, 1);
    return (await probe.read(name, async () => null)) === 1;
  }
});
