import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADMINISTRATIVE, PERMISSIONS, type Permission } from '#contract/permissions.ts';
import { operationIds, routeOf } from '#contract/routes.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createHeldClock, type HeldClock } from '#test/support/held-clock.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const PROMISED_MS = 2_000;
const NOBODY = '01900000-0000-7000-8000-000000000000';

describeWithPostgres('a role of a tenant’s own', () => {
  let database: TestDatabase;
  let clock: HeldClock;
  let api: TestApi;
  let people: People;
  let post: Post;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createHeldClock();
    api = await startTestApi(database, { clock });
    people = createPeople(api, database);
    post = postingTo(api.server.url);
  });
  afterAll(() => api?.close());

  async function home() {
    const { tenant, slug } = await people.tenant();
    const key = await api.createKey(tenant, ['*']);
    await database.admin.query(`update tenants set settings = '{"mfa": "off"}' where id = $1`, [
      tenant,
    ]);
    const role = (name: string, scopes: readonly string[], by = key) =>
      post('/roles', { name, about: '', scopes: [...scopes] }, { token: by });
    const change = (name: string, scopes: readonly string[]) =>
      post(`/roles/${name}`, { about: '', scopes: [...scopes] }, over(key));
    const give = (id: string, roles: readonly string[]) =>
      post(`/users/${id}`, { name: null, roles: [...roles] }, over(key));
    const { id, email } = await people.user(tenant, { roles: [], password: PASSWORD });
    const signIn = async () =>
      String(
        (await post('/auth/login', { tenant: slug, email, password: PASSWORD })).body[
          'access_token'
        ],
      );
    return { tenant, key, role, change, give, id, signIn };
  }
  const over = (token: string) => ({ token, method: 'PUT', headers: { 'if-match': '*' } }) as const;

  const guarded = operationIds.filter((id) => {
    const { tenant, permission } = routeOf(id);
    return tenant === 'caller' && permission !== 'self' && permission !== 'known';
  });

  /** What of all routes a token opens: with ids that nothing has and no body, so that nothing is done. */
  async function opened(token: string): Promise<Set<string>> {
    const open = new Set<string>();
    for (const id of guarded) {
      const { method, path, permission } = routeOf(id);
      const filled = path.replaceAll(/\{[a-z_]+\}/g, NOBODY);
      const response = await fetch(api.server.url + filled, {
        method,
        headers: { authorization: `Bearer ${token}`, 'if-match': '"nothing"' },
      });
      await response.arrayBuffer();
      expect(response.status, id).not.toBe(401);
      expect(response.status, id).toBeLessThan(500);
      if (response.status !== 403) open.add(permission);
      else expect(open.has(permission), `${id} by ${permission}`).toBe(false);
    }
    return open;
  }

  it('opens the routes of what it allows, each permission by itself, and no other route', async () => {
    const { role, give, id, signIn } = await home();
    const asked = new Set(guarded.map((each) => routeOf(each).permission));
    expect([...asked].sort()).toEqual(Object.keys(PERMISSIONS).sort());
    const permissions = Object.keys(PERMISSIONS) as Permission[];
    for (const [n, permission] of permissions.entries()) {
      expect((await role(`only-${n}`, [permission])).status).toBe(201);
      expect((await give(id, [`only-${n}`])).status).toBe(200);
      expect([...(await opened(await signIn()))], permission).toEqual([permission]);
    }
  }, 600_000);

  it('opens an area, and with others what all of them allow', async () => {
    const { role, give, id, signIn } = await home();
    await role('flows', ['workflow:*']);
    await role('watch', ['audit:read']);
    await give(id, ['flows', 'watch', 'approver']);
    const within = (area: string) =>
      Object.keys(PERMISSIONS).filter((name) => name.startsWith(`${area}:`));
    const open = await opened(await signIn());
    const approvers = [...within('approval'), 'execution:read'];
    expect([...open].sort()).toEqual([...within('workflow'), ...approvers, 'audit:read'].sort());
  }, 300_000);

  it('that is changed is what it is now, within two seconds, in sessions that go on', async () => {
    const { role, change, give, id, signIn } = await home();
    await role('helper', ['workflow:read']);
    await give(id, ['helper']);
    const token = await signIn();
    expect([...(await opened(token))]).toEqual(['workflow:read']);
    expect((await change('helper', ['connection:read', 'role:read'])).status).toBe(200);
    clock.pass(PROMISED_MS);
    expect([...(await opened(token))].sort()).toEqual(['connection:read', 'role:read']);
    expect((await change('helper', [])).status).toBe(200);
    clock.pass(PROMISED_MS);
    expect([...(await opened(token))]).toEqual([]);
  }, 300_000);

  it('that somebody has is not deleted, and is once nobody has it', async () => {
    const { role, give, id, key } = await home();
    await role('helper', ['workflow:read']);
    await give(id, ['helper']);
    const remove = () => post('/roles/helper', undefined, { token: key, method: 'DELETE' });
    const kept = await remove();
    expect([kept.status, kept.body['code']]).toEqual([409, 'CONFLICT']);
    await give(id, ['viewer']);
    expect((await remove()).status).toBe(204);
    expect((await remove()).status).toBe(404);
    const lost = await give(id, ['helper']);
    expect([lost.status, lost.body['code']]).toEqual([422, 'ROLE_INVALID']);
  });

  it('is of that tenant alone, and of its name there is one', async () => {
    const [one, two] = [await home(), await home()];
    expect((await one.role('helper', ['workflow:read'])).status).toBe(201);
    expect((await one.role('helper', ['*'])).body['code']).toBe('CONFLICT');
    expect((await two.give(two.id, ['helper'])).body['code']).toBe('ROLE_INVALID');
    expect((await two.role('helper', ['connection:read'])).status).toBe(201);
    await one.give(one.id, ['helper']);
    expect([...(await opened(await one.signIn()))]).toEqual(['workflow:read']);
    for (const name of ['owner', 'viewer']) {
      expect((await one.role(name, ['workflow:read'])).body['code']).toBe('ROLE_INVALID');
      expect((await one.change(name, ['*'])).body['code']).toBe('ROLE_INVALID');
    }
  }, 300_000);

  it('is made, changed, given and taken by nobody whom it would give, or take, more than they may', async () => {
    const { role, give, id, key, tenant } = await home();
    await role('mighty', ['workflow:*', 'audit:read']);
    await give(id, ['mighty']);
    const weak = await api.createKey(tenant, ['role:*', 'user:*', 'workflow:read']);
    expect((await role('more', ['workflow:delete'], weak)).body['code']).toBe('PERMISSION_DENIED');
    expect((await role('all', ['*'], weak)).body['code']).toBe('PERMISSION_DENIED');
    expect((await role('less', ['workflow:read'], weak)).status).toBe(201);
    const disarm = await post('/roles/mighty', { about: '', scopes: [] }, over(weak));
    expect(disarm.body['code']).toBe('PERMISSION_DENIED');
    const remove = { token: weak, method: 'DELETE' } as const;
    expect((await post('/roles/mighty', undefined, remove)).body['code']).toBe('PERMISSION_DENIED');
    for (const roles of [[], ['mighty', 'owner'], ['less']]) {
      const moved = await post(`/users/${id}`, { name: null, roles }, over(weak));
      expect(moved.body['code']).toBe('PERMISSION_DENIED');
    }
    for (const act of ['deactivate', 'reset-mfa']) {
      const told = await post(`/users/${id}/${act}`, {}, { token: weak });
      expect([act, told.body['code']]).toEqual([act, 'PERMISSION_DENIED']);
    }
    const seen = await post(`/users/${id}`, undefined, { token: key, method: 'GET' });
    expect(seen.body).toMatchObject({ roles: ['mighty'], status: 'active' });
  });

  it('that allows what is administrative asks for a second factor where the tenant does', async () => {
    const { role, give, id, signIn, tenant } = await home();
    await database.admin.query(`update tenants set settings = '{}' where id = $1`, [tenant]);
    const administrative = Object.keys(PERMISSIONS).filter((name) =>
      ADMINISTRATIVE.has(name as Permission),
    );
    await role('both', [...administrative, 'workflow:read']);
    await give(id, ['both']);
    const token = await signIn();
    const invite = await post('/users', { email: 'x@example.com', roles: [] }, { token });
    expect([invite.status, invite.body['code']]).toEqual([403, 'MFA_REQUIRED']);
    const read = await post('/workflows', undefined, { token, method: 'GET' });
    expect(read.status).toBe(200);
  });
});
