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
import { type Post, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const WEEK_MS = 7 * 86_400_000;

describeWithPostgres('the list of sessions', () => {
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

  async function home() {
    const { tenant, slug } = await people.tenant();
    const owner = api.client(await api.createKey(tenant, ['*']));
    const person = async () => {
      const { id, email } = await people.user(tenant, { password: PASSWORD });
      const login = async (device: string, from = '127.0.0.1') => {
        // Ids of sessions are in order of time, and so is the list.
        clock.pass(1_000);
        const body = { tenant: slug, email, password: PASSWORD, device };
        const options = { from, headers: { 'user-agent': `browser of ${device}` } };
        return (await post('/auth/login', body, options))
          .body as unknown as ResponseBody<'refreshTokens'>;
      };
      return { id, login };
    };
    return { tenant, owner, person };
  }
  const mine = (token: string) => api.client(token).listMySessions();

  it('shows whoever they are of each place where they are signed in, and which of them this is', async () => {
    const { person } = await home();
    const [ada, grace] = [await person(), await person()];
    await grace.login('a desk');
    const laptop = await ada.login('a laptop', '127.0.0.3');
    const phone = await ada.login('a phone', '127.0.0.4');
    const { items } = await mine(laptop.access_token);
    expect(items).toMatchObject([
      {
        ...{ session_id: phone.session_id, user_id: ada.id, current: false, device: 'a phone' },
        ...{ user_agent: 'browser of a phone', methods: ['pwd'], mode: 'live' },
      },
      {
        ...{ session_id: laptop.session_id, user_id: ada.id, current: true, device: 'a laptop' },
        user_agent: 'browser of a laptop',
      },
    ]);
    expect(items.map(({ source }) => source)).toEqual(['127.0.0.4', '127.0.0.3']);
    // Where and when it was last used is of its last refresh.
    clock.pass(60_000);
    const token = { refresh_token: phone.refresh_token };
    const moved = await post('/auth/refresh', token, {
      ...{ from: '127.0.0.6', headers: { 'user-agent': 'another browser' } },
    });
    expect(moved.status).toBe(200);
    const [used] = (await mine(laptop.access_token)).items;
    expect(used).toMatchObject({
      ...{ session_id: phone.session_id, device: 'a phone', user_agent: 'another browser' },
      ...{ source: '127.0.0.6', last_used_at: new Date(clock.now()).toISOString() },
    });
  });

  it('shows who may see sessions those of everybody or of one, a page at a time, and marks none as theirs', async () => {
    const { owner, person } = await home();
    const [ada, grace] = [await person(), await person()];
    const all: string[] = [];
    for (const device of ['one', 'two', 'three']) {
      all.unshift((await ada.login(device)).session_id);
    }
    const other = (await grace.login('a desk')).session_id;
    const ids = async (query: { user_id?: string; limit?: number; cursor?: string }) => {
      const page = await owner.listSessions({ query });
      expect(page.items.every(({ current }) => !current)).toBe(true);
      return { ids: page.items.map(({ session_id }) => session_id), next: page.next_cursor };
    };
    expect((await ids({})).ids).toEqual([other, ...all]);
    const first = await ids({ user_id: ada.id, limit: 2 });
    const rest = await ids({ user_id: ada.id, limit: 2, cursor: first.next ?? '' });
    expect([first.ids, rest.ids, rest.next]).toEqual([all.slice(0, 2), all.slice(2), null]);
    // A cursor is of the list that it came from.
    await expect(ids({ user_id: grace.id, cursor: first.next ?? '' })).rejects.toMatchObject({
      code: 'CURSOR_INVALID',
    });
    const reader = api.client(await api.createKey(await api.createTenant(), ['session:read']));
    expect((await reader.listSessions({ query: { user_id: ada.id } })).items).toEqual([]);
  });

  it('shows none that has ended or run out', async () => {
    const { owner, person } = await home();
    const ada = await person();
    const [one, two] = [await ada.login('a laptop'), await ada.login('a phone')];
    await api.client(one.access_token).logout();
    expect((await owner.listSessions()).items.map(({ session_id }) => session_id)).toEqual([
      two.session_id,
    ]);
    clock.pass(WEEK_MS);
    expect((await owner.listSessions()).items).toEqual([]);
  });

  it('lets nobody end sessions of others by their own list, nor ones that are not there', async () => {
    const { owner, person } = await home();
    const [ada, grace] = [await person(), await person()];
    const [hers, theirs] = [await ada.login('a laptop'), await grace.login('a desk')];
    const me = api.client(hers.access_token);
    for (const session_id of [theirs.session_id, '01900000-0000-7000-8000-000000000000']) {
      await expect(me.revokeMySession({ session_id })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    await expect(me.revokeSession({ session_id: theirs.session_id })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    expect((await mine(theirs.access_token)).items).toHaveLength(1);
    const foreign = api.client(await api.createKey(await api.createTenant(), ['*']));
    await expect(foreign.revokeSession({ session_id: hers.session_id })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await owner.revokeSession({ session_id: hers.session_id });
    expect((await owner.listSessions()).items.map(({ user_id }) => user_id)).toEqual([grace.id]);
  });
});
