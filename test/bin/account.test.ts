import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PlatformWorld, startWorld } from '#test/integration/platform-world.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { cloudflow, type Ended, inProcess } from './cli-process.ts';
import { liveKey } from './live-key.ts';

const PASSWORDS = [
  'a long walk in the rain',
  'another walk in the snow',
  'and one in the sun',
] as const;

/** From an invitation to signing out everywhere, with the mail that comes in between. */
describeWithPostgres('an account of one’s own on the command line', () => {
  let database: TestDatabase;
  let world: PlatformWorld;
  let config = '';
  const email = 'grace@example.com';

  beforeAll(async () => {
    database = await createTestDatabase();
    world = await startWorld(database.url);
    config = await mkdtemp(join(tmpdir(), 'cloudflow-config-'));
  });
  afterAll(async () => {
    await world?.stop();
    await rm(config, { recursive: true, force: true });
  });

  const cli = (args: readonly string[], stdin?: string): Promise<Ended> =>
    cloudflow([...args, '--url', world.platform.baseUrl], {
      env: { XDG_CONFIG_HOME: config },
      ...(stdin === undefined ? {} : { stdin }),
    });
  const signIn = (password: string, address = email): Promise<Ended> => {
    const who = ['--tenant', world.platform.admin.tenant, '--email', address];
    return cli(['login', ...who, '--password-stdin'], password);
  };

  const taken: string[] = [];
  /** The token of a mail of this kind that has not been taken before. */
  async function mailed(template: string): Promise<string> {
    const folder = join(world.platform.state.path, 'mail');
    let token = '';
    await expect
      .poll(
        async () => {
          await world.pass(1);
          const names = (await readdir(folder).catch(() => [])).sort();
          const texts = await Promise.all(
            names.map((name) => readFile(join(folder, name), 'utf8')),
          );
          const tokens = texts
            .filter((text) => text.includes(`About: ${template}`))
            .map((text) => /"token": "([^"]+)"/.exec(text)?.[1] ?? '');
          token = tokens.find((each) => !taken.includes(each)) ?? '';
          return token;
        },
        { timeout: 60_000 },
      )
      .not.toBe('');
    taken.push(token);
    return token;
  }

  it('begins with an invitation; the token and the password come from stdin, and are not shown', async () => {
    const url = ['--url', world.platform.baseUrl, ...(await liveKey(world, database))];
    const invited = await inProcess(['users', 'invite', email, '--role', 'viewer', ...url]);
    expect(invited.status).toBe(0);
    const token = await mailed('identity.invitation');
    const short = await cli(['invitation', 'accept', '--stdin'], token);
    expect([short.status, short.stderr]).toEqual([
      2,
      expect.stringContaining('stdin has 1 lines; give 2: token of the invitation, new password'),
    ]);
    expect(short.stderr).not.toContain(token);
    const nobody = await cli(['invitation', 'accept']);
    expect([nobody.status, nobody.stderr]).toEqual([
      2,
      expect.stringContaining('there is no terminal to ask for the token of the invitation'),
    ]);
    const accepted = await cli(
      ['invitation', 'accept', '--stdin', '--name', 'Grace'],
      `${token}\n${PASSWORDS[0]}\n`,
    );
    expect(accepted).toMatchObject({ status: 0, stderr: '' });
    expect((await signIn(PASSWORDS[0])).status).toBe(0);
    const again = await cli(['invitation', 'accept', '--stdin'], `${token}\n${PASSWORDS[1]}\n`);
    expect([again.status, again.stderr]).toEqual([3, expect.stringContaining('TOKEN_INVALID')]);
  }, 120_000);

  it('has a profile, changed word by word', async () => {
    const changed = await cli(['profile', 'update', '--time-zone', 'Europe/Berlin', '--json']);
    expect(changed.document).toMatchObject({
      user: { name: 'Grace' },
      preferences: { time_zone: 'Europe/Berlin' },
    });
    const more = await cli(['profile', 'update', '--theme', 'dark', '--name', 'Grace Hopper']);
    expect(more.stdout).toMatch(/^time zone +Europe\/Berlin$/m);
    const shown = await cli(['profile', 'show']);
    expect(shown.stdout).toMatch(/^name +Grace Hopper$/m);
    expect((await cli(['profile', 'update'])).status).toBe(2);
  });

  it('changes its password, and sets another with a mailed token', async () => {
    const changed = await cli(
      ['password', 'change', '--stdin'],
      `${PASSWORDS[0]}\n${PASSWORDS[1]}`,
    );
    expect(changed).toMatchObject({ status: 0, stderr: '' });
    expect((await signIn(PASSWORDS[1])).status).toBe(0);
    const who = ['--tenant', world.platform.admin.tenant, '--email', email];
    const asked = await cli(['password', 'forgot', ...who]);
    expect([asked.status, asked.stdout]).toEqual([
      0,
      expect.stringContaining('`cloudflow password reset` takes it'),
    ]);
    const token = await mailed('identity.reset_password');
    const reset = await cli(['password', 'reset', '--stdin'], `${token}\r\n${PASSWORDS[2]}\r\n`);
    expect(reset).toMatchObject({ status: 0, stderr: '' });
    for (const { stdout, stderr } of [changed, asked, reset]) {
      for (const secret of [...PASSWORDS, token]) expect(stdout + stderr).not.toContain(secret);
    }
    expect((await signIn(PASSWORDS[2])).status).toBe(0);
  }, 120_000);

  it('changes its address, which is asked at the new one', async () => {
    const changed = await cli(['address', 'change', 'hopper@example.com', '--stdin'], PASSWORDS[2]);
    expect([changed.status, changed.stderr]).toEqual([0, '']);
    const token = await mailed('identity.confirm_address');
    const confirmed = await cli(['address', 'confirm', '--stdin'], token);
    expect([confirmed.status, confirmed.stderr]).toEqual([0, '']);
    const signedIn = await signIn(PASSWORDS[2], 'hopper@example.com');
    expect([signedIn.status, signedIn.stdout]).toEqual([
      0,
      expect.stringContaining('hopper@example.com'),
    ]);
  }, 120_000);

  it('lists where it is signed in, ends one session, and all of them', async () => {
    const ofGrace = async () => {
      const { document } = await cli(['sessions', 'list', '--json']);
      return (document as { items: { session_id: string; current: boolean }[] }).items;
    };
    const before = await ofGrace();
    await signIn(PASSWORDS[2], 'hopper@example.com');
    const [one, ...others] = await ofGrace();
    expect([one?.current, others.length]).toEqual([true, before.length]);
    expect((await cli(['sessions', 'list'])).stdout).toContain('cloudflow command line (this one)');
    const older = others[0]?.session_id ?? '';
    expect((await cli(['sessions', 'end', older])).stdout).toBe(`session ${older} is over\n`);
    expect((await ofGrace()).map(({ session_id }) => session_id)).not.toContain(older);
    const everybody = await cli(['sessions', 'list', '--any-user']);
    expect([everybody.status, everybody.stderr]).toEqual([
      3,
      expect.stringContaining('PERMISSION_DENIED'),
    ]);
    const key = await liveKey(world, database);
    const seen = await cli(['sessions', 'list', '--any-user', '--json', ...key]);
    const items = (seen.document as { items: { session_id: string }[] }).items;
    expect(items.map(({ session_id }) => session_id)).toContain(one?.session_id);

    expect((await cli(['sessions', 'end-all'])).status).toBe(0);
    // The session is forgotten here, too.
    expect((await cli(['sessions', 'list'])).stderr).toContain('UNAUTHENTICATED');
    expect((await cli(['logout'])).status).toBe(1);
  }, 120_000);

  it('a session of anybody is ended by whoever may', async () => {
    expect((await signIn(PASSWORDS[2], 'hopper@example.com')).status).toBe(0);
    const key = await liveKey(world, database);
    const { document } = await cli(['sessions', 'list', '--json']);
    const [{ session_id, user_id } = { session_id: '', user_id: '' }] = (
      document as { items: { session_id: string; user_id: string }[] }
    ).items;
    const theirs = await cli(['sessions', 'list', '--user', user_id, '--json', ...key]);
    expect((theirs.document as { items: object[] }).items).toHaveLength(1);
    const ended = await cli(['sessions', 'end', session_id, '--any-user', ...key]);
    expect([ended.status, ended.stdout]).toEqual([0, `session ${session_id} is over\n`]);
    await expect
      .poll(async () => (await cli(['profile', 'show'])).status, { timeout: 60_000 })
      .toBe(3);
  }, 120_000);
});
