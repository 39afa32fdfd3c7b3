import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '#client/client.ts';
import type { Json } from '#core/json.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';

describeWithPostgres('people of a tenant', () => {
  let database: TestDatabase;
  let api: TestApi;
  let people: People;
  let post: Post;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
    people = createPeople(api, database);
    post = postingTo(api.server.url);
  });
  afterAll(() => api?.close());

  async function home() {
    const { tenant, slug } = await people.tenant();
    const key = await api.createKey(tenant, ['*']);
    const login = (email: string, password = PASSWORD) =>
      post('/auth/login', { tenant: slug, email, password }, { from: '127.0.0.30' });
    return { tenant, slug, key, owner: api.client(key), login };
  }
  async function named(tenant: string, email: string, name: string | null, roles = ['viewer']) {
    const { id } = await people.user(tenant, { email, roles });
    await database.admin.query('update users set name = $2 where id = $1', [id, name]);
    return id;
  }
  const addresses = async (owner: Client, query: Parameters<Client['listUsers']>[0]) =>
    (await owner.listUsers(query)).items.map(({ email }) => email);

  it('are found by a part of their address or name, in any case, and by role and status', async () => {
    const { tenant, owner } = await home();
    await named(tenant, 'ada@example.com', 'Ada Lovelace', ['author']);
    await named(tenant, 'grace@example.org', 'Grace Hopper');
    const gone = await named(tenant, 'alan@example.org', null, ['author']);
    await owner.deactivateUser({ user_id: gone });
    const find = (query: NonNullable<Parameters<Client['listUsers']>[0]>['query']) =>
      addresses(owner, query === undefined ? {} : { query });
    expect(await find({ text: 'LOVELACE' })).toEqual(['ada@example.com']);
    expect(await find({ text: 'example.org' })).toEqual(['alan@example.org', 'grace@example.org']);
    expect(await find({ text: 'EXAMPLE.ORG', status: 'active' })).toEqual(['grace@example.org']);
    expect(await find({ role: 'author' })).toEqual(['ada@example.com', 'alan@example.org']);
    expect(await find({ role: 'author', status: 'deactivated' })).toEqual(['alan@example.org']);
    expect(await find({ text: 'nobody' })).toEqual([]);
    expect(await find({ role: 'nothing' })).toEqual([]);
  });

  it.each([
    ['%', ['100%@example.com']],
    ['_', ['under_score@example.com']],
    ['\\', ['back\\slash@example.com']],
    ["'", ["o'brien@example.com"]],
    ['.*', []],
    ['%@%', []],
  ])('are looked for by %s as it is written', async (text, found) => {
    const { tenant, owner } = await home();
    for (const local of ['100%', 'under_score', 'back\\slash', "o'brien", 'plain']) {
      await named(tenant, `${local}@example.com`, null);
    }
    expect(await addresses(owner, { query: { text } })).toEqual(found);
  });

  it('are paged in order of their addresses, each once, and of that tenant alone', async () => {
    const [one, two] = [await home(), await home()];
    const wanted = Array.from({ length: 7 }, (_, i) => `p${i}@example.com`);
    for (const email of [...wanted].reverse()) await named(one.tenant, email, 'Somebody');
    await named(two.tenant, 'p3@example.com', 'Somebody');
    const seen: string[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < 5; page += 1) {
      const query = { text: 'somebody', limit: 3, ...(cursor === null ? {} : { cursor }) };
      const answer: Awaited<ReturnType<Client['listUsers']>> = await one.owner.listUsers({ query });
      expect(answer.items.length).toBeLessThanOrEqual(3);
      seen.push(...answer.items.map(({ email }) => email));
      cursor = answer.next_cursor;
      if (cursor === null) break;
    }
    expect(seen).toEqual(wanted);
    expect(await addresses(two.owner, {})).toEqual(['p3@example.com']);
  });

  it('read and replace their own profile and preferences, and nobody’s roles', async () => {
    const { tenant, login } = await home();
    const { id, email } = await people.user(tenant, { roles: ['viewer'], password: PASSWORD });
    const token = String((await login(email)).body['access_token']);
    const me = api.client(token);
    const before = await me.send('getProfile', {});
    expect(before.body).toMatchObject({ user: { user_id: id, name: null }, preferences: {} });
    const preferences = {
      ...{ locale: 'de-AT', time_zone: 'Europe/Vienna', theme: 'dark' as const },
      notifications: { email: true, sms: false },
    };
    const body = { name: 'Ada Lovelace', preferences };
    const changed = await me.send('updateProfile', { body, ifMatch: before.etag ?? '' });
    expect(changed.body).toMatchObject({ user: { name: 'Ada Lovelace' }, preferences });
    expect(changed.etag).not.toBe(before.etag);
    expect((await me.getProfile()).preferences).toEqual(preferences);
    const stale = me.updateProfile({
      body: { name: 'X', preferences: {} },
      ifMatch: before.etag ?? '',
    });
    await expect(stale).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    const refused: Json[] = [
      { ...body, roles: ['owner'] },
      { ...body, preferences: { time_zone: 'Mars/Olympus' } },
      { ...body, preferences: { locale: 'not a locale' } },
      { ...body, preferences: { colour: 'red' } },
      { name: 'a\nb', preferences: {} },
    ];
    for (const each of refused) {
      const told = await post('/users/me', each, {
        ...{ token, method: 'PUT', headers: { 'if-match': '*' } },
      });
      expect([told.status, told.body['code']]).toEqual([400, 'REQUEST_INVALID']);
    }
    // What is left out is gone: it is replaced, not merged.
    const emptied = await me.updateProfile({ body: { name: null, preferences: {} }, ifMatch: '*' });
    expect(emptied).toMatchObject({ user: { name: null, roles: ['viewer'] }, preferences: {} });
  });

  it('who are deactivated are told what a wrong password is told, and are themselves once they are active again', async () => {
    const { tenant, slug, owner, key, login } = await home();
    const { id, email } = await people.user(tenant, { roles: ['author'], password: PASSWORD });
    const before = (await login(email)).body;
    await post('/auth/password/forgot', { tenant: slug, email });
    const reset = await people.lastMail(tenant, 'identity.reset_password');
    expect((await owner.deactivateUser({ user_id: id })).status).toBe('deactivated');
    const refused = await login(email);
    expect([refused.status, refused.body['code']]).toEqual([401, 'CREDENTIALS_INVALID']);
    const refresh = () => post('/auth/refresh', { refresh_token: String(before['refresh_token']) });
    expect((await refresh()).body['code']).toBe('TOKEN_INVALID');
    expect((await owner.listSessions({ query: { user_id: id } })).items).toEqual([]);
    expect((await post('/auth/password/forgot', { tenant: slug, email })).status).toBe(204);

    expect((await owner.activateUser({ user_id: id })).status).toBe('active');
    // Neither sessions of before come back, nor what was mailed before is good.
    expect((await refresh()).body['code']).toBe('TOKEN_INVALID');
    const old = { token: reset.token, new_password: 'a short walk in the sun' };
    expect((await post('/auth/password/reset', old)).body['code']).toBe('TOKEN_INVALID');
    const again = await login(email);
    expect(again.status).toBe(200);
    const me = await post('/auth/me', undefined, {
      ...{ token: String(again.body['access_token']), method: 'GET' },
    });
    expect(me.body).toMatchObject({ user: { user_id: id, roles: ['author'] } });
    // Keys are the tenant's, whoever made them.
    expect((await api.client(key).whoAmI()).kind).toBe('api_key');
  });

  it('keep an owner: the last one is neither deactivated nor given other roles, of two one may be', async () => {
    const { tenant, owner } = await home();
    const one = await people.user(tenant, { roles: ['owner'] });
    const conflict = { code: 'CONFLICT' };
    await expect(owner.deactivateUser({ user_id: one.id })).rejects.toMatchObject(conflict);
    const lower = { user_id: one.id, body: { name: null, roles: ['viewer'] }, ifMatch: '*' };
    await expect(owner.updateUser(lower)).rejects.toMatchObject(conflict);
    const two = await people.user(tenant, { roles: ['owner'] });
    const results = await Promise.allSettled(
      [one, two].map(({ id }) => owner.deactivateUser({ user_id: id })),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('see the tenant and its settings, and who may changes them, as it was seen', async () => {
    const [one, two] = [await home(), await home()];
    const seen = await one.owner.send('getTenant', { tenant_id: one.tenant });
    expect(seen.body).toMatchObject({
      ...{ tenant_id: one.tenant, slug: one.slug },
      settings: { mfa: 'administrative', password_sign_in: 'everyone', requests_per_minute: null },
    });
    const settings = { mfa: 'everyone', allowed_origins: ['https://acme.example'] } as const;
    const change = (ifMatch: string, name = 'Acme') =>
      one.owner.updateTenant({
        ...{ tenant_id: one.tenant, ifMatch },
        body: { name, settings: { ...settings, allowed_origins: [...settings.allowed_origins] } },
      });
    expect(await change(seen.etag ?? '')).toMatchObject({ name: 'Acme', settings });
    await expect(change(seen.etag ?? '')).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    const foreign = two.owner.getTenant({ tenant_id: one.tenant });
    await expect(foreign).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const reader = api.client(await api.createKey(one.tenant, ['tenant:read']));
    expect((await reader.getTenant({ tenant_id: one.tenant })).settings).toMatchObject(settings);
    const denied = reader.updateTenant({
      ...{ tenant_id: one.tenant, ifMatch: '*' },
      body: { name: 'Mine', settings: { mfa: 'off' } },
    });
    await expect(denied).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    // `everyone`: whoever has no second factor sees nothing but how to enrol one.
    const { email } = await people.user(one.tenant, { roles: ['viewer'], password: PASSWORD });
    const token = String((await one.login(email)).body['access_token']);
    await expect(api.client(token).listWorkflows()).rejects.toMatchObject({ code: 'MFA_REQUIRED' });
    expect((await api.client(token).enrolTotp()).secret).toMatch(/^[A-Z2-7]{32}$/);
  });
});
