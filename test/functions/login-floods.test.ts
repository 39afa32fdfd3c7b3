import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createHeldHasher, type HeldHasher } from '#test/support/held-hasher.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { type Post, type Posted, postingTo } from '#test/support/posting.ts';

const PASSWORD = 'a long walk in the rain';
const FLOOD = 'a flood of guesses';
/** More than run and wait at a time. */
const MANY = 32;
const TRIES = 7;

describeWithPostgres('while more sign in than can be hashed', () => {
  let database: TestDatabase;
  let hasher: HeldHasher;
  let api: TestApi;
  let people: People;
  let post: Post;

  beforeAll(async () => {
    database = await createTestDatabase();
    hasher = createHeldHasher();
    api = await startTestApi(database, { hasher });
    people = createPeople(api, database);
    post = postingTo(api.server.url);
  });
  afterAll(() => api?.close());

  /** Nothing is hashed while `act` runs, and the queue is full. */
  async function flooded(slug: string, act: () => Promise<void>): Promise<void> {
    const guess = (i: number) =>
      post(
        '/auth/login',
        { tenant: slug, email: `nobody.${i}@example.com`, password: FLOOD },
        { from: '127.0.0.9' },
      );
    const hold = hasher.hold('hash', FLOOD);
    const first = guess(0);
    await hold.arrived;
    const full = Promise.withResolvers<void>();
    const others = Array.from({ length: MANY }, async (_, i): Promise<Posted> => {
      const answer = await guess(i + 1);
      if (answer.status === 503) full.resolve();
      return answer;
    });
    await full.promise;
    try {
      await act();
    } finally {
      hold.release();
      await Promise.all([first, ...others]);
    }
  }

  const LOGIN = 'a sign-in';
  const CHANGE = 'a change of the password';
  const MOVE = 'a change of the address';
  it.each([LOGIN, CHANGE, MOVE])(
    '%s that is turned away says when to come again, and counts for no guess',
    async (what) => {
      const { slug, tenant } = await people.tenant();
      const { id, email } = await people.user(tenant, { password: PASSWORD });
      const login = () => post('/auth/login', { tenant: slug, email, password: PASSWORD });
      const token = String((await login()).body['access_token']);
      const current_password = PASSWORD;
      const other = `new.${id.slice(0, 8)}@example.com`;
      const tries: Record<string, () => Promise<Posted>> = {
        [LOGIN]: login,
        [CHANGE]: () =>
          post(
            '/auth/password',
            { current_password, new_password: 'a walk in the sun' },
            { token },
          ),
        [MOVE]: () => post('/auth/address', { email: other, current_password }, { token }),
      };
      const attempt = tries[what] as () => Promise<Posted>;
      await flooded(slug, async () => {
        for (let i = 0; i < TRIES; i += 1) {
          const { status, body, retryAfter } = await attempt();
          expect([status, body['code']]).toEqual([503, 'UNAVAILABLE']);
          expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
        }
        // Everybody else goes on.
        expect((await post('/auth/me', undefined, { token, method: 'GET' })).status).toBe(200);
      });
      expect((await attempt()).status).toBe(what === LOGIN ? 200 : 204);
    },
  );
});
