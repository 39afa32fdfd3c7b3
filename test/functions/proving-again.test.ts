import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ResponseBody } from '#contract/routes.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createHeldClock, type HeldClock } from '#test/support/held-clock.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, type Posted, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const PROMISED_MS = 2_000;
const STEP_MS = 30_000;
const HALF_HOUR_MS = 1_800_000;

describeWithPostgres('a second factor that is proven', () => {
  let database: TestDatabase;
  let clock: HeldClock;
  let api: TestApi;
  let people: People;
  let post: Post;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createHeldClock();
    api = await startTestApi(database, { clock });
    people = createPeople(api, database);
    post = postingTo(api.server.url);
  });
  afterAll(() => api?.close());

  async function owner() {
    const { tenant, slug } = await people.tenant();
    const key = await api.createKey(tenant, ['*']);
    const { id, email } = await people.user(tenant, { roles: ['owner'], password: PASSWORD });
    const login = () => post('/auth/login', { tenant: slug, email, password: PASSWORD });
    const first = (await login()).body as unknown as ResponseBody<'refreshTokens'>;
    return { tenant, key, id, email, login, first };
  }
  async function enrolled() {
    const ada = await owner();
    const at = { token: ada.first.access_token };
    const secret = String((await post('/auth/mfa/totp', undefined, at)).body['secret']);
    const code = codeOf(secret);
    const confirmed = await post('/auth/mfa/totp/confirm', { code }, at);
    expect(confirmed.status).toBe(200);
    return { ...ada, at, secret, code, recovery: confirmed.body['recovery_codes'] as string[] };
  }
  const codeOf = (secret: string, steps = 0) =>
    new TOTP({ secret, period: 30 }).generate({ timestamp: clock.now() + steps * STEP_MS });
  const invite = (token: string) =>
    post('/users', { email: `${crypto.randomUUID()}@example.com`, roles: [] }, { token });
  const refresh = async (token: string) => {
    const answer = await post('/auth/refresh', { refresh_token: token });
    expect(answer.status).toBe(200);
    return answer.body as unknown as ResponseBody<'refreshTokens'>;
  };
  const claimsOf = (token: string) =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      amr: string[];
      auth_time: number;
    };
  const codes = (answers: readonly Posted[]) => answers.map(({ body }) => body['code']);

  it('counts from the answer that says so', async () => {
    const ada = await owner();
    const at = { token: ada.first.access_token };
    // From now on it is remembered for a moment that there is none.
    expect(await invite(at.token)).toMatchObject({ status: 403, body: { code: 'MFA_REQUIRED' } });
    const secret = String((await post('/auth/mfa/totp', undefined, at)).body['secret']);
    const confirmed = await post('/auth/mfa/totp/confirm', { code: codeOf(secret) }, at);
    expect(confirmed.status).toBe(200);
    expect((await invite(at.token)).status).toBe(201);
  });

  it('is in the next access token, with when: how the session began stays', async () => {
    const ada = await enrolled();
    const signedInAt = claimsOf(ada.first.access_token);
    expect(signedInAt).toMatchObject({ amr: ['pwd'], auth_time: Math.floor(clock.now() / 1_000) });
    clock.pass(60_000);
    const second = await refresh(ada.first.refresh_token);
    // Confirming the authenticator proved it.
    expect(claimsOf(second.access_token)).toMatchObject({
      amr: ['pwd', 'otp', 'mfa'],
      auth_time: signedInAt.auth_time,
    });
    clock.pass(60_000);
    const proven = await post(
      '/auth/mfa/step-up',
      { code: ada.recovery[0] as string },
      { token: second.access_token },
    );
    expect(proven.status).toBe(204);
    const third = await refresh(second.refresh_token);
    expect(claimsOf(third.access_token)).toMatchObject({
      amr: ['pwd', 'kba', 'mfa'],
      auth_time: Math.floor(clock.now() / 1_000),
    });
  });

  it('opens what is administrative for half an hour, and proven again for another', async () => {
    const ada = await enrolled();
    const { access_token: token, refresh_token } = ada.first;
    clock.pass(PROMISED_MS);
    expect((await invite(token)).status).toBe(201);
    clock.pass(HALF_HOUR_MS - PROMISED_MS - 1);
    const late = await refresh(refresh_token);
    expect((await invite(late.access_token)).status).toBe(201);
    clock.pass(1);
    const refused = await invite(late.access_token);
    expect([refused.status, refused.body['code']]).toEqual([403, 'MFA_REQUIRED']);
    const again = { token: late.access_token };
    expect((await post('/auth/mfa/step-up', { code: codeOf(ada.secret) }, again)).status).toBe(204);
    clock.pass(PROMISED_MS);
    expect((await invite(late.access_token)).status).toBe(201);
    // A password opens none of it.
    clock.pass(HALF_HOUR_MS);
    const last = await refresh(late.refresh_token);
    const password = { password: PASSWORD };
    const given = await post('/auth/mfa/step-up', password, { token: last.access_token });
    expect(given.status).toBe(204);
    clock.pass(PROMISED_MS);
    expect((await invite(last.access_token)).body['code']).toBe('MFA_REQUIRED');
  });

  it('counts once at every door: neither its code again, nor the one before it', async () => {
    const ada = await enrolled();
    const step = (code: string) => post('/auth/mfa/step-up', { code }, ada.at);
    // The code that confirmed it, and the one before, which is within what clocks may differ by.
    expect(codes([await step(ada.code), await step(codeOf(ada.secret, -1))])).toEqual([
      'CREDENTIALS_INVALID',
      'CREDENTIALS_INVALID',
    ]);
    clock.pass(STEP_MS);
    const half = (await ada.login()).body;
    const verify = (code: string) =>
      post('/auth/mfa/verify', { mfa_token: String(half['mfa_token']), code });
    const code = codeOf(ada.secret);
    expect((await step(code)).status).toBe(204);
    expect((await verify(code)).body['code']).toBe('CREDENTIALS_INVALID');
    expect((await post('/auth/mfa/totp/remove', { code }, ada.at)).body['code']).toBe(
      'CREDENTIALS_INVALID',
    );
    // The next is within what clocks may differ by, and then this one is past.
    expect((await verify(codeOf(ada.secret, 1))).status).toBe(200);
    expect((await step(codeOf(ada.secret))).body['code']).toBe('CREDENTIALS_INVALID');
  });

  it('by a recovery code counts once for each, and there are ten', async () => {
    const ada = await enrolled();
    const step = (code: string) => post('/auth/mfa/step-up', { code }, ada.at);
    expect(new Set(ada.recovery).size).toBe(10);
    for (const code of ada.recovery) {
      // As people type it.
      expect((await step(code.toUpperCase().replace('-', ''))).status).toBe(204);
      expect((await step(code)).body['code']).toBe('CREDENTIALS_INVALID');
    }
    const { rows } = await database.admin.query(
      'select cardinality(recovery) as n from second_factors where user_id = $1',
      [ada.id],
    );
    expect(rows).toEqual([{ n: 0 }]);
  });

  it('of somebody who lost it is reset by an administrator, who then know nothing but the password', async () => {
    const ada = await enrolled();
    const reset = await post(`/users/${ada.id}/reset-mfa`, {}, { token: ada.key });
    expect([reset.status, reset.body['mfa_enrolled']]).toEqual([200, false]);
    clock.pass(PROMISED_MS);
    const me = await post('/auth/me', undefined, { ...ada.at, method: 'GET' });
    expect(me.status).toBe(401);
    const again = await ada.login();
    expect(again.body).toHaveProperty('access_token');
    const token = String(again.body['access_token']);
    expect(claimsOf(token).amr).toEqual(['pwd']);
    expect((await invite(token)).body['code']).toBe('MFA_REQUIRED');
    const next = await post('/auth/mfa/totp', undefined, { token });
    expect(next.status).toBe(201);
    expect(next.body['secret']).not.toBe(ada.secret);
    // What the lost one shows counts no more.
    const old = { code: codeOf(ada.secret) };
    expect((await post('/auth/mfa/totp/confirm', old, { token })).body['code']).toBe(
      'CREDENTIALS_INVALID',
    );
    await api.sealAudit();
    const { items } = await api.client(ada.key).listAuditEvents({ query: { limit: 200 } });
    const told = items
      .filter(({ operation }) => /Totp|SecondFactor/.test(operation))
      .map(({ operation, outcome, actor, target }) => [operation, outcome, actor, target]);
    const self = `user:${ada.id}`;
    expect(told.reverse()).toEqual([
      ['enrolTotp', 'done', self, null],
      ['confirmTotp', 'done', self, null],
      ['resetSecondFactor', 'done', `key:${ada.key.slice(9, 17)}`, self],
      ['enrolTotp', 'done', self, null],
      ['confirmTotp', 'refused', self, null],
    ]);
  });
});
