import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, type Posted, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const ELSEWHERE = '127.0.0.66';

describeWithPostgres('what stands before and behind a second factor', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let api: TestApi;
  let people: People;
  let post: Post;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    api = await startTestApi(database, { clock });
    people = createPeople(api, database);
    post = postingTo(api.server.url);
  });
  afterAll(() => api?.close());

  async function owner() {
    const { slug, tenant } = await people.tenant();
    const { id, email } = await people.user(tenant, { roles: ['owner'], password: PASSWORD });
    const login = (more: Record<string, Json> = {}, from?: string) =>
      post(
        '/auth/login',
        { tenant: slug, email, password: PASSWORD, ...more },
        from === undefined ? {} : { from },
      );
    const { body } = await login();
    return { slug, tenant, id, email, login, token: String(body['access_token']) };
  }
  const codeOf = (secret: string) =>
    new TOTP({ secret, period: 30 }).generate({ timestamp: clock.now() });
  /** A code that is right at no time around now. */
  const wrongOf = (secret: string) => {
    const near = [-1, 0, 1, 2].map((step) =>
      new TOTP({ secret, period: 30 }).generate({ timestamp: clock.now() + step * 30_000 }),
    );
    return ['000000', '111111', '222222', '333333', '444444'].find((each) => !near.includes(each));
  };
  const wrong = (secret: string): string => wrongOf(secret) as string;

  async function enrolled(token: string): Promise<string> {
    const { body } = await post('/auth/mfa/totp', undefined, { token });
    const secret = String(body['secret']);
    const confirmed = await post('/auth/mfa/totp/confirm', { code: codeOf(secret) }, { token });
    expect(confirmed.status).toBe(200);
    await clock.advance(31_000);
    return secret;
  }
  const invite = (token: string) =>
    post('/users', { email: `${crypto.randomUUID()}@example.com`, roles: [] }, { token });

  it('wrong codes of who knows the password do not keep the owner out elsewhere, nor within a session', async () => {
    const ada = await owner();
    const secret = await enrolled(ada.token);
    const half = await ada.login({}, ELSEWHERE);
    const mfa_token = String(half.body['mfa_token']);
    const guess = (code: string, from: string) =>
      post('/auth/mfa/verify', { mfa_token, code }, { from });
    for (let i = 0; i < 5; i += 1) {
      const { body } = await guess(wrong(secret), ELSEWHERE);
      expect(body['code']).toBe('CREDENTIALS_INVALID');
    }
    expect((await guess(codeOf(secret), ELSEWHERE)).body['code']).toBe('LOCKED_OUT');
    const right = await post('/auth/mfa/step-up', { code: codeOf(secret) }, { token: ada.token });
    expect(right.status).toBe(204);
    await clock.advance(31_000);
    const own = await ada.login();
    const finished = await post('/auth/mfa/verify', {
      mfa_token: String(own.body['mfa_token']),
      code: codeOf(secret),
    });
    expect(finished.status).toBe(200);
  });

  it('codes are guessed twenty times from everywhere, and a device that is known passes then', async () => {
    const ada = await owner();
    const secret = await enrolled(ada.token);
    const verify = async (signIn: Posted) =>
      post('/auth/mfa/verify', {
        ...{ mfa_token: String(signIn.body['mfa_token']), code: codeOf(secret) },
      });
    const device_token = String((await verify(await ada.login())).body['device_token']);
    await clock.advance(31_000);
    const half = await ada.login({}, ELSEWHERE);
    const mfa_token = String(half.body['mfa_token']);
    const codes: unknown[] = [];
    for (let from = 1; from <= 5; from += 1) {
      for (let i = 0; i < 5; i += 1) {
        const sent = { mfa_token, code: wrong(secret) };
        const { body } = await post('/auth/mfa/verify', sent, { from: `127.0.1.${from}` });
        codes.push(body['code']);
      }
    }
    expect(codes.filter((code) => code === 'CREDENTIALS_INVALID')).toHaveLength(20);
    expect(codes.slice(20)).toEqual(Array(5).fill('LOCKED_OUT'));
    const finished = await verify(await ada.login({ device_token }));
    expect([finished.status, finished.body['device_token']]).toEqual([200, null]);
  });

  it('devices that were known before it was enrolled have no guesses of their own at it', async () => {
    const ada = await owner();
    const before: string[] = [];
    for (let i = 0; i < 3; i += 1) before.push(String((await ada.login()).body['device_token']));
    const secret = await enrolled(ada.token);
    const halves: Posted[] = [];
    for (const device_token of before) halves.push(await ada.login({ device_token }));
    const verify = (half: Posted | undefined, code: string, from?: string) =>
      post(
        '/auth/mfa/verify',
        { mfa_token: String(half?.body['mfa_token']), code },
        from === undefined ? {} : { from },
      );
    for (let i = 0; i < 5; i += 1) {
      const { body } = await verify(halves[0], wrong(secret));
      expect(body['code']).toBe('CREDENTIALS_INVALID');
    }
    for (const half of halves) {
      expect((await verify(half, codeOf(secret))).body['code']).toBe('LOCKED_OUT');
    }
    // The first that is proven on one makes it known again, by another token.
    const proven = await verify(halves[1], codeOf(secret), ELSEWHERE);
    expect([proven.status, before.includes(String(proven.body['device_token']))]).toEqual([
      ...[200, false],
    ]);
    await clock.advance(31_000);
    const device_token = String(proven.body['device_token']);
    const finished = await verify(await ada.login({ device_token }), codeOf(secret));
    expect([finished.status, finished.body['device_token']]).toEqual([200, null]);
  });

  it('sessions of before end when it is confirmed, and none of a sign-in under way is opened', async () => {
    const ada = await owner();
    const others = [(await ada.login()).body, (await ada.login({ mode: 'test' })).body];
    const begun = await post('/auth/mfa/totp', undefined, { token: ada.token });
    const secret = String(begun.body['secret']);
    // Has looked the account up, which has none yet, and waits for what is being written.
    const other = await database.admin.connect();
    try {
      await other.query('begin');
      await other.query('set local idle_in_transaction_session_timeout = 0');
      await other.query('select from users where tenant_id = $1 and id = $2 for update', [
        ...[ada.tenant, ada.id],
      ]);
      const late = ada.login();
      await expect
        .poll(
          async () => {
            const { rowCount } = await database.admin.query(
              `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
            );
            return rowCount;
          },
          { timeout: 30_000 },
        )
        .toBeGreaterThan(0);
      // As confirming does, in a statement of its own.
      await other.query(
        `update second_factors set confirmed_at = now() where tenant_id = $1 and user_id = $2`,
        [ada.tenant, ada.id],
      );
      await other.query('commit');
      expect((await late).body['code']).toBe('CREDENTIALS_INVALID');
      await other.query(
        `update second_factors set confirmed_at = null where tenant_id = $1 and user_id = $2`,
        [ada.tenant, ada.id],
      );
    } finally {
      other.release();
    }
    const confirmed = await post(
      '/auth/mfa/totp/confirm',
      { code: codeOf(secret) },
      { token: ada.token },
    );
    expect(confirmed.status).toBe(200);
    for (const { refresh_token } of others) {
      const refreshed = await post('/auth/refresh', { refresh_token: String(refresh_token) });
      expect(refreshed.body['code']).toBe('TOKEN_INVALID');
    }
    const me = await post('/auth/me', undefined, { token: ada.token, method: 'GET' });
    expect(me.status).toBe(200);
  });

  it('an authenticator is enrolled with a password of the last minutes, not by whoever holds a session', async () => {
    const { token } = await owner();
    const enrol = () => post('/auth/mfa/totp', undefined, { token });
    const again = (password: string) => post('/auth/mfa/step-up', { password }, { token });
    await clock.advance(300_000);
    const refused = await enrol();
    expect([refused.status, refused.body['code']]).toEqual([403, 'REAUTHENTICATION_REQUIRED']);
    expect((await again('a guess of the thief')).body['code']).toBe('CREDENTIALS_INVALID');
    expect((await enrol()).status).toBe(403);
    expect((await again(PASSWORD)).status).toBe(204);
    expect((await enrol()).status).toBe(201);
    // A password is no second factor.
    expect((await invite(token)).body['code']).toBe('MFA_REQUIRED');
    const both = await post('/auth/mfa/step-up', { password: PASSWORD, code: '123456' }, { token });
    expect(both.body['code']).toBe('REQUEST_INVALID');
    expect((await post('/auth/mfa/step-up', {}, { token })).body['code']).toBe('REQUEST_INVALID');
  });

  it('with the authenticator goes what it opened, in the session that removed it too', async () => {
    const { token } = await owner();
    const secret = await enrolled(token);
    await expect.poll(async () => (await invite(token)).status, { timeout: 10_000 }).toBe(201);
    const code = codeOf(secret);
    expect((await post('/auth/mfa/totp/remove', { code }, { token })).status).toBe(204);
    await expect
      .poll(async () => (await invite(token)).body['code'], { timeout: 10_000 })
      .toBe('MFA_REQUIRED');
  });

  it('a session of mode test changes nothing that live shares, and ends itself', async () => {
    const ada = await owner();
    const test = await ada.login({ mode: 'test' });
    const token = String(test.body['access_token']);
    const at = { token };
    const me = await post('/users/me', undefined, { ...at, method: 'GET' });
    expect(me.status).toBe(200);
    const { items } = (await post('/sessions/mine', undefined, { ...at, method: 'GET' }))
      .body as unknown as { items?: { session_id: string; mode: string }[] };
    const live = items?.find(({ mode }) => mode === 'live')?.session_id;
    expect(live).toBeDefined();
    const refused = [
      await post(
        '/auth/password',
        { current_password: PASSWORD, new_password: 'a walk in the sun' },
        at,
      ),
      await post('/auth/address', { current_password: PASSWORD, email: 'other@example.com' }, at),
      await post('/auth/mfa/totp', undefined, at),
      await post('/auth/mfa/totp/confirm', { code: '123456' }, at),
      await post('/auth/mfa/totp/remove', { code: '123456' }, at),
      await post(
        '/users/me',
        { name: 'Eve', preferences: {} },
        { ...at, method: 'PUT', headers: { 'if-match': '"x"' } },
      ),
      await post('/sessions/mine', undefined, { ...at, method: 'DELETE' }),
      await post(`/sessions/mine/${live}`, undefined, { ...at, method: 'DELETE' }),
    ];
    expect(refused.map(({ body }) => body['code'])).toEqual(
      Array(refused.length).fill('PERMISSION_DENIED'),
    );
    expect((await ada.login()).status).toBe(200);
    expect((await post('/auth/logout', undefined, at)).status).toBe(204);
  });
});
