import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OperationId, routeOf } from '#contract/routes.ts';
import type { Thing } from '#core/naming.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
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
import { allMembers, type Member, nameOf } from '#test/support/named-members.ts';
import { createPeople } from '#test/support/people.ts';
import { untouched } from '#test/support/two-tenants.ts';

/**
 * Every place of every request that names something, with the name of something of another tenant there:
 * the answer is the one for what exists nowhere. Generated from the contract, so a new route, or a new
 * member of one, is covered the day it appears.
 */

/** Whoever has one of these is who it was given to; there is no other tenant in such a call. */
const PROOFS: ReadonlySet<Thing> = new Set<Thing>([
  'callback_token',
  'refresh_token',
  'mfa_token',
  'address_token',
  'reset_token',
  'invitation_token',
  'sign_in_code',
]);
/** Good once, whoever shows them and wherever. */
const GOOD_ONCE: ReadonlySet<Thing> = new Set<Thing>(['sign_in_state', 'sign_in_code']);
/** Names that a tenant gives to what it makes: that another has one is no matter, and is not to be noticed. */
const CHOSEN: ReadonlySet<string> = new Set([
  'createConnection body/name',
  'createOperation body/name',
  'createIdentityProvider body/name',
  'createIdentityProvider body/email_domains/0',
  'updateIdentityProvider body/email_domains/0',
  'createRole body/name',
  'createApiKey body/workflows/0',
  'inviteUser body/email',
  'changeAddress body/email',
  'executeWorkflow body/execution_id',
]);

const isOfCallers = (id: OperationId) => routeOf(id).tenant === 'caller';
const named = allMembers.filter(
  ({ operation, thing }) =>
    thing !== null && thing !== 'cursor' && (isOfCallers(operation) || !PROOFS.has(thing)),
);
const found = named.filter((member) => !CHOSEN.has(nameOf(member)));
const chosen = named.filter((member) => CHOSEN.has(nameOf(member)));

describe.each(['with row-level security', 'by what statements ask for alone'])('%s', (walls) => {
  describeWithPostgres('what another tenant has', () => {
    let database: TestDatabase;
    let api: TestApi;
    let ours: Furnished;
    let theirs: Furnished;
    let words: Set<string>;

    beforeAll(async () => {
      database = await createTestDatabase();
      if (walls !== 'with row-level security') await withoutRowSecurity(database);
      api = await startTestApi(database, { performer: PERFORMER });
      const deps = { api, database, people: createPeople(api, database) };
      ours = await furnish(deps, 'ourzz');
      theirs = await furnish(deps, 'theirqq');
      await api.sealAudit();
      words = await wordsOf(database.admin, theirs, ours);
      expect(words.size).toBeGreaterThan(40);
    }, 180_000);
    afterAll(() => api?.close());

    const call = (asked: Asked, credential: string | null, headers = {}) =>
      ask(api.server.url, asked, credential, headers);

    /** Whoever may ask at all: with a key, where that is enough, and signed in. */
    function credentials(id: OperationId): (string | null)[] {
      const { permission } = routeOf(id);
      if (!isOfCallers(id)) return [null];
      return permission === 'self' || permission === 'known'
        ? [ours.token]
        : [ours.key, ours.token];
    }

    async function asForNothing(member: Member, credential: string | null) {
      const thing = member.thing as keyof Names;
      const cookie = GOOD_ONCE.has(thing) ? { cookie: theirs.cookie } : {};
      const name = theirs.names[thing];
      const nothing = NOWHERE[thing]();
      const asked = (by: string) => naming(askedBy(member.operation, ours), member, by);
      const foreign = await call(asked(name), credential, cookie);
      const nowhere = await call(asked(nothing), credential, cookie);
      expect(told(foreign, words, name)).toEqual([]);
      expect(foreign.status).toBeLessThan(500);
      expect({ status: foreign.status, code: foreign.code }).toEqual({
        status: nowhere.status,
        code: nowhere.code,
      });
      const made = foreign.status < 300 && routeOf(member.operation).method !== 'GET';
      if (!made) expect(without(foreign, name)).toEqual(without(nowhere, nothing));
      return foreign;
    }

    /** What changes for a tenant by its own ways in: a failed sign-in is in its audit trail. */
    const isTheirWayIn = ({ operation, thing }: Member) =>
      (!isOfCallers(operation) && thing === 'tenant_name') || GOOD_ONCE.has(thing as Thing);

    async function leavesThemAlone(member: Member, act: () => Promise<void>): Promise<void> {
      if (isTheirWayIn(member)) await act();
      else await untouched(database.admin, theirs.tenant, act);
    }

    it.each(found.map((member) => [nameOf(member), member] as const))('%s', async (_, member) => {
      await leavesThemAlone(member, async () => {
        for (const credential of credentials(member.operation)) {
          const { status, code } = await asForNothing(member, credential);
          if (member.place === 'params' && credential !== null) {
            expect([status, code]).toEqual([404, 'NOT_FOUND']);
          }
        }
      });
    });

    it.each(chosen.map((member) => [nameOf(member), member] as const))(
      '%s, a name that is given, may be one that they have given',
      async (_, member) => {
        await leavesThemAlone(member, async () => {
          const [credential = null] = credentials(member.operation);
          expect((await asForNothing(member, credential)).status).toBeLessThan(300);
        });
      },
    );
  });
});
