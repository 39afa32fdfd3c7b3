import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
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
import { rowsOf, untouched } from '#test/support/two-tenants.ts';

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

const byName = (members: readonly Member[]) =>
  members.map((member) => [nameOf(member), member] as const);

describe.each(['with row-level security', 'by what statements ask for alone'])('%s', (walls) => {
  const both = walls === 'with row-level security';
  describeWithPostgres('what another tenant has', () => {
    let database: TestDatabase;
    let api: TestApi;
    let ours: Furnished;
    let theirs: Furnished;
    let words: Set<string>;

    beforeAll(async () => {
      database = await createTestDatabase();
      if (!both) await withoutRowSecurity(database);
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

    describe('in requests of callers', () => {
      let before: string[];
      beforeAll(async () => {
        before = await rowsOf(database.admin, theirs.tenant);
        expect(before.length).toBeGreaterThan(40);
      });
      const members = found.filter(({ operation }) => isOfCallers(operation));
      it.each(byName(members))('%s', async (_, member) => {
        for (const credential of credentials(member.operation)) {
          const { status, code } = await asForNothing(member, credential);
          if (member.place === 'params') expect([status, code]).toEqual([404, 'NOT_FOUND']);
        }
      });

      it('and none of them has changed anything of theirs', async () => {
        const used = (row: string) => row.startsWith('sign_ins ');
        const after = await rowsOf(database.admin, theirs.tenant);
        expect(after.filter((row) => !used(row))).toEqual(before.filter((row) => !used(row)));
      });
    });

    describe('in requests of whoever proves who they are', () => {
      const members = found.filter(({ operation }) => !isOfCallers(operation));
      it.each(byName(members))('%s', async (_, member) => {
        const ask = async () => void (await asForNothing(member, null));
        // A failed sign-in is in the audit trail of the tenant that it was for.
        if (member.thing === 'tenant_name' || GOOD_ONCE.has(member.thing as Thing)) await ask();
        else await untouched(database.admin, theirs.tenant, ask);
      });
    });

    const OF_A_COLLEAGUE = {
      revokeMySession: () => ours.colleague.session,
      removeMyIdentity: () => ours.colleague.provider,
    } as const;
    const aboutSelf = named.filter(({ operation }) => routeOf(operation).permission === 'self');
    const inPaths = aboutSelf.filter(({ place }) => place === 'params');

    it.each(byName(inPaths))(
      '%s of another user of the same tenant is not there',
      async (_, member) => {
        const id = member.operation as keyof typeof OF_A_COLLEAGUE;
        const asked = naming(askedBy(id, ours), member, OF_A_COLLEAGUE[id]());
        await untouched(database.admin, theirs.tenant, async () => {
          expect(await call(asked, ours.token)).toMatchObject({ status: 404, code: 'NOT_FOUND' });
        });
        expect((await call(askedBy('whoAmI', ours), ours.colleague.token)).status).toBe(200);
        const { text } = await call(askedBy('listMyIdentities', ours), ours.colleague.token);
        expect(text).toContain(ours.colleague.provider);
      },
    );

    const proofs = allMembers.filter(({ thing }) => PROOFS.has(thing as Thing));
    it.each(byName(proofs))('%s takes no proof of another kind', async (_, member) => {
      const credential = credentials(member.operation)[0] ?? null;
      await untouched(database.admin, theirs.tenant, async () => {
        for (const kind of [...PROOFS, 'device_token', 'sign_in_state'] as (keyof Names)[]) {
          if (kind === member.thing) continue;
          const asked = (name: string) => naming(askedBy(member.operation, ours), member, name);
          const wrong = await call(asked(theirs.names[kind]), credential);
          const none = await call(asked(NOWHERE[kind]()), credential);
          expect([kind, wrong.status, wrong.code]).toEqual([kind, none.status, none.code]);
          expect(wrong.status).toBeGreaterThanOrEqual(400);
        }
      });
    });

    it.each(both ? operationIds.filter(isOfCallers) : [])(
      '%s takes no proof for a credential',
      async (id) => {
        for (const kind of [...PROOFS, ...GOOD_ONCE, 'device_token'] as (keyof Names)[]) {
          const { status } = await call(askedBy(id, theirs), theirs.names[kind]);
          expect([kind, status]).toEqual([kind, 401]);
        }
      },
    );

    /** What names a tenant, a user or a mode elsewhere. Here the verified credential alone does. */
    const headersOf = ({ names, cookie }: Furnished) => ({
      'x-tenant-id': names.tenant,
      'x-tenant': names.tenant_name,
      'x-user-id': names.user,
      'x-amzn-oidc-identity': names.user,
      'x-forwarded-user': names.address,
      'x-original-url': `/api/v1/tenants/${names.tenant}`,
      'x-api-key': theirs.key,
      'x-mode': 'test',
      cookie,
      'x-correlation-id': names.execution,
      'if-none-match': `"${names.tenant}"`,
    });
    const gets = operationIds.filter((id) => isOfCallers(id) && routeOf(id).method === 'GET');
    it.each(gets)('%s answers the same, whoever is named in headers', async (id) => {
      const [credential = null] = credentials(id);
      const plain = await call(askedBy(id, ours), credential);
      const dressed = await call(askedBy(id, ours), credential, headersOf(theirs));
      expect([plain.status, without(dressed, '')]).toEqual([200, without(plain, '')]);
      expect(told(dressed, words)).toEqual([]);
    });

    it.each(byName(chosen))(
      '%s, a name that is given, may be one that they have given',
      async (_, member) => {
        await untouched(database.admin, theirs.tenant, async () => {
          const [credential = null] = credentials(member.operation);
          expect((await asForNothing(member, credential)).status).toBeLessThan(300);
        });
      },
    );

    it('an Idempotency-Key that they have used gives back no answer of theirs', async () => {
      const kept = operationIds.filter((id) => isOfCallers(id) && routeOf(id).idempotent === 'key');
      let replayed = 0;
      for (const id of kept) {
        const headers = { 'idempotency-key': `of-both-${id}` };
        const first = askedBy(id, theirs);
        await call(first, theirs.key, headers);
        const again = await call(first, theirs.key, headers);
        if (again.headers.has('idempotency-replayed')) replayed += 1;
        const own = await call({ ...first, params: askedBy(id, ours).params }, ours.key, headers);
        expect([id, own.headers.get('idempotency-replayed')]).toEqual([id, null]);
        expect([id, own.code]).not.toEqual([id, 'IDEMPOTENCY_KEY_REUSED']);
        // What it says again was sent.
        const news = told(own, words).filter((word) => !JSON.stringify(first).includes(word));
        expect([id, news]).toEqual([id, []]);
      }
      expect(replayed).toBeGreaterThan(5);
    });
  });
});
