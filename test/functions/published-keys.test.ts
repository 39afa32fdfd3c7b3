import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openFileSealer } from '#adapters/local/file-sealer.ts';
import { createIds } from '#adapters/local/ids.ts';
import { rotateSigningKeys } from '#adapters/postgres/rotate-signing-keys.ts';
import { createSigningKeys } from '#adapters/postgres/signing-keys.ts';
import { operationIds, routeOf } from '#contract/routes.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { ISSUER, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople } from '#test/support/people.ts';
import { type Post, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const DAY_MS = 86_400_000;

/** As another program checks our tokens, knowing nothing but the two documents. */
describeWithPostgres('keys that anybody may check tokens with', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cloudflow-published-'));
  let database: TestDatabase;
  let clock: VirtualClock;
  let api: TestApi;
  let post: Post;
  let rotate: () => Promise<unknown>;
  let signIn: { readonly tenant: string; readonly email: string; readonly password: string };

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    const sealer = await openFileSealer(folder);
    const ids = createIds();
    const relay = database.pool('cloudflow_relay');
    rotate = () => rotateSigningKeys({ pool: relay, sealer, ids }, clock.now());
    await rotate();
    const kept = createSigningKeys({ pool: database.pool('cloudflow_app'), clock, sealer });
    const never = () => {
      throw new TypeError('this test turns keys as the platform does');
    };
    api = await startTestApi(database, {
      clock,
      signingKeys: { ...kept, rotate: never, forgetOldest: never, privateKey: never },
    });
    post = postingTo(api.server.url);
    const people = createPeople(api, database);
    const { tenant, slug } = await people.tenant();
    const { email } = await people.user(tenant, { password: PASSWORD });
    signIn = { tenant: slug, email, password: PASSWORD };
  });
  afterAll(async () => {
    await api?.close();
    rmSync(folder, { recursive: true });
  });

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(api.server.url + path, { headers });
  const published = async (): Promise<JSONWebKeySet> =>
    (await get('/.well-known/jwks.json')).json() as Promise<JSONWebKeySet>;
  const kids = ({ keys }: JSONWebKeySet) => keys.map(({ kid }) => kid);
  const token = async () => String((await post('/auth/login', signIn)).body['access_token']);
  const check = (text: string, keys: JSONWebKeySet) =>
    jwtVerify(text, createLocalJWKSet(keys), {
      ...{ issuer: ISSUER, audience: 'cloudflow-api', typ: 'at+jwt', algorithms: ['RS256'] },
      currentDate: new Date(clock.now()),
    });

  it('are where the discovery document says, public parts alone, to be kept for minutes', async () => {
    const discovery = await get('/.well-known/oauth-authorization-server');
    expect(discovery.status).toBe(200);
    expect(discovery.headers.get('cache-control')).toBe('public, max-age=300');
    expect(await discovery.json()).toEqual({
      issuer: ISSUER,
      jwks_uri: `${ISSUER}/.well-known/jwks.json`,
    });
    const answer = await get('/.well-known/jwks.json');
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('cache-control')).toBe('public, max-age=300');
    const { keys } = (await answer.json()) as JSONWebKeySet;
    expect(keys).toHaveLength(1);
    for (const key of keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
      expect(key).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig', e: 'AQAB' });
    }
    const again = await get('/.well-known/jwks.json', {
      'if-none-match': answer.headers.get('etag') ?? '',
    });
    expect(again.status).toBe(304);
    expect(again.headers.get('cache-control')).toBe('public, max-age=300');
    const { payload, protectedHeader } = await check(await token(), { keys });
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'at+jwt', kid: keys[0]?.kid });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(900);
  });

  it('are the only answers that may be kept, and not when there are none to tell', async () => {
    const kept = operationIds.filter((id) => routeOf(id).keptSeconds !== undefined);
    expect(kept).toEqual(['getJwks', 'getDiscovery']);
    expect(kept.map((id) => routeOf(id).tenant)).toEqual(['none', 'none']);
    const refused = await get('/.well-known/jwks.json?more=1');
    expect([refused.status, refused.headers.get('cache-control')]).toEqual([400, 'no-store']);
    const me = await get('/api/v1/auth/me', { authorization: `Bearer ${await token()}` });
    expect([me.status, me.headers.get('cache-control')]).toEqual([200, 'no-store']);
  });

  it('turn every 30 days: the next is told a week before it signs, the last until a week after', async () => {
    const first = await published();
    const [one] = kids(first);
    await clock.advance(22 * DAY_MS);
    await rotate();
    expect(kids(await published())).toEqual([one]);

    await clock.advance(2 * DAY_MS);
    await rotate();
    const both = await published();
    expect(both.keys).toHaveLength(2);
    const two = kids(both).find((kid) => kid !== one);
    const early = await token();
    expect((await check(early, first)).protectedHeader.kid).toBe(one);

    await clock.advance(7 * DAY_MS);
    await rotate();
    const late = await token();
    expect((await check(late, both)).protectedHeader.kid).toBe(two);
    await expect(check(late, first)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    expect(kids(await published()).sort()).toEqual([one, two].sort());
    const me = (text: string) => get('/api/v1/auth/me', { authorization: `Bearer ${text}` });
    expect((await me(late)).status).toBe(200);

    await clock.advance(7 * DAY_MS);
    await rotate();
    expect(kids(await published())).toEqual([two]);
    expect((await me(await token())).status).toBe(200);
  });
});
