import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMINISTRATIVE, grants, type Permission } from '#contract/permissions.ts';
import { BUILT_IN_ROLES, type BuiltInRole } from '#contract/roles.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Forgery, forgeries } from './forged-tokens.ts';

/**
 * Every route for every role, and every route for every token that nobody issued: generated from the
 * contract. What is asked for is not there, so whoever may ask is told that, and nothing changes.
 */
const UNKNOWN = '01900000-0000-7000-8000-000000000000';
const PASSWORD = 'a long walk in the rain';
const roles = Object.keys(BUILT_IN_ROLES) as BuiltInRole[];
const ofCallers = operationIds.filter((id) => routeOf(id).tenant === 'caller');
const guarded = ofCallers.filter((id) => !['self', 'known'].includes(routeOf(id).permission));

describeWithPostgres('routes, roles and tokens', () => {
  let database: TestDatabase;
  let api: TestApi;
  let people: People;
  let tenant: string;
  let slug: string;
  const tokens = new Map<BuiltInRole, string>();

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
    people = createPeople(api, database);
    ({ tenant, slug } = await people.tenant());
    for (const role of roles) tokens.set(role, await signIn([role]));
  });
  afterAll(() => api?.close());

  async function signIn(of: readonly string[]): Promise<string> {
    const { email } = await people.user(tenant, { roles: of, password: PASSWORD });
    const response = await fetch(`${api.server.url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ tenant: slug, email, password: PASSWORD }),
    });
    const body = (await response.json()) as { access_token: string };
    expect(response.status).toBe(200);
    return body.access_token;
  }

  async function call(id: OperationId, credential: string, query = '') {
    const { method, path } = routeOf(id);
    const url = `${api.server.url}${path.replaceAll(/\{\w+\}/g, UNKNOWN)}${query}`;
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${credential}` },
    });
    const text = await response.text();
    const { code } = (text.startsWith('{') ? JSON.parse(text) : {}) as { code?: string };
    return { status: response.status, code };
  }

  describe.each(roles)('%s', (role) => {
    it.each(guarded)('%s', async (id) => {
      const permission = routeOf(id).permission as Permission;
      const { status, code } = await call(id, tokens.get(role) ?? '');
      if (!grants(BUILT_IN_ROLES[role].scopes, permission)) {
        expect([status, code]).toEqual([403, 'PERMISSION_DENIED']);
      } else if (ADMINISTRATIVE.has(permission)) {
        // Nobody of them has proven a second factor.
        expect([status, code]).toEqual([403, 'MFA_REQUIRED']);
      } else {
        expect(status).not.toBe(401);
        expect(status).not.toBe(403);
        expect(status).toBeLessThan(500);
      }
    });
  });

  // About themselves everybody may ask; what is asked for here is refused for its form, and changes nothing.
  const open = ofCallers.filter((id) => !guarded.includes(id));
  it.each(open)('%s is for every role, and for none', async (id) => {
    const nobody = await signIn([]);
    for (const token of [...tokens.values(), nobody]) {
      const { status, code } = await call(id, token, '?no_such_parameter=1');
      expect([status, code]).toEqual([400, expect.stringMatching(/^REQUEST_(IN|MALFORM)/)]);
    }
  });

  it('a user without a role may do nothing but ask who they are', async () => {
    const nobody = await signIn([]);
    for (const id of guarded) expect([id, (await call(id, nobody)).status]).toEqual([id, 403]);
    expect((await call('whoAmI', nobody)).status).toBe(200);
  });

  it('no route takes a token that nobody issued, whatever is wrong with it', async () => {
    const token = tokens.get('owner') ?? '';
    const stranger = await people.user(tenant);
    const other = await people.tenant();
    const all: Forgery[] = forgeries({
      token,
      privateKey: api.signingKeys.privateKey(),
      now: api.clock.now(),
      otherUser: stranger.id,
      otherSession: await people.session(tenant, stranger.id),
      otherTenant: other.tenant,
    });
    expect(new Set(all.map(({ token: forged }) => forged)).size).toBeGreaterThan(100);
    const taken: string[] = [];
    for (const { name, token: forged } of all) {
      const answers = await Promise.all(ofCallers.map((id) => call(id, forged)));
      for (const [i, { status, code }] of answers.entries()) {
        if (status !== 401 || code !== 'UNAUTHENTICATED') {
          taken.push(`${ofCallers[i]} answers ${status} to: ${name}`);
        }
      }
    }
    expect(taken).toEqual([]);
    // And the good one is still good.
    expect((await call('whoAmI', token)).status).toBe(200);
  }, 180_000);

  it('a user who is no longer active is refused, whatever their session says', async () => {
    const token = await signIn(['owner']);
    expect((await call('whoAmI', token)).status).toBe(200);
    await database.admin.query(
      `update users set status = 'deactivated' where tenant_id = $1 and id =
         (select user_id from sessions where tenant_id = $1 order by signed_in_at desc limit 1)`,
      [tenant],
    );
    // What holds is asked for again after a second and a half.
    await expect
      .poll(async () => (await call('whoAmI', token)).status, { timeout: 10_000, interval: 250 })
      .toBe(401);
  });

  it('a credential of another kind is no access token, and none is one of them', async () => {
    const { email } = await people.user(tenant, { roles: ['owner'], password: PASSWORD });
    const response = await fetch(`${api.server.url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ tenant: slug, email, password: PASSWORD }),
    });
    const { refresh_token, device_token, access_token } = (await response.json()) as Record<
      string,
      string
    >;
    for (const text of [refresh_token, device_token, `cfk_live_${access_token}`, 'null']) {
      expect((await call('whoAmI', text ?? '')).status).toBe(401);
    }
    const refreshed = await fetch(`${api.server.url}/api/v1/auth/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh_token: device_token }),
    });
    expect(refreshed.status).toBe(401);
  });
});
