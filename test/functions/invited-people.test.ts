import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '#client/client.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const GONE = [401, 'TOKEN_INVALID'];

describeWithPostgres('who is invited', () => {
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

  async function invited(roles: string[] = ['viewer']) {
    const { tenant, slug } = await people.tenant();
    const owner: Client = api.client(await api.createKey(tenant, ['*']));
    const email = `grace.${crypto.randomUUID().slice(0, 8)}@example.com`;
    const { user_id } = await owner.inviteUser({ body: { email, roles } });
    const mailed = async () => (await people.lastMail(tenant, 'identity.invitation')).token;
    const accept = async (token: string, password = PASSWORD) => {
      const { status, body } = await post('/auth/invitations/accept', { token, password });
      return [status, body['code']];
    };
    const login = async () =>
      (await post('/auth/login', { tenant: slug, email, password: PASSWORD })).status;
    const seen = () => owner.getUser({ user_id });
    return { tenant, slug, owner, user_id, email, mailed, accept, login, seen };
  }

  it('and deactivated before they accept is invited again by an activation, and active once they accept', async () => {
    const { owner, user_id, mailed, accept, login, seen } = await invited();
    const first = await mailed();
    expect(await owner.deactivateUser({ user_id })).toMatchObject({ status: 'deactivated' });
    expect(await accept(first)).toEqual(GONE);

    const again = await owner.activateUser({ user_id });
    expect(again).toMatchObject({ status: 'invited', email_verified: false });
    const second = await mailed();
    expect(second).not.toBe(first);
    expect(await accept(first)).toEqual(GONE);
    expect(await login()).toBe(401);
    // As anybody who is invited: nobody activates them over their head, and they may be invited again.
    await expect(owner.activateUser({ user_id })).rejects.toMatchObject({ code: 'CONFLICT' });
    await owner.inviteAgain({ user_id });
    expect(await accept(second)).toEqual(GONE);

    expect(await accept(await mailed())).toEqual([204, undefined]);
    expect(await seen()).toMatchObject({ status: 'active', email_verified: true });
    expect(await login()).toBe(200);
    // From now on they are somebody who comes back.
    await owner.deactivateUser({ user_id });
    expect(await owner.activateUser({ user_id })).toMatchObject({ status: 'active' });
    expect(await login()).toBe(200);
  });

  it('as an owner leaves the tenant its last one, though they were deactivated and activated', async () => {
    const { tenant, owner, user_id } = await invited(['owner']);
    const only = await people.user(tenant, { roles: ['owner'] });
    await owner.deactivateUser({ user_id });
    await owner.activateUser({ user_id });
    const refused = owner.deactivateUser({ user_id: only.id });
    await expect(refused).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('and deactivated at the same moment as they accept stays deactivated, without a password', async () => {
    const { tenant, user_id, mailed, accept, login, seen } = await invited();
    const token = await mailed();
    const waiting = async () => {
      const { rows } = await database.admin.query(
        'select from one_time_tokens where tenant_id = $1 and user_id = $2',
        [tenant, user_id],
      );
      return rows.length;
    };
    // Somebody else's deactivation, which has the row when the token has just been used up.
    const other = await database.admin.connect();
    try {
      await other.query('begin');
      await other.query('set local idle_in_transaction_session_timeout = 0');
      await other.query(
        `update users set status = 'deactivated', revision = revision + 1
         where tenant_id = $1 and id = $2`,
        [tenant, user_id],
      );
      const accepting = accept(token);
      await expect.poll(waiting, { timeout: 30_000 }).toBe(0);
      await other.query('commit');
      expect(await accepting).toEqual(GONE);
    } finally {
      other.release();
    }
    expect(await seen()).toMatchObject({ status: 'deactivated', email_verified: false });
    expect(await login()).toBe(401);
    const { rows } = await database.admin.query(
      'select password_hash from users where tenant_id = $1 and id = $2',
      [tenant, user_id],
    );
    expect(rows).toEqual([{ password_hash: null }]);
  });

  it('of many who accept at once with one token is one', async () => {
    const { mailed, accept, seen } = await invited();
    const token = await mailed();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => accept(token, `${PASSWORD} ${i}`)),
    );
    expect(answers.filter(([status]) => status === 204)).toHaveLength(1);
    expect(answers.filter(([, code]) => code === 'TOKEN_INVALID')).toHaveLength(9);
    expect((await seen()).status).toBe('active');
  });
});
