import { afterAll, beforeAll, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const DAY_MS = 86_400_000;

describeWithPostgres('mail that is asked for', () => {
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

  it('strangers who ask for resets take none from the owner, and their answers tell nothing', async () => {
    const { slug, tenant } = await people.tenant();
    const { email } = await people.user(tenant, { password: PASSWORD });
    const forgot = (from: string, address = email) =>
      post('/auth/password/forgot', { tenant: slug, email: address }, { from });
    expect((await forgot('127.0.0.1')).status).toBe(204);
    const mine = await people.lastMail(tenant, 'identity.reset_password');
    const theirs = [];
    for (let from = 2; from <= 5; from += 1) {
      for (let i = 0; i < 5; i += 1) theirs.push((await forgot(`127.0.0.${from}`)).status);
    }
    expect(theirs).toEqual(Array(20).fill(204));
    const { rows } = await database.admin.query<{ n: number }>(
      `select count(*)::integer as n from one_time_tokens
       where tenant_id = $1 and purpose = 'reset_password'`,
      [tenant],
    );
    expect(rows[0]?.n).toBe(10);
    // Only who asks too often is told so, whether the account exists or not.
    expect((await forgot('127.0.0.2')).status).toBe(429);
    const ghost = 'ghost@example.com';
    for (let i = 0; i < 5; i += 1) expect((await forgot('127.0.0.7', ghost)).status).toBe(204);
    expect((await forgot('127.0.0.7', ghost)).status).toBe(429);
    expect((await forgot('127.0.0.1')).status).toBe(204);
    const reset = { token: mine.token, new_password: 'a short walk in the sun' };
    expect((await post('/auth/password/reset', reset)).status).toBe(204);
  });

  it('takes as long whether there is an account to mail to, or none, or no such tenant', async () => {
    const { slug, tenant } = await people.tenant();
    const { email } = await people.user(tenant, { password: PASSWORD });
    const token = await people.signIn(tenant, { roles: [] });
    const current_password = PASSWORD;
    const asked: Readonly<Record<string, () => ReturnType<Post>>> = {
      'an account': () => post('/auth/password/forgot', { tenant: slug, email }),
      'no account': () => post('/auth/password/forgot', { tenant: slug, email: `no.${email}` }),
      'no tenant': () => post('/auth/password/forgot', { tenant: `no-${slug}`, email }),
      'no address at all': () => post('/auth/password/forgot', { tenant: slug, email: 'a@b' }),
      'another address': () =>
        post('/auth/address', { email: `new.${email}`, current_password }, { token }),
      'an address that is taken': () =>
        post('/auth/address', { email, current_password }, { token }),
    };
    for (const [what, ask] of Object.entries(asked)) {
      const begun = performance.now();
      expect([what, (await ask()).status]).toEqual([what, 204]);
      // No sooner: later than that is the machine's.
      expect([what, performance.now() - begun > 190]).toEqual([what, true]);
    }
  });

  it('goes to the one spelling by which an address is an account, whoever wrote it how', async () => {
    const { tenant } = await people.tenant();
    const key = await api.createKey(tenant, ['*']);
    const n = crypto.randomUUID().slice(0, 8);
    // What is only folded away is another mailbox to a mail server, and may be somebody else's.
    const rows = [
      [`Grace.${n}@Example.com`, `Grace.${n}@Example.com`],
      [`\uff41da.${n}@example.com`, `ada.${n}@example.com`],
      [`\u212aay.${n}@example.com`, `kay.${n}@example.com`],
      [`lin.${n}@b\u00fccher.example`, `lin.${n}@xn--bcher-kva.example`],
    ] as const;
    for (const [written, to] of rows) {
      const invited = await post('/users', { email: written, roles: [] }, { token: key });
      expect([written, invited.status, invited.body['email']]).toEqual([written, 201, to]);
      expect((await people.lastMail(tenant, 'identity.invitation')).to).toBe(to);
    }
    const token = await people.signIn(tenant, { roles: [] });
    const me = async () =>
      (await post('/auth/me', undefined, { token, method: 'GET' })).body['user'];
    for (const [written, to] of rows) {
      const email = `x${written}`;
      const asked = await post('/auth/address', { email, current_password: PASSWORD }, { token });
      expect([email, asked.status]).toEqual([email, 204]);
      const mail = await people.lastMail(tenant, 'identity.confirm_address');
      expect(mail.to).toBe(`x${to}`);
      expect((await post('/auth/address/confirm', { token: mail.token })).status).toBe(204);
    }
    await expect.poll(me, { timeout: 30_000 }).toMatchObject({ email: `x${rows[3][1]}` });
  });

  it('an invitation is sent again, also when it has expired, and the one before ends', async () => {
    const { slug, tenant } = await people.tenant();
    const token = await api.createKey(tenant, ['*']);
    const email = `grace.${crypto.randomUUID().slice(0, 8)}@example.com`;
    const { body } = await post('/users', { email, roles: ['viewer'] }, { token });
    const first = await people.lastMail(tenant, 'identity.invitation');
    const again = () => post(`/users/${String(body['user_id'])}/invitation`, {}, { token });
    const accept = (text: string) =>
      post('/auth/invitations/accept', { token: text, password: PASSWORD });
    expect((await again()).status).toBe(200);
    expect((await accept(first.token)).body['code']).toBe('TOKEN_INVALID');
    await clock.advance(8 * DAY_MS);
    const expired = await people.lastMail(tenant, 'identity.invitation');
    expect((await accept(expired.token)).body['code']).toBe('TOKEN_INVALID');
    expect((await again()).status).toBe(200);
    const last = await people.lastMail(tenant, 'identity.invitation');
    expect((await accept(last.token)).status).toBe(204);
    expect((await post('/auth/login', { tenant: slug, email, password: PASSWORD })).status).toBe(
      200,
    );
    expect((await again()).body['code']).toBe('CONFLICT');
    // Nobody invites again who could not have invited.
    const weak = await api.createKey(tenant, ['user:*']);
    const boss = await post('/users', { email: 'boss@example.com', roles: ['owner'] }, { token });
    const denied = await post(
      `/users/${String(boss.body['user_id'])}/invitation`,
      {},
      { token: weak },
    );
    expect(denied.body['code']).toBe('PERMISSION_DENIED');
  });
});
