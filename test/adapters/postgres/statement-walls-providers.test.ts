import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import {
  createPostgresExternalIdentities,
  createPostgresSignIns,
} from '#adapters/postgres/external-sign-in.ts';
import { createPostgresIdentityProviders } from '#adapters/postgres/identity-provider-store.ts';
import { createPostgresOneTimeTokens } from '#adapters/postgres/one-time-tokens.ts';
import { createPostgresSessions } from '#adapters/postgres/session-store.ts';
import type {
  ExternalIdentities,
  IdentityProviderStore,
  NewIdentityProvider,
} from '#ports/identity-providers.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
  withoutRowSecurity,
} from '#test/support/database.ts';
import { OTHER_TENANT, TENANT } from '#test/support/platform.ts';
import { bothTenants, untouched } from '#test/support/two-tenants.ts';

// As statement-walls.test.ts, for where people sign in besides here. Ids of both are the same where they can be.

const NOW = 1_700_000_000_000;
const LATER = NOW + 1_000;
const PAGE = { after: null, limit: 100 };

describeWithPostgres('statements about providers, with row-level security switched off', () => {
  let database: TestDatabase;
  let providers: IdentityProviderStore;
  let identities: ExternalIdentities;
  const ids = createIds();
  const [user, okta, corp] = [ids.next(NOW), ids.next(NOW), ids.next(NOW)];

  beforeEach(async () => {
    database = await createTestDatabase();
    await withoutRowSecurity(database);
    await bothTenants(database.admin);
    const pool = database.pool('cloudflow_app');
    providers = createPostgresIdentityProviders(pool);
    identities = createPostgresExternalIdentities(pool);
  });

  for (const [ours, theirs] of [
    [TENANT, OTHER_TENANT],
    [OTHER_TENANT, TENANT],
  ] as const) {
    describe(ours < theirs ? 'of the first of two tenants' : 'of the second', () => {
      it('providers: none of the other is found, changed, deleted or in the way', async () => {
        await provide(theirs, okta, 'okta');
        expect(await providers.find(ours, 'okta')).toBeNull();
        expect((await providers.list(ours, PAGE)).items).toEqual([]);
        await untouched(database.admin, theirs, async () => {
          const other = provider(ours, okta, 'okta');
          expect((await providers.replace(other, 1, true, LATER)).kind).toBe('not_found');
          expect(await providers.remove(ours, okta, 1, LATER)).toBe('not_found');
          await provide(ours, okta, 'okta');
        });
      });

      it('providers: what both have, each changes, closes and forgets for itself', async () => {
        for (const tenant of [theirs, ours]) {
          await join(tenant);
          await provide(tenant, okta, 'okta', 'one-secret');
          await underWay(tenant, okta);
          await known(tenant, okta, 'ada');
          await session(tenant, okta);
        }
        // Theirs is at another revision, so that whose it is that was locked can be told.
        const renamed = { ...provider(theirs, okta, 'okta', 'one-secret'), trustsMfa: true };
        await providers.replace(renamed, 1, false, NOW);
        await underWay(theirs, okta);
        await untouched(database.admin, theirs, async () => {
          const disabled = { ...provider(ours, okta, 'okta'), enabled: false };
          const replaced = await providers.replace(disabled, 1, true, LATER);
          expect(replaced).toMatchObject({ kind: 'replaced', record: { tenant: ours } });
          expect(await providers.find(ours, 'okta')).toMatchObject({ tenant: ours, revision: 2 });
          expect((await providers.list(ours, PAGE)).items).toMatchObject([{ tenant: ours }]);
          await session(ours, okta);
          expect(await providers.remove(ours, okta, 2, LATER)).toBe('removed');
        });
        expect(await providers.find(theirs, 'okta')).toMatchObject({ tenant: theirs });
      });

      it('identities: whom the other knows is nobody here', async () => {
        await join(theirs);
        await provide(theirs, okta, 'okta');
        await known(theirs, okta, 'ada');
        expect(await identities.find(ours, okta, 'ada')).toBeNull();
        expect(await identities.list(ours, user)).toBeNull();
        const unlink = { tenant: ours, user, provider: 'okta', passwordCounts: true, now: LATER };
        await untouched(database.admin, theirs, async () => {
          expect(await identities.unlink(unlink)).toBe('not_found');
          await join(ours);
          expect(await identities.unlink(unlink)).toBe('not_found');
          expect(await identities.list(ours, user)).toEqual([]);
          // Of a provider that is not of this tenant.
          const link = { tenant: ours, provider: okta, subject: 'ada', user, now: NOW };
          expect(await identities.link(link)).toBe('taken');
        });
      });

      it('identities: of who is known in both, each counts and unlinks its own', async () => {
        for (const tenant of [theirs, ours]) {
          await join(tenant);
          for (const [id, name] of [
            [okta, 'okta'],
            [corp, 'corp'],
          ] as const) {
            await provide(tenant, id, name);
            await session(tenant, id);
          }
          await known(tenant, okta, 'ada');
        }
        await known(theirs, corp, 'ada');
        const unlink = { tenant: ours, user, provider: 'okta', passwordCounts: true, now: LATER };
        await untouched(database.admin, theirs, async () => {
          expect((await identities.list(ours, user))?.map((each) => each.provider)).toEqual([
            'okta',
          ]);
          // Theirs has another way in, and ours has none.
          expect(await identities.unlink(unlink)).toBe('last');
          await known(ours, corp, 'grace');
          expect(await identities.find(ours, corp, 'grace')).toBe(user);
          expect(await identities.unlink(unlink)).toBe('unlinked');
        });
      });

      it('identities: a password of the other is no way in here', async () => {
        for (const tenant of [theirs, ours]) {
          await join(tenant);
          await provide(tenant, okta, 'okta');
          await known(tenant, okta, 'ada');
        }
        await database.admin.query(`update users set password_hash = 'x' where tenant_id = $1`, [
          theirs,
        ]);
        const unlink = { user, provider: 'okta', passwordCounts: true, now: LATER };
        expect(await identities.unlink({ tenant: ours, ...unlink })).toBe('last');
        expect(await identities.unlink({ tenant: theirs, ...unlink })).toBe('unlinked');
      });

      it('sessions: through a provider that the other has open nobody comes in here', async () => {
        const pool = database.pool('cloudflow_app');
        const sessions = createPostgresSessions(pool, pool);
        for (const tenant of [theirs, ours]) {
          await join(tenant);
          await provide(tenant, okta, 'okta');
        }
        await database.admin.query(
          'update identity_providers set enabled = false where tenant_id = $1',
          [ours],
        );
        const through = (tenant: string) =>
          sessions.open({
            ...{ tenant, id: ids.next(NOW), user, mode: 'live', device: null, methods: ['oidc'] },
            ...{ client: { userAgent: null, source: null }, secondFactorAt: null, now: NOW },
            ...{ through: { provider: okta, revision: 1 }, passwordRevision: null },
            ...{ expiresAt: NOW + 1e9, refresh: randomBytes(32) },
          });
        expect(await through(ours)).toBe('provider_changed');
        expect(await through(theirs)).toBe('opened');
      });

      it('tokens: one that is mailed takes the place of those of its own user alone', async () => {
        const tokens = createPostgresOneTimeTokens(database.pool('cloudflow_app'));
        const mail = (tenant: string) =>
          tokens.create({
            ...{ tenant, user, purpose: 'reset_password', details: {}, only: true },
            ...{ digest: randomBytes(32), now: NOW, expiresAt: LATER },
          });
        for (const tenant of [theirs, ours]) await join(tenant);
        await mail(theirs);
        await untouched(database.admin, theirs, () => mail(ours));
      });
    });
  }

  function provider(
    tenant: string,
    id: string,
    name: string,
    secret: string | null = null,
  ): NewIdentityProvider {
    return {
      ...{ tenant, id, name, secret, enabled: true, emailDomains: [], defaultRoles: null },
      protocol: {
        kind: 'oidc',
        issuer: 'https://id.example.com',
        client_id: 'cloudflow',
        client_auth: 'none',
      },
      trustsMfa: false,
    };
  }

  async function provide(tenant: string, id: string, name: string, secret: string | null = null) {
    if (secret !== null) await providers.announceSecret(tenant, secret, NOW);
    const made = await providers.create(provider(tenant, id, name, secret), NOW);
    expect(made).toMatchObject({ tenant, name });
  }

  /** Nobody has a password unless it is said. */
  async function join(tenant: string): Promise<void> {
    await database.admin.query(
      `insert into users (tenant_id, id, email, address, status, roles, revision, created_at, updated_at)
       values ($1, $2, 'ada@example.com', 'ada@example.com', 'active', '{}', 1, now(), now())`,
      [tenant, user],
    );
  }

  async function known(tenant: string, id: string, subject: string): Promise<void> {
    const linked = await identities.link({ tenant, provider: id, subject, user, now: NOW });
    expect(linked).toBe('linked');
  }

  async function session(tenant: string, id: string): Promise<void> {
    await database.admin.query(
      `insert into sessions (tenant_id, id, user_id, mode, methods, provider_id, signed_in_at,
                             last_used_at, expires_at)
       values ($1, $2, $3, 'live', '{oidc}', $4, now(), now(), now() + interval '1 day')`,
      [tenant, ids.next(NOW), user, id],
    );
  }

  async function underWay(tenant: string, id: string): Promise<void> {
    await createPostgresSignIns(database.pool('cloudflow_app')).create({
      ...{ tenant, provider: id, stage: 'begun', digest: randomBytes(32) },
      ...{ sealed: Buffer.from('sealed'), now: NOW, expiresAt: LATER },
    });
  }
});
