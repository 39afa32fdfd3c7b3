import { afterAll, beforeAll, expect, it } from 'vitest';
import { isOfAllWorkflows, type Permission } from '#contract/permissions.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import type { Thing } from '#core/naming.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import { type Asked, ask, askedBy, NOWHERE, naming, without } from '#test/support/asking.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { type Furnished, furnish, type Names, PERFORMER } from '#test/support/furnished-tenant.ts';
import { membersOf } from '#test/support/named-members.ts';
import { createPeople } from '#test/support/people.ts';

/**
 * To a key for certain workflows the others do not exist, nor what belongs to them. Generated from the contract:
 * every route that names such a thing in its path, and every list.
 */
const OF_ONE_WORKFLOW: ReadonlySet<Thing> = new Set<Thing>(['workflow', 'execution', 'approval']);
const open = operationIds.filter((id) => {
  const { tenant, permission } = routeOf(id);
  if (tenant !== 'caller' || permission === 'self' || permission === 'known') return false;
  return !isOfAllWorkflows(permission as Permission);
});
const named = (id: OperationId) =>
  membersOf(id).filter(
    ({ place, thing }) => place === 'params' && OF_ONE_WORKFLOW.has(thing as Thing),
  );
const ofOne = open.filter((id) => named(id).length > 0);
const lists = open.filter((id) => {
  const answer = routeOf(id).response as { readonly properties?: object } | null;
  return routeOf(id).params === undefined && 'items' in (answer?.properties ?? {});
});

describeWithPostgres('a key for another workflow of the tenant', () => {
  let api: TestApi;
  let ours: Furnished;
  let narrow: string;

  beforeAll(async () => {
    const database = await createTestDatabase();
    api = await startTestApi(database, { performer: PERFORMER });
    const deps = { api, database, people: createPeople(api, database) };
    ours = await furnish(deps, 'ourzz');
    narrow = await api.createKey(ours.tenant, ['*'], { workflows: ['ourzz-other'] });
  }, 180_000);
  afterAll(() => api?.close());

  const call = (asked: Asked, key = narrow) => ask(api.server.url, asked, key);

  it('there are such routes', () => {
    expect(ofOne.length).toBeGreaterThan(20);
    expect(lists.length).toBeGreaterThan(3);
  });

  it.each(ofOne)('%s finds nothing, as of what is nowhere', async (id) => {
    const asked = askedBy(id, ours);
    const nowhere = named(id).reduce(
      (each, member) => naming(each, member, NOWHERE[member.thing as keyof Names]()),
      asked,
    );
    const none = await call(nowhere);
    expect(none).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    const told = await call(asked);
    expect(without(told, '')).toEqual(without(none, ''));
    if (routeOf(id).method === 'GET') expect((await call(asked, ours.key)).status).toBe(200);
  });

  it.each(lists)('%s shows nothing of it', async (id) => {
    const { status, text } = await call(askedBy(id, ours));
    expect(status).toBe(200);
    expect(text).not.toContain(ours.names.workflow);
    expect(text).not.toContain(ours.names.execution);
  });
});
