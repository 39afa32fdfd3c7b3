import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createArgon2Hasher } from '#adapters/argon2/password-hasher.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import type { PasswordHasher } from '#ports/password-hasher.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { createQuickHasher } from '#test/support/quick-hasher.ts';

const PASSWORD = 'a long walk in the rain';
const FLOOD = 60;

describeWithPostgres('signing in', () => {
  let database: TestDatabase;
  let api: TestApi;
  let people: People;
  let tenant: string;
  let slug: string;
  let key: string;
  const lines: string[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database, {
      hasher: createArgon2Hasher(),
      log: createJsonLog({ write: (line) => lines.push(line), level: 'debug', time: () => '' }),
    });
    people = createPeople(api, database);
    ({ tenant, slug } = await people.tenant());
    key = await api.createKey(tenant, ['*']);
  });
  afterAll(() => api?.close());

  const send = (
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
  ) =>
    fetch(api.server.url + path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const login = (email: string, password: string) =>
    send('POST', '/api/v1/auth/login', { tenant: slug, email, password });

  it('a flood is told when to come again beyond its queue, and harms no other route', async () => {
    const quick = createQuickHasher();
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    let hashing = 0;
    let most = 0;
    // No hash ends before it may: what happens beside them does not depend on how fast they are.
    const held: PasswordHasher = {
      ...quick,
      async hash(password) {
        hashing += 1;
        most = Math.max(most, hashing);
        await opened;
        hashing -= 1;
        return quick.hash(password);
      },
    };
    const flooded = await startTestApi(database, { hasher: held });
    try {
      const answers: (readonly [number, string, string | null])[] = [];
      const flood = Array.from({ length: FLOOD }, async (_, i) => {
        const response = await fetch(`${flooded.server.url}/api/v1/auth/login`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ tenant: slug, email: `nobody${i}@example.com`, password: 'x' }),
        });
        const { code } = (await response.json()) as { code: string };
        answers.push([response.status, code, response.headers.get('retry-after')]);
      });
      // One is hashed, and 24 wait: the others are told at once.
      await expect.poll(() => answers.length, { timeout: 60_000 }).toBe(FLOOD - 25);
      for (const answer of answers) expect(String(answer)).toMatch(/^503,UNAVAILABLE,[1-9]\d*$/);
      for (let i = 0; i < 20; i++) {
        const response = await fetch(`${flooded.server.url}/api/v1/workflows`, {
          headers: { authorization: `Bearer ${key}` },
        });
        expect(response.status).toBe(200);
        await response.arrayBuffer();
      }
      expect(answers).toHaveLength(FLOOD - 25);
      open();
      await Promise.all(flood);
      expect(answers.filter(([status]) => status === 401)).toHaveLength(25);
      expect(most).toBe(1);
    } finally {
      open();
      await flooded.close();
    }
  }, 120_000);

  it('a hash that was made at another cost is made anew by the next right password, and by no wrong one', async () => {
    const argon2 = createRequire(import.meta.url)('argon2') as typeof import('argon2');
    const { id, email } = await people.user(tenant);
    const cheap = await argon2.hash(PASSWORD, {
      ...{ type: argon2.argon2id, memoryCost: 8_192, timeCost: 2, parallelism: 1 },
    });
    await database.admin.query('update users set password_hash = $2 where id = $1', [id, cheap]);
    const stored = async () =>
      (await database.admin.query('select password_hash from users where id = $1', [id])).rows[0]
        .password_hash as string;
    expect((await login(email, 'something else entirely')).status).toBe(401);
    expect(await stored()).toBe(cheap);
    expect((await login(email, PASSWORD)).status).toBe(200);
    expect(await stored()).toMatch(/^\$argon2id\$v=19\$m=65536,(?:p=1,t=4|t=4,p=1)\$/);
    expect((await login(email, PASSWORD)).status).toBe(200);
  }, 60_000);

  it('nothing that a caller sends in any place is in the log, whatever is answered', async () => {
    let planted = 0;
    /** Found again wherever it ends up. */
    const canary = (): string => {
      planted += 1;
      return `Canary${planted}Zq7`;
    };
    const auth = { authorization: `Bearer ${key}` };
    const answers = [
      await login(`${canary()}@example.com`, canary()),
      await send('POST', '/api/v1/auth/login', {
        tenant: canary(),
        email: 'a@b.example',
        password: canary(),
      }),
      await send('POST', '/api/v1/auth/refresh', {
        refresh_token: `cfr_${canary().padEnd(43, 'x')}`,
      }),
      await send('POST', '/api/v1/auth/password/reset', {
        token: canary(),
        new_password: canary(),
      }),
      await send('POST', '/api/v1/auth/login', { [canary()]: canary() }),
      await send(
        'POST',
        '/api/v1/users',
        { email: `${canary()}@example.com`, name: canary(), roles: [] },
        auth,
      ),
      await send('POST', '/api/v1/users', { email: canary(), roles: [canary()] }, auth),
      await send('GET', `/api/v1/workflows?text=${canary()}&${canary()}=1`, undefined, auth),
      await send('GET', `/api/v1/${canary()}/${canary()}`, undefined, auth),
      await send('POST', `/api/v1/callbacks/cfcb_${canary().padEnd(43, 'x')}/complete`, {
        result: canary(),
      }),
      await send('GET', '/api/v1/workflows', undefined, { authorization: `Bearer ${canary()}` }),
      await send('GET', '/api/v1/workflows', undefined, {
        ...auth,
        cookie: `a=${canary()}`,
        'user-agent': canary(),
        'x-forwarded-for': canary(),
        'x-correlation-id': `${canary()} with blanks`,
        'x-api-key': canary(),
      }),
      await send(
        'POST',
        '/api/v1/connections',
        {
          name: 'shop',
          connection: {
            type: 'postgres',
            ...{ host: `${canary().toLowerCase()}.example.com`, database: canary().toLowerCase() },
            login: { username: canary(), secret: 'shop-password' },
          },
          secrets: { 'shop-password': canary() },
        },
        auth,
      ),
      await send('PUT', '/api/v1/workflows/greeting', canary(), auth),
    ];
    expect(answers.every(({ status }) => status < 500)).toBe(true);
    // And where we fail ourselves: what PostgreSQL says of a row quotes it.
    await database.admin.query(
      `create function refuse() returns trigger language plpgsql as
       $$ begin raise exception 'no: %', new.email using detail = new.name; end $$`,
    );
    await database.admin.query(
      'create trigger refuse before insert on users for each row execute function refuse()',
    );
    const failed = await send(
      'POST',
      '/api/v1/users',
      { email: `${canary()}@example.com`, name: canary(), roles: [] },
      auth,
    );
    await database.admin.query('drop trigger refuse on users');
    expect(failed.status).toBe(500);
    const told = await failed.text();
    expect(told).not.toMatch(/canary/i);
    const log = lines.join('\n');
    expect(planted).toBeGreaterThan(25);
    expect(log).toContain('REQUEST_FAILED');
    const leaks = lines.filter((line) => /canary\d/i.test(line));
    expect(leaks).toEqual([]);
    expect(log).not.toContain(key);
  }, 60_000);
});
