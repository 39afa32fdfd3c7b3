import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operationIds, type ResponseBody, routeOf } from '#contract/routes.ts';
import { type CallOf, type Platform, startPlatformOfChanges } from '#test/support/changes/home.ts';
import { CHANGES, type ChangeId } from '#test/support/changes/table.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

type Event = ResponseBody<'listAuditEvents'>['items'][number];

const changes = operationIds.filter((id) => routeOf(id).audit === 'change') as ChangeId[];

const reads = operationIds.filter((id) => routeOf(id).audit === 'read');

describe('the table of changes', () => {
  it('has a row for each that the contract has, and no other', () => {
    expect(Object.keys(CHANGES).sort()).toEqual([...changes].sort());
  });
});

/** Generated from the contract: a change that is not told, or told twice, is found the day it appears. */
describeWithPostgres('what is done, and what is seen of people', () => {
  let database: TestDatabase;
  let platform: Platform;

  beforeAll(async () => {
    database = await createTestDatabase();
    platform = await startPlatformOfChanges(database);
  }, 60_000);
  afterAll(() => platform?.close());

  /** What is told of one request, in whichever chain. */
  async function told(requestId: string): Promise<(Event & { readonly tenant: string })[]> {
    await platform.api.sealAudit();
    const { rows } = await database.admin.query<{ tenant: string; content: string }>(
      `select tenant_id as tenant, content from audit_events
       where content::jsonb ->> 'request_id' = $1`,
      [requestId],
    );
    return rows.map(({ tenant, content }) => ({ ...JSON.parse(content), tenant }));
  }

  it.each(changes)(
    '%s is told once, with who made it, of which tenant, from where and in which request',
    async (id) => {
      const home = await platform.home();
      const call = (await CHANGES[id](home)) as CallOf<ChangeId>;
      const answer = await platform.send(id, call, home.key);
      expect([answer.status, answer.body['code']]).toEqual([routeOf(id).status, undefined]);

      const requestId = answer.headers.get('x-request-id') ?? '';
      const events = await told(requestId);
      expect(events).toHaveLength(1);
      const [event] = events;
      expect(event).toMatchObject({
        ...{ operation: id, outcome: 'done', code: null, tenant: home.tenant },
        correlation_id: answer.headers.get('x-correlation-id'),
      });
      const actor = call.actor ?? `key:${home.key.slice(9, 17)}`;
      if (typeof actor === 'string') expect(event?.actor).toBe(actor);
      else expect(event?.actor).toMatch(actor);
      // As who may read the trail is shown it: where it came from is kept beside the chain.
      const { items } = await home.owner.listAuditEvents({ query: { operation: id, limit: 200 } });
      const shown = items.find((each) => each.request_id === requestId);
      expect(shown?.source).toMatch(/127\.0\.0\.1|::1/);
      expect(shown?.client).toMatch(/\S/);
      // No more than the setup itself made.
      expect(items.filter(({ outcome }) => outcome !== 'done')).toEqual([]);
    },
    120_000,
  );

  it.each(reads)('%s shows data of people, and is told once', async (id) => {
    const home = await platform.home();
    const params = {
      ...{ workflow_id: 'greeting', user_id: (await home.person()).id },
      execution_id: await home.execution({ id: 'nap', type: 'wait', config: { duration: '1h' } }),
    } as Record<string, string>;
    for (const [, name = ''] of routeOf(id).path.matchAll(/\{(\w+)\}/g)) {
      expect(params[name], `an example of ${name}`).toBeDefined();
    }
    // Which of them the route has is in its path.
    const call = { params } as unknown as CallOf<typeof id>;
    const answer = await platform.send(id, call, home.key);
    expect(answer.status).toBe(200);
    const events = await told(answer.headers.get('x-request-id') ?? '');
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      ...{ operation: id, outcome: 'done', tenant: home.tenant },
      actor: `key:${home.key.slice(9, 17)}`,
    });
  });
});
