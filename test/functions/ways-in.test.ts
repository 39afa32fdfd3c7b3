import { randomBytes } from 'node:crypto';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Body } from '#contract/routes.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { ISSUER, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import {
  type HonestProvider,
  startHonestProvider,
} from '#test/support/identity-providers/start.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { Browser, codeOf } from './sso-browser.ts';

const PASSWORD = 'a long walk in the rain';
const DAY_MS = 86_400_000;
const ACCOUNTS = {
  ada: { email: 'ada@example.com', email_verified: true },
  grace: { email: 'grace@example.com', email_verified: true },
} as const;

/** What lets people in, who takes it away, and what ends with it. */
describeWithPostgres('ways in', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let idp: HonestProvider;
  let api: TestApi;
  /** Another process of the same platform. */
  let other: TestApi;
  let people: People;
  let browser: Browser;

  beforeAll(async () => {
    idp = await startHonestProvider(ACCOUNTS);
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    api = await startTestApi(database, { clock, egressAllow: [idp.host] });
    other = await startTestApi(database, {
      clock,
      egressAllow: [idp.host],
      signingKeys: api.signingKeys,
    });
    people = createPeople(api, database);
    browser = new Browser(api);
  }, 60_000);
  afterAll(async () => {
    await api?.close();
    await other?.close();
    await idp?.close();
  });

  type Settings = Body<'updateIdentityProvider'>;

  async function tenantWith(...names: string[]) {
    const { tenant, slug } = await people.tenant();
    const key = await api.createKey(tenant, ['*']);
    const made = new Map<string, { settings: Settings; etag: string }>();
    for (const name of names) {
      const redirect = `${ISSUER}/api/v1/auth/sso/${slug}/${name}/callback`;
      const client = await idp.register(redirect);
      const settings: Settings = {
        enabled: true,
        protocol: {
          kind: 'oidc',
          issuer: idp.issuer,
          client_id: client.id,
          client_auth: 'client_secret_basic',
        },
        email_domains: ['example.com'],
        default_roles: ['author'],
        trusts_mfa: false,
      };
      const { etag } = await api.client(key).send('createIdentityProvider', {
        body: { name, ...settings, client_secret: client.secret },
      });
      made.set(name, { settings, etag: etag ?? '' });
    }
    const change = (name: string, more: Partial<Settings>) => {
      const { settings, etag } = made.get(name) as { settings: Settings; etag: string };
      return api.client(key).updateIdentityProvider({
        provider: name,
        body: { ...settings, ...more },
        ifMatch: etag,
      });
    };
    return { tenant, slug, key, change };
  }

  async function signIn(slug: string, provider: string, who: keyof typeof ACCOUNTS = 'ada') {
    const begun = await browser.begun(slug, provider);
    const back = await browser.callback(begun, await browser.visit(begun, who));
    const { body } = await browser.exchange(codeOf(back), begun.verifier, {});
    return body;
  }
  const login = (slug: string, email: string, password = PASSWORD) =>
    browser.post('/api/v1/auth/login', { tenant: slug, email, password });
  const refresh = (refresh_token: string) =>
    browser.post('/api/v1/auth/refresh', { refresh_token });
  const status = async (token: string, of = api) =>
    (
      await fetch(`${of.server.url}/api/v1/auth/me`, {
        headers: { authorization: `Bearer ${token}` },
      })
    ).status;
  const userOf = async (token: string) => (await api.client(token).whoAmI()).user?.user_id ?? '';

  /** Whoever is signed in so is out everywhere, and stays out. */
  async function isOver(tokens: { access_token: string; refresh_token: string }): Promise<void> {
    for (const of of [api, other]) {
      // What holds of a session is read again after a second and a half.
      await expect.poll(() => status(tokens.access_token, of), { timeout: 20_000 }).toBe(401);
    }
    expect((await refresh(tokens.refresh_token)).body.code).toBe('TOKEN_INVALID');
  }
  async function goesOn(access_token: string): Promise<void> {
    for (const of of [api, other]) expect(await status(access_token, of)).toBe(200);
  }

  async function enrol(token: string, email: string): Promise<void> {
    const client = api.client(token);
    const { secret } = await client.enrolTotp();
    const totp = new TOTP({ issuer: 'CloudFlow', label: email, secret });
    const code = totp.generate({ timestamp: clock.now() });
    await client.confirmTotp({ body: { code } });
  }

  describe('a provider', () => {
    it('that is disabled ends the sessions that came through it, in every process, and no others', async () => {
      const { slug, tenant, change } = await tenantWith('corp', 'spare');
      const gone = await signIn(slug, 'corp');
      const stays = await signIn(slug, 'spare', 'grace');
      const person = await people.user(tenant, { password: PASSWORD });
      const local = (await login(slug, person.email)).body;
      for (const { access_token } of [gone, stays, local]) await goesOn(access_token);
      await change('corp', { enabled: false });
      await isOver(gone);
      await goesOn(stays.access_token);
      await goesOn(local.access_token);
    });

    it('that is deleted ends them too', async () => {
      const { slug, key } = await tenantWith('corp');
      const gone = await signIn(slug, 'corp');
      await goesOn(gone.access_token);
      await api.client(key).deleteIdentityProvider({ provider: 'corp' });
      await isOver(gone);
    });

    it('that is led to another issuer ends them too, and one that is changed otherwise does not', async () => {
      const { slug, key, change } = await tenantWith('corp');
      const tokens = await signIn(slug, 'corp');
      const changed = await change('corp', { email_domains: ['other.example'] });
      await goesOn(tokens.access_token);
      expect((await refresh(tokens.refresh_token)).status).toBe(200);
      const { etag } = await api.client(key).send('getIdentityProvider', { provider: 'corp' });
      await api.client(key).updateIdentityProvider({
        provider: 'corp',
        body: {
          enabled: true,
          protocol: { ...changed.protocol, issuer: 'https://id.example.com' } as never,
          email_domains: ['example.com'],
          default_roles: null,
          trusts_mfa: false,
          client_secret: 'another',
        },
        ifMatch: etag ?? '',
      });
      await isOver(tokens);
    });

    it('lets nobody in whose second factor was asked for before it was disabled', async () => {
      const { slug, change } = await tenantWith('corp');
      const first = await signIn(slug, 'corp');
      const client = api.client(first.access_token);
      const { secret } = await client.enrolTotp();
      const totp = new TOTP({ secret });
      const code = () => totp.generate({ timestamp: clock.now() });
      await client.confirmTotp({ body: { code: code() } });
      const half = await signIn(slug, 'corp');
      expect(half.mfa_token).toMatch(/^cfm_/);
      await change('corp', { enabled: false });
      await clock.advance(60_000);
      const whole = await browser.post('/api/v1/auth/mfa/verify', {
        mfa_token: half.mfa_token,
        code: code(),
      });
      expect([whole.status, whole.body.code]).toEqual([401, 'TOKEN_INVALID']);
    });

    it('lets nobody stay for longer than a week without asking there again', async () => {
      const { slug } = await tenantWith('corp');
      // Of its own, for the provider's clock stays where it is.
      const later = createVirtualClock({ start: clock.now(), keep: () => Promise.resolve() });
      const keys = { cursors: oneKey(randomBytes(32)), identity: oneKey(randomBytes(32)) };
      const { signingKeys, secrets } = api;
      const more = { clock: later, egressAllow: [idp.host], keys, signingKeys, secrets };
      const process = await startTestApi(database, more);
      try {
        const program = new Browser(process);
        const next = (refresh_token: string) =>
          program.post('/api/v1/auth/refresh', { refresh_token });
        const begun = await program.begun(slug, 'corp');
        const back = await program.callback(begun, await program.visit(begun, 'ada'));
        const first = (await program.exchange(codeOf(back), begun.verifier)).body;
        await later.advance(4 * DAY_MS);
        const second = await next(first.refresh_token);
        expect(second.status).toBe(200);
        expect(await status(second.body.access_token, process)).toBe(200);
        await later.advance(3 * DAY_MS - 1_000);
        const third = await next(second.body.refresh_token);
        expect(third.status).toBe(200);
        await later.advance(1_000);
        expect((await next(third.body.refresh_token)).body.code).toBe('TOKEN_INVALID');
        await expect
          .poll(() => status(third.body.access_token, process), { timeout: 20_000 })
          .toBe(401);
      } finally {
        await process.close();
      }
    });
  });

  describe('identities', () => {
    it('are listed for whoever they are of, and for who may see users', async () => {
      const { slug, tenant, key } = await tenantWith('corp');
      const { access_token } = await signIn(slug, 'corp');
      const user = await userOf(access_token);
      const mine = await api.client(access_token).listMyIdentities();
      expect(mine.items).toEqual([
        {
          ...{ provider: 'corp', kind: 'oidc', enabled: true, subject: 'ada' },
          linked_at: expect.any(String),
        },
      ]);
      expect(await api.client(key).listIdentities({ user_id: user })).toEqual(mine);
      const nobody = await people.user(tenant);
      expect((await api.client(key).listIdentities({ user_id: nobody.id })).items).toEqual([]);
      const foreign = api.client(await api.createKey(await api.createTenant(), ['*']));
      await expect(foreign.listIdentities({ user_id: user })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    });

    it('are removed by who may change users, with the sessions that came through them; the trail says so', async () => {
      const { slug, key } = await tenantWith('corp', 'spare');
      const gone = await signIn(slug, 'corp');
      const stays = await signIn(slug, 'spare');
      const user = await userOf(gone.access_token);
      expect(await userOf(stays.access_token)).toBe(user);
      const client = api.client(key);
      await client.removeIdentity({ user_id: user, provider: 'corp' });
      await isOver(gone);
      await goesOn(stays.access_token);
      expect((await client.listIdentities({ user_id: user })).items).toMatchObject([
        { provider: 'spare' },
      ]);
      await expect(
        client.removeIdentity({ user_id: user, provider: 'corp' }),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await api.sealAudit();
      const { items } = await client.listAuditEvents({ query: { operation: 'removeIdentity' } });
      expect(items.map(({ outcome, target }) => [outcome, target]).reverse()).toEqual([
        ['done', `user:${user}/provider:corp`],
        ['refused', `user:${user}/provider:corp`],
      ]);
    });

    it('that are the last way in are not removed, by nobody', async () => {
      const { slug, tenant, key, change } = await tenantWith('corp', 'spare');
      const { access_token } = await signIn(slug, 'corp');
      const user = await userOf(access_token);
      const client = api.client(key);
      const remove = () => client.removeIdentity({ user_id: user, provider: 'corp' });
      await expect(remove()).rejects.toMatchObject({ code: 'CONFLICT' });
      // One through a provider that is off lets nobody in.
      await signIn(slug, 'spare');
      await change('spare', { enabled: false });
      await expect(remove()).rejects.toMatchObject({ code: 'CONFLICT' });
      // Nor does a password that the tenant does not let count.
      await database.admin.query('update users set password_hash = $2 where id = $1', [user, 'x']);
      await setting(tenant, 'owners');
      await expect(remove()).rejects.toMatchObject({ code: 'CONFLICT' });
      await goesOn(access_token);
      await setting(tenant, 'everyone');
      await remove();
    });

    it('of two removals at once one is refused, so that one way in is left', async () => {
      const { slug, key } = await tenantWith('corp', 'spare');
      const { access_token } = await signIn(slug, 'corp');
      await signIn(slug, 'spare');
      const user = await userOf(access_token);
      const results = await Promise.allSettled(
        ['corp', 'spare'].map((provider) =>
          api.client(key).removeIdentity({ user_id: user, provider }),
        ),
      );
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect((await api.client(key).listIdentities({ user_id: user })).items).toHaveLength(1);
    });

    it('are removed by whoever they are of, with a second factor of the last half hour', async () => {
      const { slug, tenant } = await tenantWith('corp');
      const person = await people.user(tenant, { email: 'ada@example.com', password: PASSWORD });
      await signIn(slug, 'corp');
      const { access_token } = (await login(slug, person.email)).body;
      const client = api.client(access_token);
      await expect(client.removeMyIdentity({ provider: 'corp' })).rejects.toMatchObject({
        code: 'MFA_REQUIRED',
      });
      await enrol(access_token, person.email);
      // What holds of a session is read again after a second and a half.
      const remove = () => client.send('removeMyIdentity', { provider: 'corp' }).then(() => 'done');
      await expect.poll(() => remove().catch(() => 'not yet'), { timeout: 20_000 }).toBe('done');
      expect((await client.listMyIdentities()).items).toEqual([]);
      await expect(client.removeMyIdentity({ provider: 'corp' })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    });

    it('of who may do more than whoever asks are not theirs to remove', async () => {
      const { slug, tenant } = await tenantWith('corp');
      const person = await people.user(tenant, { email: 'ada@example.com', password: PASSWORD });
      await signIn(slug, 'corp');
      await database.admin.query(`update users set roles = '{owner}' where id = $1`, [person.id]);
      const weak = api.client(await api.createKey(tenant, ['user:*']));
      await expect(
        weak.removeIdentity({ user_id: person.id, provider: 'corp' }),
      ).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    });
  });

  /** As an owner would, by the API. */
  async function setting(tenant: string, password_sign_in: 'everyone' | 'owners') {
    const client = api.client(await api.createKey(tenant, ['*']));
    const { body, etag } = await client.send('getTenant', { tenant_id: tenant });
    const settings = { ...body.settings, password_sign_in };
    await client.updateTenant({
      tenant_id: tenant,
      body: { name: body.name, settings },
      ifMatch: etag ?? '',
    });
  }

  describe('where only owners sign in with passwords', () => {
    it('nobody else does, and is told what a wrong password is told; the trail says why', async () => {
      const { slug, tenant, key } = await tenantWith('corp');
      const person = await people.user(tenant, { email: 'ada@example.com', password: PASSWORD });
      expect((await login(slug, person.email)).status).toBe(200);
      await setting(tenant, 'owners');
      const right = await login(slug, person.email);
      const wrong = await login(slug, person.email, 'something else entirely');
      expect([right.status, right.body.code]).toEqual([401, 'CREDENTIALS_INVALID']);
      expect({ ...(right.body as object), request_id: '' }).toEqual({
        ...(wrong.body as object),
        request_id: '',
      });
      expect(await userOf((await signIn(slug, 'corp')).access_token)).toBe(person.id);
      await api.sealAudit();
      const { items } = await api.client(key).listAuditEvents({ query: { operation: 'login' } });
      expect(items.map(({ details }) => details)).toContainEqual(
        expect.objectContaining({ reason: 'password_sign_in_is_off' }),
      );
    });

    it('sessions that began with one are over within seconds, refreshed or not', async () => {
      const { slug, tenant } = await tenantWith('corp');
      const person = await people.user(tenant, { password: PASSWORD });
      const local = (await login(slug, person.email)).body;
      const elsewhere = await signIn(slug, 'corp', 'grace');
      await goesOn(local.access_token);
      await setting(tenant, 'owners');
      await isOver(local);
      await goesOn(elsewhere.access_token);
      expect((await refresh(elsewhere.refresh_token)).status).toBe(200);
    });

    it('a sign-in whose second factor was asked for before is over too', async () => {
      const { slug, tenant } = await tenantWith('corp');
      const person = await people.user(tenant, { password: PASSWORD });
      const first = (await login(slug, person.email)).body;
      const client = api.client(first.access_token);
      const totp = new TOTP({ secret: (await client.enrolTotp()).secret });
      const code = () => totp.generate({ timestamp: clock.now() });
      await client.confirmTotp({ body: { code: code() } });
      const half = (await login(slug, person.email)).body;
      await setting(tenant, 'owners');
      await clock.advance(60_000);
      const whole = await browser.post('/api/v1/auth/mfa/verify', {
        mfa_token: half.mfa_token,
        code: code(),
      });
      expect([whole.status, whole.body.code]).toEqual([401, 'TOKEN_INVALID']);
    });

    it('an owner still does, when the provider is away, and the trail says so', async () => {
      const { slug, tenant, key, change } = await tenantWith('corp');
      const owner = await people.user(tenant, { roles: ['owner'], password: PASSWORD });
      await setting(tenant, 'owners');
      await change('corp', { enabled: false });
      const { status: signedIn, body } = await login(slug, owner.email);
      expect(signedIn).toBe(200);
      await goesOn(body.access_token);
      await api.sealAudit();
      const { items } = await api.client(key).listAuditEvents({ query: { operation: 'login' } });
      expect(items[0]).toMatchObject({ outcome: 'done', details: { password: 'of an owner' } });
    });
  });
});
