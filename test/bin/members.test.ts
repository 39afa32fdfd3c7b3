import { afterAll, beforeAll, expect, it } from 'vitest';
import { PERMISSIONS } from '#contract/permissions.ts';
import { type PlatformWorld, startWorld } from '#test/integration/platform-world.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { type Ended, inProcess } from './cli-process.ts';
import { liveKey } from './live-key.ts';

/** A tenant, its people and what they may do, as whoever administers it types it. */
describeWithPostgres('people and roles on the command line', () => {
  let database: TestDatabase;
  let world: PlatformWorld;
  let where: readonly string[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    world = await startWorld(database.url);
    where = ['--url', world.platform.baseUrl, ...(await liveKey(world, database))];
  });
  afterAll(() => world?.stop());

  const cli = (...args: string[]): Promise<Ended> => inProcess([...args, ...where]);
  const invited = async (email: string, ...more: string[]): Promise<string> => {
    const made = await cli('users', 'invite', email, '--json', ...more);
    return (made.document as { user_id: string }).user_id;
  };

  it('a role is made, seen, changed word by word, and deleted', async () => {
    const made = await cli(
      ...['roles', 'create', 'nightwatch', '--about', 'who is woken', '--scope', 'execution:read'],
    );
    expect(made).toMatchObject({ status: 0, stdout: 'role nightwatch allows execution:read\n' });
    const list = await cli('roles', 'list');
    expect(list.stdout).toMatch(/^owner +everybody’s /m);
    expect(list.stdout).toMatch(/^nightwatch +your own +who is woken +execution:read$/m);
    const more = ['--scope', 'execution:read', '--scope', 'execution:control'];
    const changed = await cli('roles', 'update', 'nightwatch', ...more);
    expect(changed.stdout).toBe('role nightwatch allows execution:read, execution:control\n');
    // What is not said stays.
    const shown = await cli('roles', 'show', 'nightwatch');
    expect(shown.stdout).toMatch(/^about +who is woken$/m);
    const said = await cli('roles', 'update', 'nightwatch', '--about', 'others', '--json');
    expect(said.document).toMatchObject({
      about: 'others',
      scopes: ['execution:read', 'execution:control'],
    });
    expect((await cli('roles', 'update', 'nightwatch')).status).toBe(2);
    const wrong = await cli('roles', 'create', 'odd', '--scope', 'execution:eat');
    expect([wrong.status, wrong.stderr]).toEqual([3, expect.stringContaining('REQUEST_INVALID')]);
    expect((await cli('roles', 'delete', 'nightwatch')).stdout).toBe(
      'role nightwatch is deleted\n',
    );
    const gone = await cli('roles', 'show', 'nightwatch');
    expect([gone.status, gone.stderr]).toEqual([3, expect.stringContaining('NOT_FOUND')]);
  });

  it('every permission is listed, with those that ask for a second factor', async () => {
    const list = await cli('roles', 'permissions');
    expect(list.stdout.trimEnd().split('\n')).toHaveLength(Object.keys(PERMISSIONS).length + 1);
    expect(list.stdout).toMatch(/^user:write +asked for +invite/m);
    expect(list.stdout).toMatch(/^workflow:read +see definitions/m);
  });

  it('a user is seen, changed word by word, let in no more and let in again', async () => {
    const id = await invited('grace@example.com', '--role', 'viewer', '--name', 'Grace');
    const shown = await cli('users', 'show', id);
    expect(shown.stdout).toMatch(/^address +grace@example\.com, not confirmed$/m);
    expect(shown.stdout).toMatch(/^roles +viewer$/m);
    const roles = await cli('users', 'update', id, '--role', 'author', '--role', 'approver');
    expect(roles.stdout).toMatch(/has the roles (?:author, approver|approver, author)\n$/);
    const named = await cli('users', 'update', id, '--name', 'Grace Hopper', '--json');
    expect(named.document).toMatchObject({ name: 'Grace Hopper' });
    expect((named.document as { roles: string[] }).roles.sort()).toEqual(['approver', 'author']);
    expect((await cli('users', 'update', id, '--no-roles')).stdout).toContain('has no role');
    expect((await cli('users', 'update', id)).status).toBe(2);
    const both = await cli('users', 'update', id, '--role', 'viewer', '--no-roles');
    expect(both).toMatchObject({ status: 2 });
    expect((await cli('users', 'update', id, '--no-roles', '--role', 'viewer')).status).toBe(2);
    const listed = await cli('users', 'list', '--status', 'invited', '--json');
    const { items } = listed.document as { items: { email: string }[] };
    expect(items.map(({ email }) => email)).toEqual(['grace@example.com']);
    expect((await cli('users', 'list', '--role', 'approver')).stdout).toBe(
      'no user is like that\n',
    );
    expect((await cli('users', 'deactivate', id)).stdout).toContain('signs in no more');
    expect((await cli('users', 'show', id)).stdout).toMatch(/^status +deactivated$/m);
    const activated = await cli('users', 'activate', id);
    expect(activated.stdout).toContain('never accepted an invitation, and is sent another one');
    expect((await cli('users', 'reset-mfa', id)).stdout).toContain('no authenticator any more');
  });

  it('settings of the tenant are seen, and changed one by one', async () => {
    expect((await cli('tenant', 'show')).stdout).toMatch(/^web pages +none may call$/m);
    const origins = ['--origin', 'https://a.example.com', '--origin', 'https://b.example.com'];
    const pages = await cli('tenant', 'update', ...origins, '--requests-per-minute', '20000');
    expect(pages.stdout).toMatch(
      /^web pages +https:\/\/a\.example\.com, https:\/\/b\.example\.com$/m,
    );
    const named = await cli('tenant', 'update', '--name', 'Acme & Sons', '--json');
    expect(named.document).toMatchObject({
      name: 'Acme & Sons',
      settings: {
        allowed_origins: ['https://a.example.com', 'https://b.example.com'],
        requests_per_minute: 20_000,
      },
    });
    const usual = ['--requests-per-minute', 'default', '--no-origins', '--json'];
    expect((await cli('tenant', 'update', ...usual)).document).toMatchObject({
      settings: { allowed_origins: [], requests_per_minute: null },
    });
    const nothing = await cli('tenant', 'update');
    expect([nothing.status, nothing.stderr]).toEqual([
      2,
      expect.stringContaining('nothing is to be changed'),
    ]);
    const much = await cli('tenant', 'update', '--requests-per-minute', '999999999');
    expect([much.status, much.stderr]).toEqual([2, expect.stringContaining('1 to 300000')]);
  });

  it('a key is seen without its text', async () => {
    const [, key = ''] = where.slice(-2);
    const shown = await cli('keys', 'show', key.slice('cfk_live_'.length).slice(0, 8));
    expect(shown.stdout).toMatch(/^for +every workflow$/m);
    expect(shown.stdout).not.toContain(key);
  });
});
