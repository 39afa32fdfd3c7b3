import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  type Asked,
  ask,
  askedBy,
  NOWHERE,
  naming,
  told,
  without,
  wordsOf,
} from '#test/support/asking.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
  withoutRowSecurity,
} from '#test/support/database.ts';
import { type Furnished, furnish, type Names, PERFORMER } from '#test/support/furnished-tenant.ts';
import { membersOf } from '#test/support/named-members.ts';
import { createPeople } from '#test/support/people.ts';
import { untouched } from '#test/support/two-tenants.ts';

/**
 * Every change that names what it saw, with what another tenant sees: their ETag is as good as one that never
 * was, and the right one of theirs opens nothing. Generated from the contract: a new route with `If-Match` is
 * covered the day it appears.
 */
const changes = operationIds.filter((id) => routeOf(id).ifMatch !== undefined);
const reads = operationIds.filter((id) => {
  const { method, etag, tenant } = routeOf(id);
  return method === 'GET' && etag === 'content' && tenant === 'caller';
});
const ofSomething = (ids: readonly OperationId[]) =>
  ids.filter((id) => membersOf(id).some(({ place }) => place === 'params'));

/** What answers the ETag that a change names: a GET where the change is, or of what it is done to. */
function shownBy(id: OperationId): OperationId {
  const { path } = routeOf(id);
  const above = path.slice(0, path.lastIndexOf('/'));
  const found = [path, above].flatMap((each) =>
    operationIds.filter((other) => {
      const route = routeOf(other);
      return route.method === 'GET' && route.path === each && route.etag !== undefined;
    }),
  );
  if (found[0] === undefined) throw new Error(`nothing shows the ETag that ${id} asks for`);
  return found[0];
}

describe.each(['with row-level security', 'by what statements ask for alone'])('%s', (walls) => {
  describeWithPostgres('ETags of another tenant', () => {
    let database: TestDatabase;
    let api: TestApi;
    let ours: Furnished;
    let theirs: Furnished;
    let words: Set<string>;
    /** What they see, by what shows it. */
    const seen = new Map<OperationId, string>();

    beforeAll(async () => {
      database = await createTestDatabase();
      if (walls !== 'with row-level security') await withoutRowSecurity(database);
      api = await startTestApi(database, { performer: PERFORMER });
      const deps = { api, database, people: createPeople(api, database) };
      ours = await furnish(deps, 'ourzz');
      theirs = await furnish(deps, 'theirqq');
      // Limits that nobody has set look alike everywhere.
      for (const [of, times] of [
        [ours, 1],
        [theirs, 2],
      ] as const) {
        for (let i = 1; i <= times; i += 1) {
          for (const id of ['setLimits', 'setWorkflowLimits'] as const) {
            const body = { concurrency: 100 + i };
            const set = await call({ ...askedBy(id, of), body }, of, { 'if-match': '*' });
            expect([id, set.status]).toEqual([id, 200]);
          }
        }
      }
      for (const id of new Set([...changes.map(shownBy), ...reads])) {
        seen.set(id, await tagOf(id, theirs));
      }
      words = await wordsOf(database.admin, theirs, ours);
    }, 180_000);
    afterAll(() => api?.close());

    const call = (asked: Asked, of: Furnished, headers: Record<string, string> = {}) => {
      const { permission } = routeOf(asked.operation);
      const isOfUsers = permission === 'self' || permission === 'known';
      return ask(api.server.url, asked, isOfUsers ? of.token : of.key, headers);
    };

    /** A change that would be done, but for its If-Match. */
    function changing(id: OperationId, of: Furnished): Asked {
      const asked = askedBy(id, of);
      if (id !== 'updateWorkflow') return asked;
      const body = aDefinition({ workflow_id: of.names.workflow, version: '9.0.0' });
      return { ...asked, body };
    }

    async function tagOf(id: OperationId, of: Furnished): Promise<string> {
      const { status, headers } = await call(askedBy(id, of), of);
      expect([id, status]).toEqual([id, 200]);
      const tag = headers.get('etag') ?? '';
      expect(tag).toMatch(/^"[^"]+"$/);
      return tag;
    }

    it('there are such changes', () => {
      expect(changes.length).toBeGreaterThan(15);
      expect(reads.length).toBeGreaterThan(5);
    });

    it.each(changes)('%s of our own is not done under theirs', async (id) => {
      const tag = seen.get(shownBy(id)) ?? '';
      // Of what was made at another moment, so that nothing else could be the cause.
      expect(tag).not.toBe(await tagOf(shownBy(id), ours));
      await untouched(database.admin, theirs.tenant, async () => {
        const answer = await call(changing(id, ours), ours, { 'if-match': tag });
        expect(answer).toMatchObject({ status: 412, code: 'PRECONDITION_FAILED' });
        expect(told(answer, words)).toEqual([]);
      });
    });

    it.each(ofSomething(changes))(
      '%s of theirs is not there, whichever ETag is sent',
      async (id) => {
        const tags = [seen.get(shownBy(id)) ?? '', '"never-was"', '*'];
        const members = membersOf(id).filter(({ place }) => place === 'params');
        const named = (nameOf: (thing: keyof Names) => string) =>
          members.reduce(
            (asked, member) => naming(asked, member, nameOf(member.thing as keyof Names)),
            changing(id, ours),
          );
        await untouched(database.admin, theirs.tenant, async () => {
          for (const tag of tags) {
            const headers = { 'if-match': tag };
            const foreign = await call(
              named((thing) => theirs.names[thing]),
              ours,
              headers,
            );
            const nowhere = await call(
              named((thing) => NOWHERE[thing]()),
              ours,
              headers,
            );
            expect(foreign).toMatchObject({ status: 404, code: 'NOT_FOUND' });
            expect(without(foreign, '')).toEqual(without(nowhere, ''));
          }
        });
      },
    );

    it.each(reads)('%s is answered whole, though theirs was seen', async (id) => {
      const tag = seen.get(id) ?? '';
      expect(tag).not.toBe(await tagOf(id, ours));
      const answer = await call(askedBy(id, ours), ours, { 'if-none-match': tag });
      expect(answer.status).toBe(200);
      expect(told(answer, words)).toEqual([]);
    });
  });
});
