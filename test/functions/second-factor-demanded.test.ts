import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMINISTRATIVE, type Permission } from '#contract/permissions.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople } from '#test/support/people.ts';

/**
 * Every route that needs a permission, for what a tenant asks of its users and what they have proven:
 * generated from the contract. What is asked for is not there, so nothing changes.
 */
const UNKNOWN = '01900000-0000-7000-8000-000000000000';
const guarded = operationIds.filter((id) => {
  const { tenant, permission } = routeOf(id);
  return tenant === 'caller' && permission !== 'self' && permission !== 'known';
});
const SETTINGS = ['off', 'administrative', 'everyone'] as const;
/** Minutes since a second factor was proven; null: none was. */
const PROVEN = [null, 1, 20, 31] as const;
const MINUTE_MS = 60_000;

describeWithPostgres('second factors', () => {
  let database: TestDatabase;
  let api: TestApi;
  const tokens = new Map<string, string>();
  const nameOf = (setting: string, proven: number | null) => `${setting} ${proven}`;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
    const people = createPeople(api, database);
    for (const mfa of SETTINGS) {
      const { tenant } = await people.tenant();
      await api.client(await api.createKey(tenant, ['*'])).updateTenant({
        ...{ tenant_id: tenant, ifMatch: '*' },
        body: { name: 'a tenant', settings: { mfa } },
      });
      for (const proven of PROVEN) {
        tokens.set(nameOf(mfa, proven), await people.signIn(tenant));
        if (proven === null) continue;
        const { rowCount } = await database.admin.query(
          `update sessions set second_factor_at = $2 where tenant_id = $1 and second_factor_at is null
             and id = (select id from sessions where tenant_id = $1 order by signed_in_at desc, id desc limit 1)`,
          [tenant, new Date(api.clock.now() - proven * MINUTE_MS)],
        );
        expect(rowCount).toBe(1);
      }
    }
  });
  afterAll(() => api?.close());

  async function codeOf(id: OperationId, token: string): Promise<string | null> {
    const { method, path } = routeOf(id);
    const response = await fetch(api.server.url + path.replaceAll(/\{\w+\}/g, UNKNOWN), {
      method,
      headers: { authorization: `Bearer ${token}` },
    });
    const text = await response.text();
    expect(response.status).not.toBe(401);
    return text.startsWith('{') ? ((JSON.parse(text) as { code?: string }).code ?? null) : null;
  }

  function demanded(id: OperationId, setting: string, proven: number | null): boolean {
    if (setting === 'off') return false;
    const isFresh = proven !== null && proven < 30;
    if (ADMINISTRATIVE.has(routeOf(id).permission as Permission)) return !isFresh;
    return setting === 'everyone' && proven === null;
  }

  describe.each(SETTINGS)('where the tenant says %s', (setting) => {
    it.each(PROVEN)(
      'proven %s minutes ago, are asked for where they are needed',
      async (proven) => {
        const token = tokens.get(nameOf(setting, proven)) ?? '';
        const answers = await Promise.all(
          guarded.map(async (id) => `${id} ${(await codeOf(id, token)) === 'MFA_REQUIRED'}`),
        );
        expect(answers).toEqual(guarded.map((id) => `${id} ${demanded(id, setting, proven)}`));
      },
    );
  });
});
