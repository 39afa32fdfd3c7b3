import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createPostgresApiKeys } from '#adapters/postgres/api-keys.ts';
import { createAuditSealer } from '#adapters/postgres/audit-sealer.ts';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { createPostgresOneTimeTokens } from '#adapters/postgres/one-time-tokens.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPostgresRoles } from '#adapters/postgres/role-store.ts';
import { createPostgresSecondFactors } from '#adapters/postgres/second-factors.ts';
import { createPostgresSessions } from '#adapters/postgres/session-store.ts';
import { createPostgresTenants } from '#adapters/postgres/tenant-store.ts';
import { createPostgresUsers } from '#adapters/postgres/user-store.ts';
import type { ApiKeys } from '#ports/api-keys.ts';
import type { SecondFactors } from '#ports/second-factors.ts';
import type { SessionStore } from '#ports/sessions.ts';
import type { NewPassword, RoleStore, TenantStore, UserStore } from '#ports/users.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
  withoutRowSecurity,
} from '#test/support/database.ts';
import { OTHER_TENANT, TENANT } from '#test/support/platform.ts';
import { bothTenants, untouched } from '#test/support/two-tenants.ts';

// As statement-walls.test.ts, for who people are. Ids of both tenants are the same where they can be.

const NOW = 1_700_000_000_000;
const LATER = NOW + 1_000;
const PAGE = { after: null, limit: 100 };
const ANY = { status: null, role: null, text: null };
const ADA = 'ada@example.com';
const STEP = 1_000;

