import { TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import type { PasswordHasher } from '#ports/password-hasher.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, type Posted, postingTo } from '#test/support/posting.ts';
import { createQuickHasher } from '#test/support/quick-hasher.ts';

const PASSWORD = 'a long walk in the rain';
const WINDOW_MS = 900_000;

interface Door {
  /** A guess that is wrong. */
  wrong(i: number): Promise<Posted>;
  /** What is right then. */
  right(): Promise<Posted>;
  readonly opens: number;
}

describeWithPostgres('guesses, at every door where one can be made,', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let api: TestApi;
  let people: People;
  let post: Post;
  let hashed = 0;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    const quick = createQuickHasher();
    const counting: PasswordHasher = {
      ...quick,
      hash: (password) => {
        hashed += 1;
        return quick.hash(password);
      },
      verify: (hash, password) => {
        hashed += 1;
        return quick.verify(hash, password);
      },
    };
    api = await startTestApi(database, { clock, hasher: counting });
    people = createPeople(api, database);
    post = postingTo(api.server.url);
  });
  afterAll(() => api?.close());

  async function somebody() {
    const { slug, tenant } = await people.tenant();
    const { email, id } = await people.user(tenant, { password: PASSWORD });
    const login = (password = PASSWORD, from = '127.0.0.40') =>
      post('/auth/login', { tenant: slug, email, password }, { from });
    return { slug, tenant, email, id, login };
  }
  const codeOf = (secret: string) =>
    new TOTP({ secret, period: 30 }).generate({ timestamp: clock.now() });
  const refusedCodes = ['000000', '111111', '222222', '333333', '444444', '555555', '666666'];
  const wrongCode = (secret: string, i: number) => {
    const near = [-1, 0, 1].map((step) =>
      new TOTP({ secret, period: 30 }).generate({ timestamp: clock.now() + step * 30_000 }),
    );
    const wrong = refusedCodes.filter((each) => !near.includes(each));
    return wrong[i % wrong.length] as string;
  };

  async function enrolled() {
    const person = await somebody();
    const token = String((await person.login()).body['access_token']);
    const { body } = await post('/auth/mfa/totp', undefined, { token });
    const secret = String(body['secret']);
    const code = codeOf(secret);
    expect((await post('/auth/mfa/totp/confirm', { code }, { token })).status).toBe(200);
    await clock.advance(31_000);
    return { ...person, token, secret };
  }

  /** A session of one account; each door is knocked at from an address of its own. */
  const DOORS: Readonly<Record<string, () => Promise<Door>>> = {
    'signing in': async () => {
      const { login } = await somebody();
      return { opens: 200, wrong: (i) => login(`guess number ${i}`), right: () => login() };
    },
    'signing in, with the second factor': async () => {
      const { login, secret } = await enrolled();
      const mfa_token = String((await login()).body['mfa_token']);
      const verify = (code: string) => post('/auth/mfa/verify', { mfa_token, code });
      return {
        opens: 200,
        wrong: (i) => verify(wrongCode(secret, i)),
        right: async () => {
          // It is good for five minutes; the lock for fifteen.
          const again = String((await login()).body['mfa_token']);
          return post('/auth/mfa/verify', { mfa_token: again, code: codeOf(secret) });
        },
      };
    },
    'stepping up, with a code': async () => {
      const { token, secret } = await enrolled();
      const step = (code: string, of = token) => post('/auth/mfa/step-up', { code }, { token: of });
      return {
        opens: 204,
        wrong: (i) => step(wrongCode(secret, i)),
        right: () => step(codeOf(secret)),
      };
    },
    'removing the second factor': async () => {
      const { token, secret } = await enrolled();
      const remove = (code: string) => post('/auth/mfa/totp/remove', { code }, { token });
      return {
        opens: 204,
        wrong: (i) => remove(wrongCode(secret, i)),
        right: () => remove(codeOf(secret)),
      };
    },
    'confirming an authenticator': async () => {
      const { login } = await somebody();
      const token = String((await login()).body['access_token']);
      const { body } = await post('/auth/mfa/totp', undefined, { token });
      const secret = String(body['secret']);
      const confirm = (code: string) => post('/auth/mfa/totp/confirm', { code }, { token });
      return {
        opens: 200,
        wrong: (i) => confirm(wrongCode(secret, i)),
        right: () => confirm(codeOf(secret)),
      };
    },
    'stepping up, with the password': async () => {
      const { login } = await somebody();
      const token = String((await login()).body['access_token']);
      const step = (password: string) => post('/auth/mfa/step-up', { password }, { token });
      return { opens: 204, wrong: (i) => step(`guess number ${i}`), right: () => step(PASSWORD) };
    },
    'changing the password': async () => {
      const { login } = await somebody();
      const token = String((await login()).body['access_token']);
      const change = (current_password: string) =>
        post('/auth/password', { current_password, new_password: 'a walk in the sun' }, { token });
      return {
        opens: 204,
        wrong: (i) => change(`guess number ${i}`),
        right: () => change(PASSWORD),
      };
    },
    'changing the address': async () => {
      const { login, id } = await somebody();
      const token = String((await login()).body['access_token']);
      const email = `new.${id.slice(0, 8)}@example.org`;
      const change = (current_password: string) =>
        post('/auth/address', { email, current_password }, { token });
      return {
        opens: 204,
        wrong: (i) => change(`guess number ${i}`),
        right: () => change(PASSWORD),
      };
    },
  };

  describe.each(Object.keys(DOORS))('%s', (name) => {
    const door = () => (DOORS[name] as () => Promise<Door>)();

    it('are five; the sixth is not looked at, right or wrong, for a quarter of an hour', async () => {
      const { wrong, right, opens } = await door();
      for (let i = 0; i < 5; i += 1) {
        expect((await wrong(i)).body['code']).toBe('CREDENTIALS_INVALID');
      }
      const before = hashed;
      const sixth = await wrong(5);
      expect([sixth.status, sixth.body['code']]).toEqual([429, 'LOCKED_OUT']);
      expect(Number(sixth.retryAfter)).toBeGreaterThan(800);
      if (!name.startsWith('signing in, with')) {
        expect((await right()).body['code']).toBe('LOCKED_OUT');
        expect(hashed).toBe(before);
      }
      await clock.advance(WINDOW_MS - 60_000);
      expect((await wrong(6)).status).not.toBe(opens);
    });

    it('of two hundred at once five are looked at', async () => {
      const { wrong } = await door();
      const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => wrong(i)));
      const codes = answers.map(({ body }) => body['code']);
      const looked = codes.filter((code) => code === 'CREDENTIALS_INVALID');
      expect(looked.length).toBeGreaterThanOrEqual(1);
      expect(looked.length).toBeLessThanOrEqual(5);
      expect(new Set(codes)).toEqual(new Set(['CREDENTIALS_INVALID', 'LOCKED_OUT']));
    });

    it('that were four are forgotten by what is right', async () => {
      const { wrong, right, opens } = await door();
      for (let i = 0; i < 4; i += 1) await wrong(i);
      expect((await right()).status).toBe(opens);
    });
  });

  it('cost one hash and answer one thing, whoever does not get in', async () => {
    const { slug, tenant, email } = await somebody();
    const key = await api.createKey(tenant, ['*']);
    const owner = api.client(key);
    const gone = await people.user(tenant, { password: PASSWORD });
    await owner.deactivateUser({ user_id: gone.id });
    const guest = `guest.${email}`;
    await owner.inviteUser({ body: { email: guest, roles: [] } });
    // As somebody who signs in elsewhere alone.
    const passwordless = await people.user(tenant);
    const guesses: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      'a wrong password': { tenant: slug, email, password: 'not this one' },
      'no such account': { tenant: slug, email: `no.${email}` },
      'no such tenant': { tenant: `no-${slug}`, email },
      'no address at all': { tenant: slug, email: 'a@b' },
      'who is deactivated': { tenant: slug, email: gone.email },
      'who is invited': { tenant: slug, email: guest },
      'who has no password': { tenant: slug, email: passwordless.email },
    };
    const answers = new Set<string>();
    for (const [who, guess] of Object.entries(guesses)) {
      const before = hashed;
      const { status, body } = await post('/auth/login', { password: PASSWORD, ...guess });
      expect([who, hashed - before]).toEqual([who, 1]);
      answers.add(JSON.stringify({ status, ...body, request_id: null }));
    }
    expect([...answers]).toEqual([expect.stringContaining('CREDENTIALS_INVALID')]);
  });

  it.each([true, false])(
    'count together however the account is spelled; it exists: %j',
    async (there) => {
      const { slug, tenant } = await people.tenant();
      const n = crypto.randomUUID().slice(0, 8);
      const email = `kay.${n}@example.com`;
      if (there) await people.user(tenant, { email, password: PASSWORD });
      const from = '127.0.0.41';
      const login = (spelling: string, password: string) =>
        post('/auth/login', { tenant: slug, email: spelling, password }, { from });
      const spellings = [
        email,
        email.toUpperCase(),
        `${email}.`,
        `\u212aay.${n}@example.com`,
        `kay.${n}@\uff45xample.com`,
      ];
      for (const spelling of spellings) {
        const { body } = await login(spelling, 'not this one');
        expect([spelling, body['code']]).toEqual([spelling, 'CREDENTIALS_INVALID']);
      }
      for (const spelling of spellings) {
        expect((await login(spelling, PASSWORD)).body['code']).toBe('LOCKED_OUT');
      }
    },
  );

  it('from one source towards everybody are a hundred, and another source goes on', async () => {
    const { login, slug } = await somebody();
    const codes = new Map<unknown, number>();
    for (let i = 0; i < 110; i += 1) {
      const sent = { tenant: slug, email: `ghost${i}@example.com`, password: 'whatever it is' };
      const { body } = await post('/auth/login', sent, { from: '127.0.7.7' });
      codes.set(body['code'], (codes.get(body['code']) ?? 0) + 1);
    }
    expect(Object.fromEntries(codes)).toEqual({ CREDENTIALS_INVALID: 100, LOCKED_OUT: 10 });
    expect((await login(PASSWORD, '127.0.7.7')).body['code']).toBe('LOCKED_OUT');
    expect((await login(PASSWORD, '127.0.7.8')).status).toBe(200);
    await clock.advance(WINDOW_MS + 1);
    expect((await login(PASSWORD, '127.0.7.7')).status).toBe(200);
  });

  it('towards one account from everywhere are a hundred, known or not', async () => {
    const { login, slug } = await somebody();
    const ghost = (from: string) =>
      post('/auth/login', { tenant: slug, email: 'ghost@example.com', password: 'x' }, { from });
    for (const guess of [(from: string) => login('not this one', from), ghost]) {
      const codes: unknown[] = [];
      for (let source = 1; source <= 22; source += 1) {
        for (let i = 0; i < 5; i += 1) codes.push((await guess(`127.0.8.${source}`)).body['code']);
      }
      expect(codes.filter((code) => code === 'CREDENTIALS_INVALID')).toHaveLength(100);
      expect(codes.slice(100)).toEqual(Array(10).fill('LOCKED_OUT'));
      await clock.advance(WINDOW_MS + 1);
    }
  });
});
