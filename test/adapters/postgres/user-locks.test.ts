import { randomBytes } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { beforeEach, expect, it, vi } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createPostgresExternalIdentities } from '#adapters/postgres/external-sign-in.ts';
import { createPostgresIdentityProviders } from '#adapters/postgres/identity-provider-store.ts';
import { createPostgresSessions } from '#adapters/postgres/session-store.ts';
import { createPostgresUsers } from '#adapters/postgres/user-store.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { TENANT } from '#test/support/platform.ts';
import { bothTenants } from '#test/support/two-tenants.ts';

// Two changes at once, each of which would be right alone. A third holds the row that both need until both have
// come as far as they can, so the order is the same on every machine.

const NOW = 1_700_000_000_000;

describeWithPostgres('locks on users', () => {
  let database: TestDatabase;
  const ids = createIds();
  const [ada, bob] = [ids.next(NOW), ids.next(NOW)];

  beforeEach(async () => {
    database = await createTestDatabase();
    await bothTenants(database.admin);
    for (const id of [ada, bob]) {
      await database.admin.query(
        `insert into users (tenant_id, id, email, address, status, roles, password_revision, revision,
                            created_at, updated_at)
         values ($1, $2::uuid, $2 || '@example.com', $2 || '@example.com', 'active', '{owner}', 1, 1,
                 now(), now())`,
        [TENANT, id],
      );
    }
  });

  /** Sees every one of `doing` ended or waiting before `hold` is let go of. */
  async function whileHeld<T>(
    hold: (client: PoolClient) => Promise<unknown>,
    doing: readonly (() => Promise<T>)[],
  ): Promise<T[]> {
    const client = await database.admin.connect();
    try {
      await client.query('begin');
      await hold(client);
      let ended = 0;
      const all = Promise.all(doing.map((each) => each().finally(() => (ended += 1))));
      await vi.waitFor(
        async () => {
          const { rows } = await database.admin.query<{ waiting: number }>(
            `select count(*)::integer as waiting from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'`,
          );
          expect(ended + (rows[0]?.waiting ?? 0)).toBe(doing.length);
        },
        { timeout: 30_000 },
      );
      await client.query('commit');
      return await all;
    } finally {
      client.release();
    }
  }

  it('of two owners who are deactivated at once one stays', async () => {
    const users = createPostgresUsers(database.pool('cloudflow_app'));
    const gone = { status: 'deactivated' } as const;
    const answers = await whileHeld(
      (client) => client.query('select from users where id = $1 for update', [ada]),
      [ada, bob].map((id) => () => users.update(TENANT, id, gone, null, NOW, 'owner')),
    );
    expect(answers.map(({ kind }) => kind).sort()).toEqual(['last', 'replaced']);
  });

  it('of two ways in that are removed at once one stays', async () => {
    const pool = database.pool('cloudflow_app');
    const identities = createPostgresExternalIdentities(pool);
    for (const name of ['okta', 'corp']) {
      const provider = await provide(pool, name);
      await identities.link({ tenant: TENANT, provider, subject: 'ada', user: ada, now: NOW });
    }
    const answers = await whileHeld(
      // Whoever has counted takes one away, and waits here.
      (client) => client.query('select from external_identities for update'),
      ['okta', 'corp'].map((provider) => () => {
        const unlink = { tenant: TENANT, user: ada, provider, passwordCounts: true, now: NOW };
        return identities.unlink(unlink);
      }),
    );
    expect(answers.sort()).toEqual(['last', 'unlinked']);
  });

  it('no session is opened through a provider that is closed meanwhile', async () => {
    const pool = database.pool('cloudflow_app');
    const sessions = createPostgresSessions(pool, pool);
    const provider = await provide(pool, 'okta');
    const [answer] = await whileHeld(
      (client) => client.query('update identity_providers set enabled = false'),
      [
        () =>
          sessions.open({
            ...{ tenant: TENANT, id: ids.next(NOW), user: ada, mode: 'live', device: null },
            ...{ methods: ['oidc'], client: { userAgent: null, source: null } },
            ...{ secondFactorAt: null, through: { provider, revision: 1 }, passwordRevision: null },
            ...{ now: NOW, expiresAt: NOW + 1e9, refresh: randomBytes(32) },
          }),
      ],
    );
    expect(answer).not.toBe('opened');
    expect((await database.admin.query('select from sessions')).rowCount).toBe(0);
  });

  async function provide(pool: Pool, name: string): Promise<string> {
    const id = ids.next(NOW);
    const issuer = 'https://id.example.com';
    const protocol = { kind: 'oidc', issuer, client_id: 'x', client_auth: 'none' } as const;
    const made = await createPostgresIdentityProviders(pool).create(
      {
        ...{ tenant: TENANT, id, name, secret: null, enabled: true, protocol },
        ...{ emailDomains: [], defaultRoles: null, trustsMfa: false },
      },
      NOW,
    );
    expect(made).toMatchObject({ name });
    return id;
  }

  it.each([
    ['deactivated', `status = 'deactivated'`],
    ['given another password', 'password_revision = 2'],
  ])('no session is opened for who is %s meanwhile', async (_, change) => {
    const pool = database.pool('cloudflow_app');
    const sessions = createPostgresSessions(pool, pool);
    const [answer] = await whileHeld(
      (client) => client.query(`update users set ${change} where id = $1`, [ada]),
      [
        () =>
          sessions.open({
            ...{ tenant: TENANT, id: ids.next(NOW), user: ada, mode: 'live', device: null },
            ...{ methods: ['pwd'], client: { userAgent: null, source: null } },
            ...{ secondFactorAt: null, through: null, passwordRevision: 1 },
            ...{ now: NOW, expiresAt: NOW + 1e9, refresh: randomBytes(32) },
          }),
      ],
    );
    expect(answer).not.toBe('opened');
    const { rowCount } = await database.admin.query('select from sessions');
    expect(rowCount).toBe(0);
  });
});
