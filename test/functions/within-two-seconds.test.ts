import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import type { Json } from '#core/json.ts';
import { type OpenedCache, openCache } from '#functions/shared/cache.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createHeldClock, type HeldClock } from '#test/support/held-clock.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, type PostOptions, postingTo } from '#test/support/posting.ts';
import { describeWithRedis, type RedisServer, startRedis } from '#test/support/redis-server.ts';

const PASSWORD = 'a long walk in the rain';
/** What docs/identity.md promises. */
const PROMISED_MS = 2_000;

/** Somebody who is signed in twice, and a key of the tenant that may do everything. */
interface Somebody {
  readonly tenant: string;
  readonly slug: string;
  readonly id: string;
  readonly email: string;
  readonly owner: string;
  readonly one: Tokens;
  readonly two: Tokens;
}
interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly session_id: string;
}

/** How the first of both sessions is ended through the first process; whether the second goes on. */
const ENDS: Readonly<
  Record<string, { readonly end: (by: Post, who: Somebody) => Promise<unknown>; others: boolean }>
> = {
  'a sign-out': { others: true, end: (by, { one }) => by('/auth/logout', undefined, as(one)) },
  'a revocation from where they are signed in too': {
    others: true,
    end: (by, { one, two }) => by(`/sessions/mine/${one.session_id}`, undefined, gone(two)),
  },
  'a revocation of all of theirs': {
    others: false,
    end: (by, { two }) => by('/sessions/mine', undefined, gone(two)),
  },
  'a revocation by an administrator': {
    others: true,
    end: (by, { one, owner }) =>
      by(`/sessions/${one.session_id}`, undefined, { token: owner, method: 'DELETE' }),
  },
  'a change of the password': {
    others: true,
    end: (by, { two }) => by('/auth/password', CHANGED, as(two)),
  },
  'other roles': {
    others: false,
    end: (by, { id, owner }) =>
      by(`/users/${id}`, { name: null, roles: [] }, overwrite({ token: owner })),
  },
  'a deactivation': {
    others: false,
    end: (by, { id, owner }) => by(`/users/${id}/deactivate`, {}, { token: owner }),
  },
  'a reset of the second factor': {
    others: false,
    end: (by, { id, owner }) => by(`/users/${id}/reset-mfa`, {}, { token: owner }),
  },
};
const CHANGED = { current_password: PASSWORD, new_password: 'a short walk in the sun' };

const as = ({ access_token }: Tokens): PostOptions => ({ token: access_token });
const gone = (tokens: Tokens): PostOptions => ({ ...as(tokens), method: 'DELETE' });
const overwrite = (options: PostOptions): PostOptions => ({
  ...{ ...options, method: 'PUT', headers: { 'if-match': '*' } },
});

