import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isTenantWide, type Permission } from '#contract/permissions.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import { type Asked, ask, askedBy, type Told, told, wordsOf } from '#test/support/asking.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
  withoutRowSecurity,
} from '#test/support/database.ts';
import { type Furnished, furnish, PERFORMER } from '#test/support/furnished-tenant.ts';
import { createPeople } from '#test/support/people.ts';

/**
 * Every list of the contract, while two tenants have at least two of everything: each is shown its own
 * and nothing else, and a cursor leads nobody but whoever was given it on. Generated: a new list is covered
 * the day it appears, and must be furnished.
 */
const lists = operationIds.filter((id) => {
  const { tenant, response } = routeOf(id);
  const answer = response as { readonly properties?: Readonly<Record<string, unknown>> } | null;
  return tenant === 'caller' && answer?.properties?.['items'] !== undefined;
});
const paged = lists.filter((id) => 'cursor' in (routeOf(id).query?.properties ?? {}));
const isOfUsers = (id: OperationId) => routeOf(id).permission === 'self';
/** They hold no id and no name of anybody's. */
const NAMELESS = new Set<OperationId>(['listAuditHeads', 'listDeadLetterPatterns']);

interface Page {
  readonly items: readonly unknown[];
  readonly next_cursor: string | null;
}

describe.each(['with row-level security', 'by what statements ask for alone'])('%s', (walls) => {
  describeWithPostgres('lists', () => {
    let database: TestDatabase;
    let api: TestApi;
    let ours: Furnished;
    let theirs: Furnished;
    const words = new Map<string, Set<string>>();

    beforeAll(async () => {
      database = await createTestDatabase();
      if (walls !== 'with row-level security') await withoutRowSecurity(database);
      api = await startTestApi(database, { performer: PERFORMER });
      const deps = { api, database, people: createPeople(api, database) };
      ours = await furnish(deps, 'ourzz');
      await api.sealAudit();
      theirs = await furnish(deps, 'theirqq');
      await api.sealAudit();
      // Something more for each chain, so that each has two signed ends.
      for (const each of [ours, theirs]) await call(askedBy('listUsers', each), each.key);
      await api.sealAudit();
      words.set('ours', await wordsOf(database.admin, ours, theirs));
      words.set('theirs', await wordsOf(database.admin, theirs, ours));
    }, 180_000);
    afterAll(() => api?.close());

    const call = (asked: Asked, credential: string): Promise<Told> =>
      ask(api.server.url, asked, credential);
    const pageOf = ({ text }: Told) => JSON.parse(text) as Page;
    const credentialOf = (id: OperationId, of: Furnished) => (isOfUsers(id) ? of.token : of.key);
    const withQuery = (asked: Asked, query: Record<string, string>): Asked => ({
      ...asked,
      query: new URLSearchParams(query).toString(),
    });

    it('there are lists', () => {
      expect(lists.length).toBeGreaterThan(20);
      expect(paged.length).toBeGreaterThan(15);
    });

    it.each(lists)('%s shows each tenant what it has, and nothing of the other', async (id) => {
      for (const [own, other] of [
        ['ours', 'theirs'],
        ['theirs', 'ours'],
      ] as const) {
        const whose = own === 'ours' ? ours : theirs;
        const answer = await call(askedBy(id, whose), credentialOf(id, whose));
        expect(answer.status).toBe(200);
        expect(pageOf(answer).items.length).toBeGreaterThan(paged.includes(id) ? 1 : 0);
        expect(told(answer, words.get(other) ?? new Set())).toEqual([]);
        if (!NAMELESS.has(id)) {
          expect(told(answer, words.get(own) ?? new Set())).not.toEqual([]);
        }
      }
    });

    it.each(lists)('%s shows mode test nothing of mode live', async (id) => {
      if (isOfUsers(id)) return;
      const answer = await call(askedBy(id, ours), ours.testKey);
      if (isTenantWide(routeOf(id).permission as Permission)) {
        expect(answer.code).toBe('PERMISSION_DENIED');
      } else if (routeOf(id).params === undefined) {
        // The key that asks is of mode test itself.
        const own = id === 'listApiKeys' ? [{ key_id: ours.testKey.slice(9, 17) }] : [];
        expect(pageOf(answer).items).toMatchObject(own);
      } else expect(answer.code).toBe('NOT_FOUND');
    });

    it.each(paged)('%s takes no cursor of another tenant, mode or list', async (id) => {
      const cursor = async (of: Furnished, credential = credentialOf(id, of)) => {
        const first = await call(withQuery(askedBy(id, of), { limit: '1' }), credential);
        return pageOf(first).next_cursor;
      };
      const given = (await cursor(theirs)) ?? '';
      expect(given).not.toBe('');
      const own = (await cursor(ours)) ?? '';
      const next = (asked: Asked, text: string, credential = credentialOf(id, ours)) =>
        call(withQuery(asked, { limit: '1', cursor: text }), credential);
      expect((await next(askedBy(id, ours), own)).status).toBe(200);
      const foreign = await next(askedBy(id, ours), given);
      expect([foreign.status, foreign.code]).toEqual([400, 'CURSOR_INVALID']);
      // One letter of it changed, so that it leads elsewhere.
      const forged = `${own.slice(0, -2)}${own.at(-2) === 'A' ? 'B' : 'A'}${own.at(-1)}`;
      expect((await next(askedBy(id, ours), forged)).code).toBe('CURSOR_INVALID');
      for (const other of paged.filter((each) => each !== id)) {
        const elsewhere = await next(askedBy(other, ours), own, credentialOf(other, ours));
        expect([other, elsewhere.code]).toEqual([other, 'CURSOR_INVALID']);
      }
      if (isOfUsers(id)) {
        const { code } = await next(askedBy(id, ours), own, ours.colleague.token);
        expect(code).toBe('CURSOR_INVALID');
      } else if (!isTenantWide(routeOf(id).permission as Permission)) {
        const { code } = await next(askedBy(id, ours), own, ours.testKey);
        expect(['CURSOR_INVALID', 'NOT_FOUND']).toContain(code);
      }
    });
  });
});
