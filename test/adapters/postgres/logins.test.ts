import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { giveLogins } from '#adapters/postgres/logins.ts';
import { createPool, IDLE_IN_TRANSACTION_MS } from '#adapters/postgres/pool.ts';
import { createIamPassword } from '#adapters/rds/iam-password.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

describeWithPostgres('roles that log in as themselves, as on AWS', () => {
  let database: TestDatabase;
  const role = 'cloudflow_login';
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    // Roles belong to the server, which other files use.
    await database?.admin.query(`alter role ${role} nologin password null`);
    await database?.admin.query(`alter role ${role} reset all`);
  });

  it('are let in by a password made for each session, with the settings of every session', async () => {
    await giveLogins(database.url, [role]);
    await giveLogins(database.url, [role]); // at every deployment
    await database.admin.query(`alter role ${role} password 'token'`);
    const asked: string[] = [];
    const url = new URL(database.url);
    url.username = '';
    url.password = '';
    url.searchParams.set('sslmode', 'disable');
    const pool = createPool({
      url: url.href,
      role,
      password: async (name) => {
        asked.push(name);
        return 'token';
      },
      max: 2,
      name: 'test',
      log: createSilentLog(),
    });
    const settings = async (client: { query: typeof pool.query }) =>
      (
        await client.query(
          `select session_user, current_user,
                  current_setting('idle_in_transaction_session_timeout') as idle,
                  current_setting('timezone') as zone, now() as time`,
        )
      ).rows[0];
    const [one, two] = [await pool.connect(), await pool.connect()];
    const expected = {
      session_user: role,
      current_user: role,
      idle: `${IDLE_IN_TRANSACTION_MS}ms`,
      zone: 'UTC',
      time: expect.any(Number),
    };
    expect(await settings(one)).toEqual(expected);
    expect(await settings(two)).toEqual(expected);
    one.release();
    two.release();
    await pool.end();
    expect(asked).toEqual([role, role]);
  });

  it('get a password that IAM signs: for this host, this role and fifteen minutes', async () => {
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'nobody');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'nothing');
    try {
      const password = createIamPassword('postgres://db.example/cloudflow?sslmode=verify-full');
      const token = new URL(`https://${await password(role)}`);
      expect(token.host).toBe('db.example:5432');
      expect(Object.fromEntries(token.searchParams)).toMatchObject({
        Action: 'connect',
        DBUser: role,
        'X-Amz-Expires': '900',
        'X-Amz-Credential': expect.stringMatching(/^nobody\/\d{8}\/eu-central-1\/rds-db\//),
      });
      expect(await password('cloudflow_app')).not.toBe(await password(role));
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
