import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const PROVIDER = {
  name: 'okta',
  enabled: true,
  protocol: {
    kind: 'oidc',
    issuer: 'https://id.example.com',
    client_id: 'cloudflow',
    client_auth: 'client_secret_basic',
  },
  client_secret: 'a secret',
  email_domains: ['example.com'],
  trusts_mfa: false,
};

describeWithPostgres('roles that change', () => {
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

  async function author() {
    const { slug, tenant } = await people.tenant();
    const { id, email } = await people.user(tenant, { roles: ['author'], password: PASSWORD });
    const key = await api.createKey(tenant, ['*']);
    const login = () => post('/auth/login', { tenant: slug, email, password: PASSWORD });
    const { body } = await login();
    const token = String(body['access_token']);
    const me = async () => (await post('/auth/me', undefined, { token, method: 'GET' })).status;
    const refresh = () => post('/auth/refresh', { refresh_token: String(body['refresh_token']) });
    const replace = async (change: { name: string | null; roles: string[] }) => {
      const seen = await fetch(`${api.server.url}/api/v1/users/${id}`, {
        headers: { authorization: `Bearer ${key}` },
      });
      const headers = { 'if-match': seen.headers.get('etag') ?? '' };
      return post(`/users/${id}`, change, { token: key, method: 'PUT', headers });
    };
    return { tenant, key, login, me, refresh, replace };
  }

  it.each([
    ['taken away', []],
    ['changed', ['viewer']],
    ['added to', ['author', 'approver']],
  ])('sign whoever they are of out everywhere when they are %s', async (_, roles) => {
    const { login, me, refresh, replace } = await author();
    expect(await me()).toBe(200);
    expect((await replace({ name: 'Ada', roles })).status).toBe(200);
    expect((await refresh()).body['code']).toBe('TOKEN_INVALID');
    await expect.poll(me, { timeout: 10_000 }).toBe(401);
    expect((await login()).status).toBe(200);
  });

  it('leave everybody signed in where they stay as they were', async () => {
    const { me, refresh, replace } = await author();
    expect((await replace({ name: 'Ada', roles: ['author'] })).status).toBe(200);
    expect(await me()).toBe(200);
    expect((await refresh()).status).toBe(200);
  });

  it('are not given by a provider where they administer, and not deleted while one gives them', async () => {
    const { key } = await author();
    const connect = (default_roles: string[]) =>
      post('/identity-providers', { ...PROVIDER, default_roles }, { token: key });
    const scopes = ['user:write', 'workflow:read'];
    await post('/roles', { name: 'people', about: '', scopes }, { token: key });
    await post('/roles', { name: 'guests', about: '', scopes: ['workflow:read'] }, { token: key });
    for (const roles of [['owner'], ['viewer', 'people']]) {
      const refused = await connect(roles);
      expect([refused.status, refused.body['code']]).toEqual([422, 'IDENTITY_PROVIDER_INVALID']);
      expect(refused.body['problems'] ?? refused.body).toMatchObject([
        { pointer: '/body/default_roles' },
      ]);
    }
    expect((await connect(['guests'])).status).toBe(201);
    const remove = () => post('/roles/guests', undefined, { token: key, method: 'DELETE' });
    const kept = await remove();
    expect([kept.status, kept.body['code']]).toEqual([409, 'CONFLICT']);
    await post('/identity-providers/okta', undefined, { token: key, method: 'DELETE' });
    expect((await remove()).status).toBe(204);
  });
});
