import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createHeldHasher, type HeldHasher } from '#test/support/held-hasher.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, postingTo } from '#test/support/posting.ts';

const OLD = 'a long walk in the rain';
const NEW = 'a short walk in the sun';

describeWithPostgres('once another password is set, nothing of the old one counts', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let hasher: HeldHasher;
  let api: TestApi;
  let people: People;
  let post: Post;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    hasher = createHeldHasher();
    api = await startTestApi(database, { clock, hasher });
    people = createPeople(api, database);
    post = postingTo(api.server.url);
  });
  afterAll(() => api?.close());

  async function somebody() {
    const { slug, tenant } = await people.tenant();
    const { id, email } = await people.user(tenant, { password: OLD });
    const login = (password: string, address = email) =>
      post('/auth/login', { tenant: slug, email: address, password });
    const mailedReset = async (address = email) => {
      await post('/auth/password/forgot', { tenant: slug, email: address });
      return (await people.lastMail(tenant, 'identity.reset_password')).token;
    };
    const reset = (token: string, new_password = NEW) =>
      post('/auth/password/reset', { token, new_password });
    const change = (token: string) =>
      post('/auth/password', { current_password: OLD, new_password: NEW }, { token });
    return { slug, tenant, id, email, login, mailedReset, reset, change };
  }

  const guesses = async (): Promise<number> => {
    const { rows } = await database.admin.query<{ n: number }>(
      'select coalesce(sum(guesses), 0)::integer as n from login_guesses',
    );
    return rows[0]?.n ?? 0;
  };

  /** A sign-in with the old password that has looked its account up, and is judged after the reset. */
  async function whileReset({ login, mailedReset, reset }: Awaited<ReturnType<typeof somebody>>) {
    const token = await mailedReset();
    const hashing = hasher.hold('hash', NEW);
    const resetting = reset(token);
    await hashing.arrived;
    const before = await guesses();
    const verifying = hasher.hold('verify', OLD);
    const late = login(OLD);
    // Its guess is counted, so its account was looked up.
    await expect.poll(guesses, { timeout: 20_000 }).toBeGreaterThan(before);
    hashing.release();
    expect((await resetting).status).toBe(204);
    await verifying.arrived;
    verifying.release();
    return late;
  }

  it.each(['reset', 'change'] as const)(
    'a change of address that was asked for with it is confirmed no more after a %s',
    async (how) => {
      const ada = await somebody();
      const { body } = await ada.login(OLD);
      const token = String(body['access_token']);
      const evil = `evil.${ada.id.slice(0, 8)}@example.org`;
      const asked = await post('/auth/address', { email: evil, current_password: OLD }, { token });
      expect(asked.status).toBe(204);
      const mail = await people.lastMail(ada.tenant, 'identity.confirm_address');
      const changed =
        how === 'reset' ? await ada.reset(await ada.mailedReset()) : await ada.change(token);
      expect(changed.status).toBe(204);
      const confirmed = await post('/auth/address/confirm', { token: mail.token });
      expect(confirmed.body['code']).toBe('TOKEN_INVALID');
      expect((await ada.login(NEW)).status).toBe(200);
      expect((await ada.login(NEW, evil)).status).toBe(401);
    },
  );

  it('a sign-in with it that was under way opens no session', async () => {
    const ada = await somebody();
    const late = await whileReset(ada);
    expect([late.status, late.body['code']]).toEqual([401, 'CREDENTIALS_INVALID']);
    const { rows } = await database.admin.query(
      'select from sessions where tenant_id = $1 and ended_at is null',
      [ada.tenant],
    );
    expect(rows).toEqual([]);
  });

  it('its hash, renewed for other parameters meanwhile, is not written over the new one', async () => {
    const ada = await somebody();
    await whileReset(ada);
    expect((await ada.login(OLD)).status).toBe(401);
    expect((await ada.login(NEW)).status).toBe(200);
  });

  it('while nobody sets another, its hash of other parameters is renewed and it stays good', async () => {
    const ada = await somebody();
    const hashOf = async (): Promise<string | undefined> => {
      const { rows } = await database.admin.query<{ password_hash: string }>(
        'select password_hash from users where tenant_id = $1 and id = $2',
        [ada.tenant, ada.id],
      );
      return rows[0]?.password_hash;
    };
    const before = await hashOf();
    const { body } = await ada.login(OLD);
    expect(await hashOf()).not.toBe(before);
    expect((await ada.login(OLD)).status).toBe(200);
    const token = String(body['access_token']);
    expect((await post('/auth/me', undefined, { token, method: 'GET' })).status).toBe(200);
  });

  it('half a sign-in with it is not finished, though the code is right', async () => {
    const ada = await somebody();
    const { body } = await ada.login(OLD);
    const token = String(body['access_token']);
    const enrolled = await post('/auth/mfa/totp', undefined, { token });
    const code = () =>
      new TOTP({ secret: String(enrolled.body['secret']), period: 30 }).generate({
        timestamp: clock.now(),
      });
    const confirmed = await post('/auth/mfa/totp/confirm', { code: code() }, { token });
    expect(confirmed.status).toBe(200);
    const half = await ada.login(OLD);
    const mfa_token = String(half.body['mfa_token']);
    expect((await ada.change(token)).status).toBe(204);
    await clock.advance(31_000);
    const whole = await post('/auth/mfa/verify', { mfa_token, code: code() });
    expect(whole.body['code']).toBe('TOKEN_INVALID');
    // That was not for the code.
    const again = await ada.login(NEW);
    const finished = await post('/auth/mfa/verify', {
      mfa_token: String(again.body['mfa_token']),
      code: code(),
    });
    expect(finished.status).toBe(200);
  });

  it('devices on which it was used are strangers, so none has guesses of its own at the new one', async () => {
    const ada = await somebody();
    const devices: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      devices.push(String((await ada.login(OLD)).body['device_token']));
    }
    expect((await ada.reset(await ada.mailedReset())).status).toBe(204);
    const guess = (device_token: string, password: string) => {
      const sent = { tenant: ada.slug, email: ada.email, password, device_token };
      return post('/auth/login', sent, { from: '127.0.0.50' });
    };
    const codes: unknown[] = [];
    for (const device of devices) {
      for (let i = 0; i < 3; i += 1) codes.push((await guess(device, `guess ${i}`)).body['code']);
    }
    expect(codes).toEqual([
      ...Array(5).fill('CREDENTIALS_INVALID'),
      ...Array(4).fill('LOCKED_OUT'),
    ]);
    // Where it is used again a device is known again, by another token.
    const { body } = await post(
      '/auth/login',
      { ...{ tenant: ada.slug, email: ada.email, password: NEW }, device_token: devices[0] ?? '' },
      { from: '127.0.0.51' },
    );
    expect(devices).not.toContain(body['device_token']);
    expect((await guess(String(body['device_token']), NEW)).status).toBe(200);
  });

  it('a reset that was mailed before a change sets no other', async () => {
    const ada = await somebody();
    const { body } = await ada.login(OLD);
    const token = await ada.mailedReset();
    expect((await ada.change(String(body['access_token']))).status).toBe(204);
    expect((await ada.reset(token, 'a walk of the evil')).body['code']).toBe('TOKEN_INVALID');
    expect((await ada.login(NEW)).status).toBe(200);
  });

  it('of two changes with it at once one is made', async () => {
    const ada = await somebody();
    const tokens = await Promise.all([ada.login(OLD), ada.login(OLD)]);
    const answers = await Promise.all(
      tokens.map(({ body }) => ada.change(String(body['access_token']))),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401]);
  });
});
