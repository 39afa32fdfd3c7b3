import { TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ResponseBody } from '#contract/routes.ts';
import type { Json } from '#core/json.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';

type Tokens = ResponseBody<'refreshTokens'>;

const PASSWORD = 'a long walk in the rain';

describeWithPostgres('people sign in', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let api: TestApi;
  let people: People;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    api = await startTestApi(database, { clock });
    people = createPeople(api, database);
  });
  afterAll(() => api?.close());

  async function post(
    path: string,
    body: Json | undefined,
    token?: string,
    more: Record<string, string> = {},
  ) {
    const response = await fetch(api.server.url + path, {
      method: 'POST',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...more,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      // Each test knows what it asked for.
      body: (text === '' ? null : JSON.parse(text)) as Tokens & {
        code: string;
        mfa_token: string;
        factors: string[];
        secret: string;
        recovery_codes: string[];
      },
    };
  }
  const login = (body: Record<string, Json>) => post('/api/v1/auth/login', body);
  const get = (path: string, token: string) =>
    fetch(api.server.url + path, { headers: { authorization: `Bearer ${token}` } });

  it('answers tokens for the right password, and who that is', async () => {
    const { slug, tenant } = await people.tenant();
    const user = await people.user(tenant, { roles: ['author'], password: PASSWORD });
    const { status, body } = await login({ tenant: slug, email: user.email, password: PASSWORD });
    expect(status).toBe(200);
    const me = (await (await get('/api/v1/auth/me', body.access_token)).json()) as Json;
    expect(me).toMatchObject({
      kind: 'user',
      tenant_id: tenant,
      tenant: slug,
      user: { user_id: user.id, roles: ['author'] },
      permissions: ['approval:read', 'connection:*', 'execution:*', 'workflow:*'],
    });
    const claims = JSON.parse(
      Buffer.from(body.access_token.split('.')[1] ?? '', 'base64url').toString(),
    ) as Json;
    expect(claims).toMatchObject({
      user_id: user.id,
      sub: user.id,
      email: user.email,
      roles: ['author'],
      tenant_id: tenant,
      amr: ['pwd'],
    });
  });

  it.each([
    ['a wrong password', (known: Known) => ({ ...known, password: 'another one entirely' })],
    ['an unknown address', (known: Known) => ({ ...known, email: 'nobody@example.com' })],
    ['an unknown tenant', (known: Known) => ({ ...known, tenant: 'no-such-tenant' })],
  ])('answers %s like every other refusal', async (_, change) => {
    const { slug, tenant } = await people.tenant();
    const { email } = await people.user(tenant, { password: PASSWORD });
    const refused = await login(change({ tenant: slug, email, password: PASSWORD }));
    expect(refused.status).toBe(401);
    expect(refused.body.code).toBe('CREDENTIALS_INVALID');
  });
  type Known = { tenant: string; email: string; password: string };

  it.each([
    'ADA.{n}@EXAMPLE.COM',
    ' ada.{n}@example.com ',
    'ada.{n}@example.com.',
    'ａｄａ.{n}＠example.com',
  ])('takes %s for the account it is', async (spelling) => {
    const { slug, tenant } = await people.tenant();
    const n = crypto.randomUUID().slice(0, 8);
    await people.user(tenant, { email: `ada.${n}@example.com`, password: PASSWORD });
    const email = spelling.replace('{n}', n);
    const { status } = await login({ tenant: slug, email: email.trim(), password: PASSWORD });
    expect(email.includes('＠') ? [200, 400] : [200]).toContain(status);
  });

  describe('another address', () => {
    const begin = async () => {
      const { slug, tenant } = await people.tenant();
      const user = await people.user(tenant, { password: PASSWORD });
      const { body } = await login({ tenant: slug, email: user.email, password: PASSWORD });
      return { slug, tenant, user, token: body.access_token };
    };
    const change = (email: string, token: string, current_password = PASSWORD) =>
      post('/api/v1/auth/address', { email, current_password }, token);
    const confirm = (token: string) => post('/api/v1/auth/address/confirm', { token });

    it('is the account’s once whoever reads mail there confirms it, and the old one is told', async () => {
      const { slug, tenant, user, token } = await begin();
      await post('/api/v1/auth/password/forgot', { tenant: slug, email: user.email });
      const reset = await people.lastMail(tenant, 'identity.reset_password');
      const email = `new.${user.id.slice(0, 8)}@example.org`;
      expect((await change(email, token)).status).toBe(204);
      const known = { tenant: slug, email: user.email, password: PASSWORD };
      expect((await login(known)).status).toBe(200);
      const mail = await people.lastMail(tenant, 'identity.confirm_address');
      expect((await confirm(mail.token)).status).toBe(204);
      expect((await login(known)).status).toBe(401);
      expect((await login({ ...known, email })).status).toBe(200);
      expect(await people.lastMail(tenant, 'identity.address_changed')).toMatchObject({
        new_address: email,
      });
      expect((await confirm(mail.token)).body.code).toBe('TOKEN_INVALID');
      const late = { token: reset.token, new_password: 'another walk in the rain' };
      expect((await post('/api/v1/auth/password/reset', late)).body.code).toBe('TOKEN_INVALID');
    });

    it('is nobody’s without the password, or where somebody else has it by then', async () => {
      const { slug, tenant, user, token } = await begin();
      const email = `taken.${user.id.slice(0, 8)}@example.org`;
      const wrong = await change(email, token, 'not the password');
      expect([wrong.status, wrong.body.code]).toEqual([401, 'CREDENTIALS_INVALID']);
      await expect(people.lastMail(tenant, 'identity.confirm_address')).rejects.toThrow('no mail');
      await change(email, token);
      const mail = await people.lastMail(tenant, 'identity.confirm_address');
      await people.user(tenant, { email });
      expect((await confirm(mail.token)).body.code).toBe('TOKEN_INVALID');
      const known = { tenant: slug, email: user.email, password: PASSWORD };
      expect((await login(known)).status).toBe(200);
    });

    it('answers alike whether somebody has it, and mails nothing then', async () => {
      const { tenant, token } = await begin();
      const other = await people.user(tenant);
      expect((await change(other.email, token)).status).toBe(204);
      await expect(people.lastMail(tenant, 'identity.confirm_address')).rejects.toThrow('no mail');
    });

    it('is confirmed for a day', async () => {
      const { tenant, user, token } = await begin();
      await change(`late.${user.id.slice(0, 8)}@example.org`, token);
      const mail = await people.lastMail(tenant, 'identity.confirm_address');
      await clock.advance(86_400_000);
      expect((await confirm(mail.token)).body.code).toBe('TOKEN_INVALID');
    });
  });

  describe('guesses', () => {
    it('evaluates five of two hundred at once, then locks for 15 minutes, the right one too', async () => {
      const { slug, tenant } = await people.tenant();
      const { email } = await people.user(tenant, { password: PASSWORD });
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, i) =>
          login({ tenant: slug, email, password: `guess number ${i}` }),
        ),
      );
      const wrong = answers.filter(({ body }) => body.code === 'CREDENTIALS_INVALID');
      const others = new Set(answers.map(({ body }) => body.code));
      expect(wrong.length).toBeLessThanOrEqual(5);
      expect(others).toEqual(new Set(['CREDENTIALS_INVALID', 'LOCKED_OUT']));
      const locked = await login({ tenant: slug, email, password: PASSWORD });
      expect(locked.status).toBe(429);
      expect(Number(locked.headers.get('retry-after'))).toBeGreaterThan(800);
      await clock.advance(900_001);
      expect((await login({ tenant: slug, email, password: PASSWORD })).status).toBe(200);
    });

    it('lets a device that the user knows in, whoever guesses elsewhere', async () => {
      const { slug, tenant } = await people.tenant();
      const { email } = await people.user(tenant, { password: PASSWORD });
      const first = await login({ tenant: slug, email, password: PASSWORD });
      for (let i = 0; i < 6; i++) await login({ tenant: slug, email, password: `guess ${i}` });
      const known = { tenant: slug, email, password: PASSWORD };
      expect((await login(known)).status).toBe(429);
      const device_token = first.body.device_token ?? '';
      expect((await login({ ...known, device_token })).status).toBe(200);
    });

    it('locks an account that does not exist alike', async () => {
      const { slug } = await people.tenant();
      const guess = { tenant: slug, email: 'ghost@example.com', password: 'whatever it may be' };
      const codes = [];
      for (let i = 0; i < 6; i++) codes.push((await login(guess)).body.code);
      expect(codes).toEqual([...Array(5).fill('CREDENTIALS_INVALID'), 'LOCKED_OUT']);
    });
  });

  describe('refresh tokens', () => {
    async function session() {
      const { slug, tenant } = await people.tenant();
      const { email, id } = await people.user(tenant, { password: PASSWORD });
      const { body } = await login({ tenant: slug, email, password: PASSWORD });
      return { body, tenant, id };
    }
    const refresh = (refresh_token: string, agent = 'one') =>
      post('/api/v1/auth/refresh', { refresh_token }, undefined, { 'user-agent': agent });

    it('are good once; a later reuse ends the session, its access tokens too', async () => {
      const { body } = await session();
      const second = await refresh(body.refresh_token);
      expect(second.status).toBe(200);
      await clock.advance(11_000);
      expect((await refresh(body.refresh_token)).body.code).toBe('TOKEN_INVALID');
      expect((await refresh(second.body.refresh_token)).body.code).toBe('TOKEN_INVALID');
      await eventually401(second.body.access_token);
    });

    it('leave one live chain after twenty at once', async () => {
      const { body } = await session();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => refresh(body.refresh_token)),
      );
      const next = new Set(answers.map((answer) => answer.body.refresh_token));
      expect(answers.every(({ status }) => status === 200)).toBe(true);
      expect(next.size).toBe(1);
    });

    it('sent again at once by another client end the session', async () => {
      const { body } = await session();
      const second = await refresh(body.refresh_token, 'one');
      expect((await refresh(body.refresh_token, 'another')).body.code).toBe('TOKEN_INVALID');
      expect((await refresh(second.body.refresh_token, 'one')).body.code).toBe('TOKEN_INVALID');
    });

    it('end after seven days', async () => {
      const { body } = await session();
      await clock.advance(7 * 86_400_000 + 1);
      expect((await refresh(body.refresh_token)).body.code).toBe('TOKEN_INVALID');
    });
  });

  async function eventually401(token: string): Promise<void> {
    // What was looked up less than two seconds ago may still be believed.
    await expect
      .poll(async () => (await get('/api/v1/auth/me', token)).status, { timeout: 10_000 })
      .toBe(401);
  }

  it('ends an access token after 15 minutes, and at once with its session', async () => {
    const { slug, tenant } = await people.tenant();
    const { email } = await people.user(tenant, { password: PASSWORD });
    const one = await login({ tenant: slug, email, password: PASSWORD });
    const two = await login({ tenant: slug, email, password: PASSWORD });
    expect((await post('/api/v1/auth/logout', undefined, one.body.access_token)).status).toBe(204);
    await eventually401(one.body.access_token);
    expect((await get('/api/v1/auth/me', two.body.access_token)).status).toBe(200);
    await clock.advance(900_000);
    expect((await get('/api/v1/auth/me', two.body.access_token)).status).toBe(401);
  });

  describe('a second factor', () => {
    const codeOf = (secret: string) =>
      new TOTP({ secret, period: 30 }).generate({ timestamp: clock.now() });

    it('is asked for, counts once, and opens what is administrative', async () => {
      const { slug, tenant } = await people.tenant();
      const { email } = await people.user(tenant, { roles: ['owner'], password: PASSWORD });
      const first = await login({ tenant: slug, email, password: PASSWORD });
      const token = first.body.access_token;
      const invite = { email: 'new@example.com', roles: ['viewer'] };
      expect((await post('/api/v1/users', invite, token)).body.code).toBe('MFA_REQUIRED');

      const { body: enrolment } = await post('/api/v1/auth/mfa/totp', undefined, token);
      const code = codeOf(enrolment.secret);
      const { body: confirmed } = await post('/api/v1/auth/mfa/totp/confirm', { code }, token);
      expect(confirmed.recovery_codes).toHaveLength(10);
      await expect
        .poll(async () => (await post('/api/v1/users', invite, token)).status, { timeout: 10_000 })
        .toBe(201);

      const half = await login({ tenant: slug, email, password: PASSWORD });
      expect(half.body.factors).toEqual(['totp', 'recovery_code']);
      const verify = (each: string) =>
        post('/api/v1/auth/mfa/verify', { mfa_token: half.body.mfa_token, code: each });
      expect((await verify(code)).body.code).toBe('CREDENTIALS_INVALID');
      await clock.advance(31_000);
      const answers = await Promise.all([1, 2, 3].map(() => verify(codeOf(enrolment.secret))));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);

      const again = await login({ tenant: slug, email, password: PASSWORD });
      const recovery = {
        mfa_token: again.body.mfa_token,
        code: confirmed.recovery_codes[0] ?? '',
      };
      expect((await post('/api/v1/auth/mfa/verify', recovery)).status).toBe(200);
      const spent = await login({ tenant: slug, email, password: PASSWORD });
      const reused = { ...recovery, mfa_token: spent.body.mfa_token };
      expect((await post('/api/v1/auth/mfa/verify', reused)).body.code).toBe('CREDENTIALS_INVALID');
    });
  });

  it('invites, accepts, resets: each mailed token is good once', async () => {
    const { slug, tenant } = await people.tenant();
    const key = await api.createKey(tenant, ['*']);
    const email = `grace.${crypto.randomUUID().slice(0, 8)}@example.com`;
    expect((await post('/api/v1/users', { email, roles: ['viewer'] }, key)).status).toBe(201);
    const { token } = await people.lastMail(tenant, 'identity.invitation');
    const accept = (password: string) =>
      post('/api/v1/auth/invitations/accept', { token, password });
    expect((await accept('password1')).body.code).toBe('PASSWORD_UNSUITABLE');
    expect((await accept(PASSWORD)).status).toBe(204);
    expect((await accept(PASSWORD)).body.code).toBe('TOKEN_INVALID');
    const signedIn = await login({ tenant: slug, email, password: PASSWORD });
    expect(signedIn.status).toBe(200);

    expect((await post('/api/v1/auth/password/forgot', { tenant: slug, email })).status).toBe(204);
    const ghost = { tenant: slug, email: 'ghost@example.com' };
    expect((await post('/api/v1/auth/password/forgot', ghost)).status).toBe(204);
    const reset = await people.lastMail(tenant, 'identity.reset_password');
    const change = { token: reset.token, new_password: 'another walk in the rain' };
    expect((await post('/api/v1/auth/password/reset', change)).status).toBe(204);
    expect((await post('/api/v1/auth/password/reset', change)).body.code).toBe('TOKEN_INVALID');
    await eventually401(signedIn.body.access_token);
    expect((await login({ tenant: slug, email, password: PASSWORD })).status).toBe(401);
  });

  it('nobody gives more than they have, and a tenant keeps an owner', async () => {
    const { tenant } = await people.tenant();
    const weak = await api.createKey(tenant, ['user:*', 'api-key:*', 'role:*']);
    const strong = await api.createKey(tenant, ['*']);
    const email = `lin.${crypto.randomUUID().slice(0, 8)}@example.com`;
    const owner = await people.user(tenant, { roles: ['owner'], password: PASSWORD });
    const denied = [
      await post('/api/v1/users', { email, roles: ['owner'] }, weak),
      await post('/api/v1/api-keys', { name: 'k', mode: 'live', scopes: ['*'] }, weak),
      await post('/api/v1/roles', { name: 'all', about: '', scopes: ['workflow:*'] }, weak),
      await post(`/api/v1/users/${owner.id}/deactivate`, {}, weak),
    ];
    expect(denied.map(({ body }) => body.code)).toEqual(Array(4).fill('PERMISSION_DENIED'));
    const last = await post(`/api/v1/users/${owner.id}/deactivate`, {}, strong);
    expect(last.body.code).toBe('CONFLICT');
  });
});
