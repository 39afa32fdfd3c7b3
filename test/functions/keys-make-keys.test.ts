import { afterAll, beforeAll, expect, it } from 'vitest';
import { PERMISSIONS, type Permission } from '#contract/permissions.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

const DAY_MS = 86_400_000;

describeWithPostgres('what a key may do with keys, and a narrowed one at all', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(await createTestDatabase());
  });
  afterAll(async () => {
    await api?.close();
  });

  const ask = async (key: string, method: string, path: string, body?: object) => {
    const answer = await fetch(`${api.server.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? null : JSON.parse(text) };
  };
  const make = (key: string, more: object = {}) =>
    ask(key, 'POST', '/api-keys', {
      name: 'made',
      mode: 'live',
      scopes: ['workflow:read'],
      ...more,
    });

  it('one for certain workflows holds no permission about what all of them share', async () => {
    const key = await api.createKey(await api.createTenant(), ['*'], { workflows: ['only-this'] });
    const told = await ask(key, 'POST', '/users', { email: 'eve@example.com', roles: ['owner'] });
    expect(told).toMatchObject({ status: 403, body: { code: 'PERMISSION_DENIED' } });
    const shared: readonly (readonly [string, string, object?])[] = [
      ['GET', '/users'],
      ['GET', '/audit'],
      ['GET', '/roles'],
      ['GET', '/sessions'],
      ['GET', '/tenants/current'],
      ['GET', '/dead-letters'],
      [
        'POST',
        '/connections',
        { name: 'c', type: 'http', config: { base_url: 'https://x.example' } },
      ],
    ];
    for (const [method, path, body] of shared) {
      const { status } = await ask(key, method, path, body);
      // What is no route is no wall either.
      expect([path, status]).toEqual([path, 403]);
    }
    // Its own workflows it has as before.
    expect((await ask(key, 'GET', '/workflows')).status).toBe(200);
    expect((await ask(key, 'GET', '/workflows/secret-other')).status).toBe(404);
  });

  it('no area of permissions is forgotten: each is about single workflows, or closed to such keys', () => {
    const single: readonly string[] = [
      'workflow',
      'execution',
      'approval',
      'connection',
      'api-key',
    ];
    const areas = new Set(
      (Object.keys(PERMISSIONS) as Permission[]).map((name) => name.split(':', 1)[0]),
    );
    const closed = [
      'user',
      'role',
      'session',
      'tenant',
      'identity-provider',
      'audit',
      'dead-letter',
    ];
    expect([...areas].sort()).toEqual([...single, ...closed].sort());
  });

  it('one for certain workflows sees, turns and ends keys for those alone', async () => {
    const tenant = await api.createTenant();
    const all = await api.createKey(tenant, ['*']);
    const narrow = await api.createKey(tenant, ['*'], { workflows: ['a', 'b'] });
    const wide = (await make(all)).body.key.key_id;
    const other = (await make(all, { workflows: ['a', 'c'] })).body.key.key_id;
    const own = (await make(narrow, { workflows: ['a'] })).body.key.key_id;
    const listed = (await ask(narrow, 'GET', '/api-keys')).body.items as {
      key_id: string;
      workflows: string[];
    }[];
    expect(listed.map(({ key_id }) => key_id)).toContain(own);
    expect(listed.every(({ workflows }) => workflows.every((id) => ['a', 'b'].includes(id)))).toBe(
      true,
    );
    for (const id of [wide, other]) {
      expect((await ask(narrow, 'GET', `/api-keys/${id}`)).status).toBe(404);
      expect((await ask(narrow, 'POST', `/api-keys/${id}/rotate`, {})).status).toBe(404);
      expect((await ask(narrow, 'DELETE', `/api-keys/${id}`)).status).toBe(404);
      expect((await ask(all, 'GET', `/api-keys/${id}`)).body.revoked_at).toBeNull();
    }
    expect((await ask(narrow, 'POST', `/api-keys/${own}/rotate`, {})).status).toBe(201);
  });

  it('one with a limit of its own makes none with a higher one, by no way', async () => {
    const tenant = await api.createTenant();
    const all = await api.createKey(tenant, ['*']);
    const slow = await api.createKey(tenant, ['*'], { requestsPerMinute: 50 });
    expect((await make(slow, { requests_per_minute: 1_000 })).status).toBe(403);
    const free = (await make(all)).body.key.key_id;
    const fast = (await make(all, { requests_per_minute: 51 })).body.key.key_id;
    const same = (await make(all, { requests_per_minute: 50 })).body.key.key_id;
    for (const id of [free, fast]) {
      expect((await ask(slow, 'POST', `/api-keys/${id}/rotate`, {})).status).toBe(403);
    }
    const turned = await ask(slow, 'POST', `/api-keys/${same}/rotate`, {});
    expect(turned).toMatchObject({ status: 201, body: { key: { requests_per_minute: 50 } } });
    expect((await make(slow)).body.key.requests_per_minute).toBe(50);
  });

  it('one that ends makes none that outlives it', async () => {
    const tenant = await api.createTenant();
    const all = await api.createKey(tenant, ['*']);
    const end = Date.now() + DAY_MS;
    const brief = await api.createKey(tenant, ['*'], { expiresAt: end });
    const forEver = (await make(all)).body.key.key_id;
    expect((await make(brief)).status).toBe(403);
    const later = new Date(end + 60_000).toISOString();
    expect((await make(brief, { expires_at: later })).status).toBe(403);
    expect((await ask(brief, 'POST', `/api-keys/${forEver}/rotate`, {})).status).toBe(403);
    const sooner = new Date(end - 60_000).toISOString();
    expect((await make(brief, { expires_at: sooner })).status).toBe(201);
  });
});
