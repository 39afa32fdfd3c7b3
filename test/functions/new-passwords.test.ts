import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, type Posted, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const NEW = 'a short walk in the sun';

/** Who sets a password by `set`, and how they sign in. */
interface Setting {
  readonly email: string;
  set(password: string): Promise<Posted>;
  login(password: string): Promise<Posted>;
}

describeWithPostgres('a new password', () => {
  let database: TestDatabase;
  let api: TestApi;
  let people: People;
  let post: Post;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
    people = createPeople(api, database);
    post = postingTo(api.server.url);
  });
  afterAll(() => api?.close());

  async function somebody(name: string | null = null) {
    const { slug, tenant } = await people.tenant();
    const local = `person.${crypto.randomUUID().slice(0, 8)}`;
    const email = `${local}@example.com`;
    const { id } = await people.user(tenant, { email, password: PASSWORD });
    await database.admin.query('update users set name = $2 where id = $1', [id, name]);
    const login = (password: string) =>
      post('/auth/login', { tenant: slug, email, password }, { from: '127.0.0.5' });
    return { slug, tenant, id, email, login };
  }

  const WAYS: Readonly<Record<string, (name?: string) => Promise<Setting>>> = {
    'by a change': async (name) => {
      const { email, login } = await somebody(name);
      const token = String((await login(PASSWORD)).body['access_token']);
      const set = (new_password: string) =>
        post('/auth/password', { current_password: PASSWORD, new_password }, { token });
      return { email, login, set };
    },
    'by a reset': async (name) => {
      const { slug, tenant, email, login } = await somebody(name);
      await post('/auth/password/forgot', { tenant: slug, email });
      const { token } = await people.lastMail(tenant, 'identity.reset_password');
      const set = (new_password: string) => post('/auth/password/reset', { token, new_password });
      return { email, login, set };
    },
    'by an invitation': async (name) => {
      const { slug, tenant } = await people.tenant();
      const key = await api.createKey(tenant, ['*']);
      const email = `guest.${crypto.randomUUID().slice(0, 8)}@example.com`;
      const invitation = { email, roles: [], name: name ?? 'Grace Hopper' };
      await post('/users', invitation, { token: key });
      const { token } = await people.lastMail(tenant, 'identity.invitation');
      const set = (password: string) => post('/auth/invitations/accept', { token, password });
      const login = (password: string) => post('/auth/login', { tenant: slug, email, password });
      return { email, login, set };
    },
  };

  describe.each(Object.keys(WAYS))('%s', (way) => {
    const begin = (name?: string) => (WAYS[way] as (typeof WAYS)[string])(name);

    it.each([
      ['of seven characters', () => 'a7 b7 c'],
      ['of a hundred and twenty-nine', () => 'walk '.repeat(26).slice(0, 129)],
      ['of seven, that take more bytes', () => '🌧🌦🌤🌩🌪🌫🌬'],
      ['that is guessed first', () => 'password123'],
      ['that is guessed first, in capitals', () => 'PASSWORD123'],
      ['that is guessed first, in letters of another width', () => 'ｐａｓｓｗｏｒｄ１２３'],
      ['that is their address', (email: string) => email],
      ['that is their address in capitals', (email: string) => email.toUpperCase()],
      ['that begins their address', (email: string) => email.split('@')[0] as string],
      ['that is their name', () => 'Lovelaceandbyron'],
    ] as const)('%s is refused, with what is wrong, and the same is tried again', async (_, of) => {
      const { email, set, login } = await begin('Ada Lovelaceandbyron');
      const given = of(email);
      const refused = await set(given);
      expect([refused.status, refused.body['code']]).toEqual([422, 'PASSWORD_UNSUITABLE']);
      const [problem] = refused.body['problems'] as { pointer: string; allowed: string }[];
      const pointer = way === 'by an invitation' ? '/body/password' : '/body/new_password';
      expect(problem?.pointer).toBe(pointer);
      expect(problem?.allowed).toMatch(/\S/);
      expect(JSON.stringify(refused.body)).not.toContain(given);
      expect((await login(given)).status).toBe(401);
      // The proof was not used up by it.
      expect((await set(NEW)).status).toBe(204);
      expect((await login(NEW)).status).toBe(200);
    });

    it('of eight characters, or a hundred and twenty-eight, is taken', async () => {
      const long = `${'walk '.repeat(25)}end`;
      expect(long).toHaveLength(128);
      for (const password of ['xq7 vw 3', long]) {
        const { set, login } = await begin();
        expect((await set(password)).status).toBe(204);
        expect((await login(password)).status).toBe(200);
      }
    });

    it('of a hundred and twenty-eight letters is taken apart into as many parts as there are', async () => {
      const letters = '\u1f82'.repeat(128);
      expect([...letters.normalize('NFD')]).toHaveLength(512);
      const { set, login } = await begin();
      expect((await set(letters.normalize('NFD'))).status).toBe(204);
      expect((await login(letters)).status).toBe(200);
      expect((await login(letters.normalize('NFD'))).status).toBe(200);
    });

    it('is the same in every composition of its letters', async () => {
      const { set, login } = await begin();
      expect((await set('caf\u00e9 au lait \ufb01n')).status).toBe(204);
      expect((await login('cafe\u0301 au lait fin')).status).toBe(200);
    });
  });

  it('that no password can be is refused at every door alike, and told nobody again', async () => {
    const { slug, email, login } = await somebody();
    const token = String((await login(PASSWORD)).body['access_token']);
    const long = 'z'.repeat(513);
    const at = { token };
    const doors: Readonly<Record<string, Promise<Posted>>> = {
      '/body/password of signing in': login(long),
      '/body/password of proving it again': post('/auth/mfa/step-up', { password: long }, at),
      '/body/current_password of a change': post(
        '/auth/password',
        { current_password: long, new_password: NEW },
        at,
      ),
      '/body/new_password of a change': post(
        '/auth/password',
        { current_password: PASSWORD, new_password: long },
        at,
      ),
      '/body/current_password of another address': post(
        '/auth/address',
        { email: `x.${email}`, current_password: long },
        at,
      ),
      '/body/new_password of a reset': post('/auth/password/reset', {
        ...{ token: `cfp_${'A'.repeat(43)}`, new_password: long },
      }),
      '/body/password of an invitation': post('/auth/invitations/accept', {
        ...{ token: `cfi_${'A'.repeat(43)}`, password: long },
      }),
    };
    for (const [door, asked] of Object.entries(doors)) {
      const { status, body } = await asked;
      const [problem] = body['problems'] as { pointer: string; allowed: string }[];
      expect([door, status, body['code']]).toEqual([door, 400, 'REQUEST_INVALID']);
      expect([door, door.startsWith(`${problem?.pointer} of `)]).toEqual([door, true]);
      expect(problem?.allowed).toContain('512');
      expect(JSON.stringify(body)).not.toContain('zzzz');
    }
    // None of them was a guess.
    expect((await post('/auth/login', { tenant: slug, email, password: PASSWORD })).status).toBe(
      200,
    );
  });

  it('by a change ends every other session and its refreshes, and leaves the one that made it', async () => {
    const { login, tenant, id } = await somebody();
    const [here, there] = [(await login(PASSWORD)).body, (await login(PASSWORD)).body];
    const token = String(here['access_token']);
    const changed = await post(
      '/auth/password',
      { current_password: PASSWORD, new_password: NEW },
      { token },
    );
    expect([changed.status, changed.body]).toEqual([204, {}]);
    const refresh = (of: typeof here) =>
      post('/auth/refresh', { refresh_token: String(of['refresh_token']) });
    expect((await refresh(there)).body['code']).toBe('TOKEN_INVALID');
    const mine = await refresh(here);
    expect(mine.status).toBe(200);
    const again = String(mine.body['access_token']);
    const me = await post('/auth/me', undefined, { token: again, method: 'GET' });
    expect(me.status).toBe(200);
    expect((await login(PASSWORD)).body['code']).toBe('CREDENTIALS_INVALID');
    expect((await login(NEW)).status).toBe(200);
    const { rows } = await database.admin.query(
      `select ended_because, count(*)::integer as n from sessions
       where tenant_id = $1 and user_id = $2 and ended_at is not null group by 1`,
      [tenant, id],
    );
    expect(rows).toEqual([{ ended_because: 'password_changed', n: 1 }]);
  });

  it('by a change is not set without the current one, whatever else is right', async () => {
    const { login } = await somebody();
    const token = String((await login(PASSWORD)).body['access_token']);
    const set = (current_password: string) =>
      post('/auth/password', { current_password, new_password: NEW }, { token });
    const refused = await set('a walk of somebody else');
    expect([refused.status, refused.body['code']]).toEqual([401, 'CREDENTIALS_INVALID']);
    expect((await login(NEW)).status).toBe(401);
    expect((await login(PASSWORD)).status).toBe(200);
  });
});
