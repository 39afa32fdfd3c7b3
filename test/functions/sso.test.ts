import { TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Body } from '#contract/routes.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
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
import { Browser, codeOf, RETURN_TO } from './sso-browser.ts';

type Settings = Body<'updateIdentityProvider'>;

const PASSWORD = 'a long walk in the rain';
const ACCOUNTS = {
  ada: { email: 'Ada@Example.com', email_verified: true, name: 'Ada Lovelace' },
  grace: { email: 'grace@example.com', email_verified: true },
  owner: { email: 'owner@example.com', email_verified: true },
  mfa: { email: 'mfa@example.com', email_verified: true, amr: ['pwd', 'mfa'] },
  unverified: { email: 'ada@example.com', email_verified: false },
  elsewhere: { email: 'ada@elsewhere.example', email_verified: true },
  nameless: {},
} as const;
type Who = keyof typeof ACCOUNTS;

describeWithPostgres('signing in elsewhere', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let idp: HonestProvider;
  let api: TestApi;
  let people: People;
  let browser: Browser;

  beforeAll(async () => {
    idp = await startHonestProvider(ACCOUNTS);
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    api = await startTestApi(database, {
      clock,
      egressAllow: [idp.host],
      allowedOrigins: ['https://console.cloudflow.test'],
    });
    people = createPeople(api, database);
    browser = new Browser(api);
  }, 60_000);
  afterAll(async () => {
    await api?.close();
    await idp?.close();
  });

  /** A tenant that signs in at the honest provider. */
  async function connected(more: Partial<Settings> = {}) {
    const { tenant, slug } = await people.tenant();
    const key = await api.createKey(tenant, ['*']);
    const redirect = `${ISSUER}/api/v1/auth/sso/${slug}/corp/callback`;
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
      ...more,
    };
    const made = await api.client(key).send('createIdentityProvider', {
      body: { name: 'corp', ...settings, client_secret: client.secret },
    });
    expect(made.body.callback_url).toBe(redirect);
    return { tenant, slug, key, settings, etag: made.etag ?? '' };
  }

  async function signIn(slug: string, who: Who | 'nobody', more: Record<string, unknown> = {}) {
    const begun = await browser.begun(slug, 'corp');
    const back = await browser.callback(begun, await browser.visit(begun, who));
    expect(back.status).toBe(303);
    return browser.exchange(codeOf(back), begun.verifier, more);
  }

  const me = async (token: string) => {
    const response = await fetch(`${api.server.url}/api/v1/auth/me`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return (await response.json()) as {
      user: { user_id: string; email: string; name: string };
      permissions: string[];
    };
  };

  describe('through OpenID Connect', () => {
    it('brings a user along, and finds them again by the subject alone', async () => {
      const { slug, tenant } = await connected();
      const first = await signIn(slug, 'ada', { device: 'a laptop' });
      expect(first.status).toBe(200);
      const { user } = await me(first.body.access_token);
      expect(user).toMatchObject({
        email: 'ada@example.com',
        name: 'Ada Lovelace',
        status: 'active',
        roles: ['author'],
        email_verified: true,
      });
      await database.admin.query(
        `update users set email = 'moved@example.com', address = 'moved@example.com' where id = $1`,
        [user.user_id],
      );
      const again = await signIn(slug, 'ada');
      expect((await me(again.body.access_token)).user.user_id).toBe(user.user_id);
      const { rows } = await database.admin.query(
        'select count(*)::integer as n from users where tenant_id = $1',
        [tenant],
      );
      expect(rows).toEqual([{ n: 1 }]);
      const claims = JSON.parse(
        Buffer.from(first.body.access_token.split('.')[1] ?? '', 'base64url').toString(),
      ) as Record<string, unknown>;
      expect(claims).toMatchObject({ amr: ['oidc'], tenant_id: tenant });
    });

    it('asks with PKCE, a state and a nonce, and binds the browser by a cookie of this host', async () => {
      const { slug } = await connected();
      const { response } = await browser.begin(slug, 'corp');
      const asked = new URL(response.headers.get('location') ?? '').searchParams;
      expect(Object.fromEntries(asked)).toMatchObject({
        response_type: 'code',
        code_challenge_method: 'S256',
        scope: 'openid email profile',
      });
      for (const name of ['state', 'nonce', 'code_challenge']) {
        expect(asked.get(name)?.length).toBeGreaterThanOrEqual(43);
      }
      expect(response.headers.get('set-cookie')).toMatch(
        /^__Host-cloudflow-sign-in-[0-9a-f]{16}=cfb_[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=600$/,
      );
    });

    it('hands the code to who began, with their state, and forgets the cookie', async () => {
      const { slug } = await connected();
      const begun = await browser.begun(slug, 'corp');
      const back = await browser.callback(begun, await browser.visit(begun, 'ada'));
      const to = new URL(back.headers.get('location') ?? '');
      expect(to.origin + to.pathname).toBe(RETURN_TO);
      expect(to.searchParams.get('state')).toBe('of-the-program');
      expect([...to.searchParams.keys()].sort()).toEqual(['code', 'state']);
      expect(back.headers.get('set-cookie')).toContain('Max-Age=0');
      expect(back.headers.get('cache-control')).toBe('no-store');
      expect(back.headers.get('referrer-policy')).toBe('no-referrer');
    });

    it('opens a session like any other: it refreshes, is listed and ends', async () => {
      const { slug } = await connected();
      const { body } = await signIn(slug, 'ada', { device: 'a laptop' });
      const sessions = await api.client(body.access_token).listMySessions();
      expect(sessions.items).toMatchObject([{ device: 'a laptop', methods: ['oidc'] }]);
      const next = await browser.post('/api/v1/auth/refresh', {
        refresh_token: body.refresh_token,
      });
      expect(next.status).toBe(200);
      await api.client(next.body.access_token).logout();
      const ended = await browser.post('/api/v1/auth/refresh', {
        refresh_token: next.body.refresh_token,
      });
      expect(ended.status).toBe(401);
    });

    it('of two first sign-ins at once both are the same user', async () => {
      const { slug } = await connected();
      const [one, two] = await Promise.all([signIn(slug, 'ada'), signIn(slug, 'ada')]);
      const users = await Promise.all([one, two].map(({ body }) => me(body.access_token)));
      expect(users[0]?.user.user_id).toBe(users[1]?.user.user_id);
    });
  });

  describe('whom an address is', () => {
    it('links the user who has it, and activates one who was invited', async () => {
      const { slug, tenant, key } = await connected({ default_roles: null });
      const ada = await people.user(tenant, { email: 'ada@example.com', roles: ['operator'] });
      const known = await signIn(slug, 'ada');
      expect((await me(known.body.access_token)).user).toMatchObject({ user_id: ada.id });
      const invited = await api
        .client(key)
        .inviteUser({ body: { email: 'grace@example.com', roles: ['viewer'] } });
      const come = await signIn(slug, 'grace');
      expect((await me(come.body.access_token)).user).toMatchObject({
        user_id: invited.user_id,
        status: 'active',
      });
    });

    it.each([
      ['is not verified', 'unverified', {}],
      ['is of a domain that the provider does not speak for', 'elsewhere', {}],
      ['is missing', 'nameless', {}],
      ['is of nobody, where nobody is brought along', 'ada', { default_roles: null }],
      ['is verified, but the provider speaks for no domain', 'ada', { email_domains: [] }],
      ['is of a domain below one it speaks for', 'ada', { email_domains: ['com'] }],
    ] as const)('refuses one that %s', async (_, who, more) => {
      const { slug } = await connected(more as unknown as Partial<Settings>).catch(
        async (error) => {
          // `com` is no domain that the contract takes.
          expect(more).toEqual({ email_domains: ['com'] });
          expect(error).toMatchObject({ code: 'REQUEST_INVALID' });
          return connected({ email_domains: ['sub.example.com'] });
        },
      );
      const refused = await signIn(slug, who);
      expect([refused.status, refused.body.code]).toEqual([401, 'SIGN_IN_REFUSED']);
    });

    it('never makes an administrator of an address; they link themselves, with a second factor', async () => {
      const { slug, tenant } = await connected();
      const owner = await people.user(tenant, {
        email: 'owner@example.com',
        roles: ['owner'],
        password: PASSWORD,
      });
      expect((await signIn(slug, 'owner')).body.code).toBe('SIGN_IN_REFUSED');

      const local = await browser.post('/api/v1/auth/login', {
        tenant: slug,
        email: owner.email,
        password: PASSWORD,
      });
      const token = local.body.access_token;
      const link = async () => {
        const begun = await browser.begun(slug, 'corp');
        const back = await browser.callback(begun, await browser.visit(begun, 'owner'));
        const body = { code: codeOf(back), code_verifier: begun.verifier };
        return browser.post('/api/v1/auth/sso/link', body, token);
      };
      expect((await link()).body.code).toBe('MFA_REQUIRED');
      await enrol(token, owner.email);
      // What holds of a session is asked for again after a second and a half.
      await expect.poll(async () => (await link()).status, { timeout: 10_000 }).toBe(200);
      const asked = await signIn(slug, 'owner');
      // Whoever has an authenticator here is asked for it, whichever way they come.
      expect(asked.body.mfa_token).toMatch(/^cfm_/);
    });

    it('tells nobody but the audit trail why a sign-in is refused', async () => {
      const { slug, tenant, key } = await connected({ default_roles: null });
      const user = await people.user(tenant, { email: 'ada@example.com' });
      await database.admin.query(`update users set status = 'deactivated' where id = $1`, [
        user.id,
      ]);
      const deactivated = await signIn(slug, 'ada');
      const unknown = await signIn(slug, 'grace');
      const { body: one } = deactivated as { body: object };
      const { body: two } = unknown as { body: object };
      expect({ ...one, request_id: '' }).toEqual({ ...two, request_id: '' });
      await api.sealAudit();
      const { items } = await api
        .client(key)
        .listAuditEvents({ query: { operation: 'exchangeSignIn' } });
      expect(items.map(({ outcome, details }) => [outcome, details]).reverse()).toMatchObject([
        ['refused', { provider: 'corp', reason: 'user_not_active' }],
        ['refused', { provider: 'corp', reason: 'nobody_is_brought_along' }],
      ]);
    });

    it('refuses whoever was deactivated, though they are linked', async () => {
      const { slug } = await connected();
      const { body } = await signIn(slug, 'ada');
      const { user } = await me(body.access_token);
      await database.admin.query(`update users set status = 'deactivated' where id = $1`, [
        user.user_id,
      ]);
      expect((await signIn(slug, 'ada')).body.code).toBe('SIGN_IN_REFUSED');
    });
  });

  describe('what was set up', () => {
    it('ends sign-ins under way when it is changed, and forgets who was known when it leads elsewhere', async () => {
      const { slug, tenant, key, settings, etag } = await connected();
      expect((await signIn(slug, 'ada')).status).toBe(200);
      const begun = await browser.begun(slug, 'corp');
      const answer = await browser.visit(begun, 'ada');
      const client = api.client(key);
      const changed = await client.send('updateIdentityProvider', {
        provider: 'corp',
        body: { ...settings, email_domains: ['other.example'] },
        ifMatch: etag,
      });
      expect((await browser.callback(begun, answer)).status).toBe(401);
      // Known by the subject: the domain is for those who are not.
      expect((await signIn(slug, 'ada')).status).toBe(200);
      const elsewhere = {
        ...settings,
        protocol: {
          ...settings.protocol,
          issuer: 'https://id.example.com',
        } as Settings['protocol'],
      };
      await expect(
        client.updateIdentityProvider({
          provider: 'corp',
          body: elsewhere,
          ifMatch: changed.etag ?? '',
        }),
      ).rejects.toMatchObject({
        code: 'IDENTITY_PROVIDER_INVALID',
        problems: [{ pointer: '/body/client_secret' }],
      });
      await client.updateIdentityProvider({
        provider: 'corp',
        body: { ...elsewhere, client_secret: 'another' },
        ifMatch: changed.etag ?? '',
      });
      const { rows } = await database.admin.query(
        'select subject from external_identities where tenant_id = $1',
        [tenant],
      );
      expect(rows).toEqual([]);
    });

    it('lets nobody in who began before it was switched off', async () => {
      const { slug, key, settings } = await connected();
      const begun = await browser.begun(slug, 'corp');
      const back = await browser.callback(begun, await browser.visit(begun, 'ada'));
      await api.client(key).updateIdentityProvider({
        provider: 'corp',
        body: { ...settings, enabled: false },
        ifMatch: '*',
      });
      expect((await browser.exchange(codeOf(back), begun.verifier)).body.code).toBe(
        'TOKEN_INVALID',
      );
      expect((await browser.begin(slug, 'corp')).response.status).toBe(404);
    });

    it('never answers the secret, and keeps it under a name that is used once', async () => {
      const { tenant, key } = await connected();
      const shown = await api.client(key).getIdentityProvider({ provider: 'corp' });
      expect(shown.has_secret).toBe(true);
      const { rows } = await database.admin.query<{ kept_secret: string; text: string }>(
        'select kept_secret, p::text as text from identity_providers p where tenant_id = $1',
        [tenant],
      );
      const name = rows[0]?.kept_secret ?? '';
      const secret = (await api.secrets.get({ tenant, mode: 'live', name }))?.reveal() ?? '';
      expect(secret.length).toBeGreaterThan(20);
      expect(JSON.stringify(shown) + rows[0]?.text).not.toContain(secret);
      await api.client(key).deleteIdentityProvider({ provider: 'corp' });
      const left = await database.admin.query(
        'select unused_since is not null as unused from connection_secrets where kept_as = $1',
        [name],
      );
      expect(left.rows).toEqual([{ unused: true }]);
    });

    it('refuses what is not sound, with the place of each mistake', async () => {
      const { tenant } = await people.tenant();
      const client = api.client(await api.createKey(tenant, ['identity-provider:write']));
      const body = {
        name: 'corp',
        enabled: true,
        protocol: {
          kind: 'oidc' as const,
          issuer: 'http://id.example.com',
          client_id: 'x',
          client_auth: 'none' as const,
        },
        email_domains: [],
        default_roles: null,
        trusts_mfa: false,
      };
      await expect(client.createIdentityProvider({ body })).rejects.toMatchObject({
        code: 'IDENTITY_PROVIDER_INVALID',
        problems: [{ pointer: '/body/protocol/issuer' }],
      });
      const protocol = { ...body.protocol, issuer: 'https://id.example.com' };
      await expect(
        client.createIdentityProvider({ body: { ...body, protocol, client_secret: 'x' } }),
      ).rejects.toMatchObject({ problems: [{ pointer: '/body/client_secret' }] });
      // Nobody lets a provider give what they could not.
      await expect(
        client.createIdentityProvider({ body: { ...body, protocol, default_roles: ['owner'] } }),
      ).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    });
  });

  describe('second factors', () => {
    const invite = async (token: string, email: string) => {
      const response = await fetch(`${api.server.url}/api/v1/users`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ email, roles: [] }),
      });
      return response.status;
    };
    /** What they may do is asked for again after a second and a half. */
    const becomesOwner = async (tenant: string, token: string) => {
      const { user_id: id } = (await me(token)).user;
      await database.admin.query(
        `update users set roles = '{owner}' where tenant_id = $1 and id = $2`,
        [tenant, id],
      );
      await expect
        .poll(async () => (await me(token)).permissions, { timeout: 10_000 })
        .toContain('*');
    };

    it('of a provider count for nothing unless the tenant trusts it with them', async () => {
      const { slug, tenant } = await connected();
      const { body } = await signIn(slug, 'mfa');
      await becomesOwner(tenant, body.access_token);
      expect(await invite(body.access_token, 'new@example.com')).toBe(403);
    });

    it('of a trusted provider that says there was none do not count', async () => {
      const { slug, tenant } = await connected({ trusts_mfa: true });
      const { body } = await signIn(slug, 'ada');
      await becomesOwner(tenant, body.access_token);
      expect(await invite(body.access_token, 'new@example.com')).toBe(403);
    });

    // Last: it moves the time, and what the provider says is of the time that was.
    it('of a trusted provider count for half an hour after they were proven', async () => {
      const { slug, tenant } = await connected({ trusts_mfa: true });
      const begun = await browser.begun(slug, 'corp');
      expect(begun.location.searchParams.get('max_age')).toBe('1800');
      const { body } = await signIn(slug, 'mfa');
      await becomesOwner(tenant, body.access_token);
      expect(await invite(body.access_token, 'new@example.com')).toBe(201);
      await clock.advance(600_000);
      const next = await browser.post('/api/v1/auth/refresh', {
        refresh_token: body.refresh_token,
      });
      await clock.advance(600_000);
      const last = await browser.post('/api/v1/auth/refresh', {
        refresh_token: next.body.refresh_token,
      });
      await clock.advance(600_001);
      expect(await invite(last.body.access_token, 'newer@example.com')).toBe(403);
    });
  });

  async function enrol(token: string, label: string): Promise<void> {
    const enrolment = await browser.post('/api/v1/auth/mfa/totp', {}, token);
    const { secret } = enrolment.body as unknown as { secret: string };
    const code = new TOTP({ secret, label, issuer: 'CloudFlow' }).generate({
      timestamp: clock.now(),
    });
    const confirmed = await browser.post('/api/v1/auth/mfa/totp/confirm', { code }, token);
    expect(confirmed.status).toBe(200);
  }
});