describeWithPostgres('within two seconds, in every process,', () => {
  let database: TestDatabase;
  let clock: HeldClock;
  const apis: TestApi[] = [];
  let people: People;
  let first: Post;
  let second: Post;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createHeldClock();
    await begin();
  });
  afterAll(async () => {
    for (const api of apis) await api.close();
  });

  async function begin(caches: readonly OpenedCache[] = []): Promise<void> {
    for (const api of apis.splice(0)) await api.close();
    for (const i of [0, 1]) {
      const [before] = apis;
      apis.push(
        await startTestApi(database, {
          clock,
          ...(before === undefined ? {} : { signingKeys: before.signingKeys }),
          ...(caches[i] === undefined ? {} : { cache: caches[i].cache }),
        }),
      );
    }
    const [one, two] = apis as [TestApi, TestApi];
    people = createPeople(one, database);
    first = postingTo(one.server.url);
    second = postingTo(two.server.url);
  }

  async function somebody(): Promise<Somebody> {
    const { tenant, slug } = await people.tenant();
    const { id, email } = await people.user(tenant, { roles: ['author'], password: PASSWORD });
    const login = async () =>
      (await first('/auth/login', { tenant: slug, email, password: PASSWORD }))
        .body as unknown as Tokens;
    const owner = await (apis[0] as TestApi).createKey(tenant, ['*']);
    return { tenant, slug, id, email, owner, one: await login(), two: await login() };
  }
  const me = async (by: Post, token: string) =>
    (await by('/auth/me', undefined, { token, method: 'GET' })).status;
  const refresh = (tokens: Tokens) =>
    second('/auth/refresh', { refresh_token: tokens.refresh_token });

  async function seeEnd(how: string): Promise<void> {
    const { end, others } = ENDS[how] as (typeof ENDS)[string];
    const who = await somebody();
    const { one, two } = who;
    for (const each of [one, two]) expect(await me(second, each.access_token)).toBe(200);
    expect((await end(first, who)) as { status: number }).toMatchObject({
      status: expect.toSatisfy((status: number) => status < 300),
    });
    // At once for whoever asks what is there, and for what is only remembered by then.
    expect((await refresh(one)).body['code']).toBe('TOKEN_INVALID');
    clock.pass(PROMISED_MS);
    for (const by of [first, second]) {
      expect(await me(by, one.access_token)).toBe(401);
      expect(await me(by, two.access_token)).toBe(others ? 200 : 401);
    }
    const next = await refresh(two);
    expect(next.status).toBe(others ? 200 : 401);
  }

  it.each(Object.keys(ENDS))('%s ends what it ends and nothing else', seeEnd);

  it('a key that was revoked, or rotated without an overlap, is refused', async () => {
    const { owner } = await somebody();
    const make = async () =>
      (
        await first(
          '/api-keys',
          { name: 'ci', mode: 'live', scopes: ['workflow:read'] },
          { token: owner },
        )
      ).body as { api_key: string };
    const [revoked, rotated, other] = [await make(), await make(), await make()];
    const idOf = ({ api_key }: { api_key: string }) => api_key.slice(9, 17);
    for (const { api_key } of [revoked, rotated, other])
      expect(await me(second, api_key)).toBe(200);
    const away = { token: owner, method: 'DELETE' } as const;
    expect((await first(`/api-keys/${idOf(revoked)}`, undefined, away)).status).toBe(204);
    const body: Json = { overlap_seconds: 0 };
    const next = await first(`/api-keys/${idOf(rotated)}/rotate`, body, { token: owner });
    expect(next.status).toBe(201);
    clock.pass(PROMISED_MS);
    expect(await me(second, revoked.api_key)).toBe(401);
    expect(await me(second, rotated.api_key)).toBe(401);
    expect(await me(second, other.api_key)).toBe(200);
    expect(await me(second, String(next.body['api_key']))).toBe(200);
  });

  it('what a role allows is what it allows, though sessions go on', async () => {
    const { id, owner, slug, email } = await somebody();
    const at = { token: owner };
    const role = { name: 'reader', about: '', scopes: ['workflow:read'] };
    expect((await first('/roles', role, at)).status).toBe(201);
    const given = { name: null, roles: ['reader'] };
    expect((await first(`/users/${id}`, given, overwrite(at))).status).toBe(200);
    const { body } = await first('/auth/login', { tenant: slug, email, password: PASSWORD });
    const token = String(body['access_token']);
    const list = async (what: string) =>
      (await second(what, undefined, { token, method: 'GET' })).status;
    expect([await list('/workflows'), await list('/connections')]).toEqual([200, 403]);
    const other = { about: '', scopes: ['connection:read'] };
    expect((await first('/roles/reader', other, overwrite(at))).status).toBe(200);
    clock.pass(PROMISED_MS);
    expect([await list('/workflows'), await list('/connections')]).toEqual([403, 200]);
  });

  describeWithRedis('also while the cache is away:', () => {
    let redis: RedisServer;
    const caches: OpenedCache[] = [];
    beforeAll(async () => {
      redis = await startRedis();
      const key = randomBytes(32);
      for (const i of [0, 1]) {
        const cache = openCache(
          {
            ...{ name: `process-${i}`, clock: createSystemClock(), metrics: NO_METRICS },
            log: createSilentLog(),
          },
          { STAGE: 'dev', CACHE_URL: redis.url, CACHE_AUTH: 'url' },
          oneKey(key),
        );
        await cache.connected();
        caches.push(cache);
      }
      await begin(caches);
    }, 60_000);
    afterAll(async () => {
      for (const cache of caches) await cache.close();
      await redis?.kill();
    });

    const SOME = ['a sign-out', 'a revocation by an administrator', 'a deactivation'];
    it.each(SOME)('%s, with a cache that is there and then is not', async (how) => {
      await seeEnd(how);
      await redis.kill();
      try {
        await seeEnd(how);
      } finally {
        await redis.start();
      }
    });
  });
});