describeWithPostgres('statements about people, with row-level security switched off', () => {
  let database: TestDatabase;
  let users: UserStore;
  let roles: RoleStore;
  let tenants: TenantStore;
  let sessions: SessionStore;
  let keys: ApiKeys;
  let factors: SecondFactors;
  const ids = createIds();
  const user = ids.next(NOW);
  const session = ids.next(NOW);

  beforeEach(async () => {
    database = await createTestDatabase();
    await withoutRowSecurity(database);
    await bothTenants(database.admin);
    const pool = database.pool('cloudflow_app');
    const lookups = database.pool('cloudflow_login');
    users = createPostgresUsers(pool);
    roles = createPostgresRoles(pool);
    tenants = createPostgresTenants(pool);
    sessions = createPostgresSessions(pool, lookups);
    keys = createPostgresApiKeys(pool, lookups);
    factors = createPostgresSecondFactors(pool);
  });

  for (const [ours, theirs] of [
    [TENANT, OTHER_TENANT],
    [OTHER_TENANT, TENANT],
  ] as const) {
    describe(ours < theirs ? 'of the first of two tenants' : 'of the second', () => {
      it('users: nobody of the other is found, changed or in the way', async () => {
        await join(theirs);
        await users.setPassword(theirs, user, passwordOf('their hash', NOW));
        expect(await users.find(ours, user)).toBeNull();
        expect(await users.findCredentials(ours, ADA)).toBeNull();
        expect(await users.credentialsOf(ours, user)).toBeNull();
        expect((await users.list(ours, ANY, PAGE)).items).toEqual([]);
        await untouched(database.admin, theirs, async () => {
          await users.setPassword(ours, user, passwordOf('our hash', LATER));
          await users.rehash(ours, user, { verified: 'their hash', renewed: 'our hash' });
          const change = { status: 'deactivated' } as const;
          expect((await users.update(ours, user, change, null, LATER)).kind).toBe('not_found');
          expect(await join(ours)).toMatchObject({ tenant: ours });
        });
      });

      it('users: of two with the same id and address, each changes its own', async () => {
        await join(theirs);
        await join(ours);
        const address = 'ada@elsewhere.example';
        const moved = { email: address, address };
        for (const tenant of [theirs, ours]) {
          await open(tenant);
          await users.setPassword(tenant, user, passwordOf('same', NOW, session));
          await mailed(tenant);
        }
        await untouched(database.admin, theirs, async () => {
          await users.rehash(ours, user, { verified: 'same', renewed: 'again' });
          expect(await users.move(ours, user, { ...moved, passwordRevision: 1 }, LATER)).toBe(true);
          await users.setPassword(ours, user, passwordOf('our hash', LATER));
          const change = { name: 'Ours', roles: ['owner'] };
          expect((await users.update(ours, user, change, 2, LATER)).kind).toBe('replaced');
        });
        expect((await users.credentialsOf(ours, user))?.passwordHash).toBe('our hash');
        expect(await users.find(ours, user)).toMatchObject({ tenant: ours, name: 'Ours' });
        expect((await users.list(ours, ANY, PAGE)).items).toMatchObject([{ tenant: ours }]);
        // the last owner of ours is the last, however many the other has
        const gone = { status: 'deactivated' } as const;
        expect((await users.update(ours, user, gone, null, LATER, 'owner')).kind).toBe('last');
        await mailed(ours);
        await untouched(database.admin, theirs, async () => {
          expect((await users.update(ours, user, gone, null, LATER)).kind).toBe('replaced');
        });
        const { rows } = await database.admin.query('select tenant_id from one_time_tokens');
        expect(new Set(rows.map(({ tenant_id }) => tenant_id))).toEqual(new Set([theirs]));
      });

      it('users: of two with the same id, whose roles stay as they are stays signed in', async () => {
        for (const [tenant, role] of [
          [theirs, 'owner'],
          [ours, 'viewer'],
        ] as const) {
          await join(tenant);
          await database.admin.query('update users set roles = array[$2] where tenant_id = $1', [
            tenant,
            role,
          ]);
          await open(tenant);
        }
        await untouched(database.admin, theirs, async () => {
          const change = { name: 'Ours', roles: ['viewer'] };
          expect((await users.update(ours, user, change, null, LATER)).kind).toBe('replaced');
        });
        expect(await sessions.state(ours, session)).toMatchObject({ endedAt: null });
      });

      it('roles: none of the other is found, changed, deleted or in the way', async () => {
        await roles.create(theirs, roleOf('theirs'), NOW);
        await join(theirs, ['auditing']);
        await provider(theirs, 'auditing');
        expect(await roles.find(ours, 'auditing')).toBeNull();
        expect(await roles.findAll(ours, ['auditing'])).toEqual([]);
        expect((await roles.list(ours, PAGE)).items).toEqual([]);
        await untouched(database.admin, theirs, async () => {
          expect((await roles.replace(ours, roleOf('ours'), null, LATER)).kind).toBe('not_found');
          expect(await roles.remove(ours, 'auditing', null)).toBe('not_found');
          expect(await roles.create(ours, roleOf('ours'), LATER)).toMatchObject({ about: 'ours' });
          expect(await roles.find(ours, 'auditing')).toMatchObject({ about: 'ours' });
          expect(await roles.findAll(ours, ['auditing'])).toHaveLength(1);
          expect((await roles.replace(ours, roleOf('new'), 1, LATER)).kind).toBe('replaced');
          // somebody of the other has a role of this name, and a provider of theirs gives it
          expect(await roles.remove(ours, 'auditing', 2)).toBe('removed');
        });
      });

      it('tenants: each shows and changes itself', async () => {
        await untouched(database.admin, theirs, async () => {
          const found = await tenants.find(ours);
          expect(found?.tenant).toBe(ours);
          const change = {
            name: 'ours',
            settings: { ...found!.settings, mfa: 'everyone' },
          } as const;
          expect((await tenants.update(ours, change, null, LATER)).kind).toBe('replaced');
        });
        expect((await tenants.find(theirs))?.name).not.toBe('ours');
      });

      it('sessions: none of the other is found or ended', async () => {
        await join(theirs);
        await open(theirs);
        expect(await sessions.find(ours, session)).toBeNull();
        expect((await sessions.list(ours, null, NOW, PAGE)).items).toEqual([]);
        expect((await sessions.list(ours, user, NOW, PAGE)).items).toEqual([]);
        await untouched(database.admin, theirs, async () => {
          expect(await opening(ours, randomBytes(32))).toBe('user_changed');
          expect(await sessions.end(ours, session, 'logout', LATER)).toBe(false);
          expect(await sessions.endAll(ours, user, 'revoked', LATER)).toBe(0);
          await sessions.secondFactor(ours, session, ['otp'], LATER);
          const nobody = { tenant: ours, user, passwordRevision: null };
          expect(await sessions.passwordProven(nobody, session, LATER)).toBe(false);
        });
      });

      it('sessions: of two with the same id, each renews, raises and ends its own', async () => {
        await join(theirs);
        await open(theirs);
        await database.admin.query('update users set last_signed_in_at = null');
        await join(ours);
        let refresh = new Uint8Array();
        await untouched(database.admin, theirs, async () => {
          refresh = new Uint8Array(await open(ours));
        });
        await untouched(database.admin, theirs, async () => {
          await sessions.secondFactor(ours, session, ['otp'], LATER);
          const we = { tenant: ours, user, passwordRevision: null };
          expect(await sessions.passwordProven(we, session, LATER)).toBe(true);
          const rotated = await sessions.rotate({
            ...{ digest: refresh, next: randomBytes(32), by: () => randomBytes(32), now: LATER },
            ...{ client: { userAgent: null, source: null }, expiresAt: NOW + 2e9, graceMs: 0 },
          });
          expect(rotated).toMatchObject({ kind: 'rotated', session: { tenant: ours } });
          expect(await sessions.end(ours, session, 'logout', LATER)).toBe(true);
        });
        expect(await sessions.state(theirs, session)).toMatchObject({ endedAt: null });
        await untouched(database.admin, theirs, async () => {
          await sessions.endAll(ours, user, 'revoked', LATER);
        });
      });

      it('keys: none of the other is found, revoked or said to be used', async () => {
        await keys.create({
          ...{ keyId: 'abcdefgh', tenant: theirs, mode: 'live', name: 'theirs', scopes: ['*'] },
          ...{ digest: randomBytes(32), workflows: null, requestsPerMinute: null },
          ...{ createdAt: NOW, expiresAt: null, revokedAt: null },
        });
        expect(await keys.get(ours, 'abcdefgh')).toBeNull();
        expect((await keys.list(ours, { mode: null, workflows: null }, PAGE)).items).toEqual([]);
        await untouched(database.admin, theirs, async () => {
          expect(await keys.revoke(ours, 'abcdefgh', LATER)).toBe(false);
          await keys.endBy(ours, 'abcdefgh', LATER);
          await keys.used(ours, 'abcdefgh', LATER + 1e9);
        });
      });

      it('the audit trail: no event and no head of the other is shown', async () => {
        const relay = database.pool('cloudflow_relay');
        const trail = createPostgresAuditTrail(database.pool('cloudflow_app'));
        const sealer = createAuditSealer({ pool: relay, partitions: createPartitions(relay) });
        const now = Date.now();
        const id = ids.next(now);
        await trail.tell({
          ...{ tenant: theirs, id, part: 'whole', personal: {} },
          facts: {
            ...{ id, at: now, actor: 'unknown', mode: null, operation: 'logIn', target: null },
            ...{ outcome: 'done', code: null, request_id: null, correlation_id: null, details: {} },
          },
        });
        expect(await sealer.seal(10, 0)).toBe(1);
        await database.admin.query(
          `insert into audit_heads (tenant_id, seq, hash, at, kid, signature, n, e)
           select tenant_id, seq, hash, now(), 'kid', 'signature', 'n', 'AQAB' from audit_events`,
        );
        const all = { actor: null, operation: null, target: null, outcome: null };
        const filter = { ...all, from: null, to: null, order: 'oldest' } as const;
        expect((await trail.list(theirs, filter, PAGE)).items).toHaveLength(1);
        expect((await trail.list(ours, filter, PAGE)).items).toEqual([]);
        expect((await trail.heads(theirs, PAGE)).items).toHaveLength(1);
        expect((await trail.heads(ours, PAGE)).items).toEqual([]);
      });

      it('second factors: none of the other is found, confirmed, used or removed', async () => {
        await join(theirs);
        await join(ours);
        const secret = randomBytes(20);
        const code = randomBytes(32);
        await factors.begin({ tenant: theirs, user, secret }, NOW);
        expect(await factors.find(ours, user)).toBeNull();
        await untouched(database.admin, theirs, async () => {
          expect(await factors.confirm(ours, user, STEP, [code], LATER)).toBe(false);
        });
        await open(theirs);
        await factors.confirm(theirs, user, STEP, [code], NOW);
        // Whoever has one is asked for it, and nobody is asked for one of the other.
        expect(await opening(theirs, randomBytes(32))).toBe('user_changed');
        expect(await opening(ours, randomBytes(32))).toBe('opened');
        await sessions.secondFactor(theirs, session, ['pwd', 'otp', 'mfa'], NOW);
        await untouched(database.admin, theirs, async () => {
          expect(await factors.useStep(ours, user, STEP + 1)).toBe(false);
          expect(await factors.useRecovery(ours, user, [code])).toBe(false);
          await factors.remove(ours, user);
        });
      });
    });
  }

  const join = (tenant: string, held: readonly string[] = ['owner']) =>
    users.create({
      ...{ tenant, id: user, email: ADA, address: ADA, name: 'Ada', status: 'active' },
      ...{ roles: held, emailVerifiedAt: NOW, now: NOW },
    });

  const passwordOf = (hash: string, now: number, except: string | null = null): NewPassword => ({
    ...{ hash, of: 'active', mailed: false, proven: null, because: 'password_reset' },
    ...{ except, now },
  });

  const provider = (tenant: string, role: string) =>
    database.admin.query(
      `insert into identity_providers (tenant_id, id, name, kind, enabled, settings, email_domains,
                                       default_roles, trusts_mfa, revision, created_at, updated_at)
       values ($1, $2, 'okta', 'oidc', true, '{}', '{}', array[$3], false, 1, now(), now())`,
      [tenant, ids.next(NOW), role],
    );

  const mailed = (tenant: string) =>
    createPostgresOneTimeTokens(database.pool('cloudflow_app')).create({
      ...{ tenant, user, purpose: 'reset_password', digest: randomBytes(32), details: {} },
      ...{ now: NOW, expiresAt: NOW + 1e9, only: false },
    });

  async function open(tenant: string): Promise<Uint8Array> {
    const refresh = randomBytes(32);
    expect(await opening(tenant, refresh)).toBe('opened');
    return refresh;
  }

  const opening = (tenant: string, refresh: Uint8Array) =>
    sessions.open({
      ...{ tenant, id: session, user, mode: 'live', device: null, methods: ['pwd'] },
      ...{
        client: { userAgent: null, source: null },
        secondFactorAt: null,
        now: NOW,
        through: null,
        passwordRevision: null,
      },
      ...{ expiresAt: NOW + 1e9, refresh },
    });
});

const roleOf = (about: string) => ({ name: 'auditing', about, scopes: ['audit:read'] });
