import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createHeldClock, type HeldClock } from '#test/support/held-clock.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

describeWithPostgres('an API key, as time goes by,', () => {
  let database: TestDatabase;
  let clock: HeldClock;
  let api: TestApi;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createHeldClock();
    api = await startTestApi(database, { clock, rates: { caller: 1_000, tenant: 100_000 } });
  });
  afterAll(() => api?.close());

  async function home() {
    const tenant = await api.createTenant();
    const owner = api.client(await api.createKey(tenant, ['*']));
    const make = (more: object = {}) =>
      owner.createApiKey({
        body: { name: 'ci', mode: 'live', scopes: ['workflow:read'], ...more },
      });
    return { tenant, owner, make };
  }
  const call = async (key: string) => {
    const response = await fetch(`${api.server.url}/api/v1/workflows`, {
      headers: { authorization: `Bearer ${key}` },
    });
    await response.arrayBuffer();
    return response;
  };
  const status = async (key: string) => (await call(key)).status;
  const iso = (at: number) => new Date(at).toISOString();

  it('says when it was last used, to the minute, and nothing before it was', async () => {
    const { owner, make } = await home();
    const { api_key, key } = await make();
    const lastUsed = async () => (await owner.getApiKey({ key_id: key.key_id })).last_used_at;
    expect(await lastUsed()).toBeNull();
    const first = clock.now();
    expect(await status(api_key)).toBe(200);
    expect(await lastUsed()).toBe(iso(first));
    clock.pass(30_000);
    expect(await status(api_key)).toBe(200);
    expect(await lastUsed()).toBe(iso(first));
    clock.pass(MINUTE_MS);
    expect(await status(api_key)).toBe(200);
    expect(await lastUsed()).toBe(iso(clock.now()));
    // What is refused is no use of it.
    const used = await lastUsed();
    clock.pass(2 * MINUTE_MS);
    expect(await status(`${api_key.slice(0, -1)}${api_key.endsWith('A') ? 'B' : 'A'}`)).toBe(401);
    expect(await lastUsed()).toBe(used);
    const listed = (await owner.listApiKeys()).items.find(({ key_id }) => key_id === key.key_id);
    expect(listed?.last_used_at).toBe(used);
  });

  it('is good until it expires, and no instant longer, and does not begin in the past', async () => {
    const { make } = await home();
    const end = clock.now() + DAY_MS;
    const { api_key, key } = await make({ expires_at: iso(end) });
    expect(key.expires_at).toBe(iso(end));
    clock.pass(DAY_MS - 1);
    expect(await status(api_key)).toBe(200);
    clock.pass(1);
    const refused = await call(api_key);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="cloudflow"',
    ]);
    await expect(make({ expires_at: iso(clock.now()) })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    });
  });

  it('that is rotated goes on beside its successor for as long as was said, and not longer', async () => {
    const { owner, make } = await home();
    const old = await make({ requests_per_minute: 500, workflows: ['order'] });
    const rotated = await owner.rotateApiKey({
      ...{ key_id: old.key.key_id, body: { overlap_seconds: 3_600 } },
    });
    const { key_id: _, created_at: __, ...same } = old.key;
    expect(rotated.key).toMatchObject(same);
    expect(rotated.key.key_id).not.toBe(old.key.key_id);
    expect([await status(old.api_key), await status(rotated.api_key)]).toEqual([200, 200]);
    clock.pass(3_600_000 - 1);
    expect([await status(old.api_key), await status(rotated.api_key)]).toEqual([200, 200]);
    clock.pass(1);
    expect([await status(old.api_key), await status(rotated.api_key)]).toEqual([401, 200]);
    const again = owner.rotateApiKey({ key_id: old.key.key_id });
    await expect(again).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('that is rotated without a word goes on for a day, and never beyond its own end', async () => {
    const { owner, make } = await home();
    const [open, ending] = [await make(), await make({ expires_at: iso(clock.now() + MINUTE_MS) })];
    const next = await owner.rotateApiKey({ key_id: open.key.key_id });
    expect(next.key.expires_at).toBeNull();
    const brief = await owner.rotateApiKey({ key_id: ending.key.key_id });
    expect(brief.key.expires_at).toBe(ending.key.expires_at);
    clock.pass(MINUTE_MS);
    const all = [open, next, ending, brief].map(({ api_key }) => status(api_key));
    expect(await Promise.all(all)).toEqual([200, 200, 401, 401]);
    clock.pass(DAY_MS - MINUTE_MS);
    expect([await status(open.api_key), await status(next.api_key)]).toEqual([401, 200]);
  });

  it('has a limit of its own, which its neighbours do not use up, and a minute later it goes on', async () => {
    const { make } = await home();
    const [slow, other] = [await make({ requests_per_minute: 3 }), await make()];
    const limit = (await call(slow.api_key)).headers.get('ratelimit-policy') ?? '';
    expect(limit).toContain('q=3');
    const statuses: number[] = [];
    for (let i = 0; i < 4; i += 1) statuses.push(await status(slow.api_key));
    expect(statuses).toEqual([200, 200, 429, 429]);
    const refused = await call(slow.api_key);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await status(other.api_key)).toBe(200);
    clock.pass(2 * MINUTE_MS);
    expect(await status(slow.api_key)).toBe(200);
  });

  it('that was revoked is over for good, and says since when', async () => {
    const { owner, make } = await home();
    const { api_key, key } = await make();
    expect(await status(api_key)).toBe(200);
    const at = clock.now();
    await owner.revokeApiKey({ key_id: key.key_id });
    clock.pass(MINUTE_MS);
    expect(await status(api_key)).toBe(401);
    await owner.revokeApiKey({ key_id: key.key_id });
    expect((await owner.getApiKey({ key_id: key.key_id })).revoked_at).toBe(iso(at));
    const rotated = owner.rotateApiKey({ key_id: key.key_id });
    await expect(rotated).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('may be revoked by who may write keys, also one that may do more than they may', async () => {
    const { tenant, make } = await home();
    const mighty = await make({ scopes: ['*'] });
    const keeper = api.client(await api.createKey(tenant, ['api-key:*', 'workflow:read']));
    const rotated = keeper.rotateApiKey({ key_id: mighty.key.key_id });
    await expect(rotated).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await keeper.revokeApiKey({ key_id: mighty.key.key_id });
    clock.pass(2_000);
    expect(await status(mighty.api_key)).toBe(401);
  });
});
