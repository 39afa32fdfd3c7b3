import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TOTP, URI } from 'otpauth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PlatformWorld, startWorld } from '#test/integration/platform-world.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { cloudflow, type Ended } from './cli-process.ts';

/** Commands about who may do what, as somebody types them, each a process of its own. */
describeWithPostgres('signing in on the command line', () => {
  let world: PlatformWorld;
  let config = '';

  beforeAll(async () => {
    world = await startWorld((await createTestDatabase()).url);
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

  it('is remembered for the commands that follow, in a file for its owner alone', async () => {
    const { tenant, email, password } = world.platform.admin;
    const who = ['--tenant', tenant, '--email', email, '--password-stdin'];
    const signedIn = await cli(['login', ...who], `${password}\n`);
    expect(signedIn).toMatchObject({ status: 0, stderr: '' });
    expect(signedIn.stdout).toContain(email);

    const file = join(config, 'cloudflow', 'credentials.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).not.toContain(password);

    const me = await cli(['whoami', '--json']);
    expect(me.document).toMatchObject({ kind: 'user', tenant, user: { email, roles: ['owner'] } });
    const users = await cli(['users', 'list']);
    expect(users.stdout).toContain(email);

    const refused = await cli(['keys', 'create', 'ci', '--scope', 'workflow:read']);
    expect(refused.status).toBe(3);
    expect(refused.stderr).toContain('MFA_REQUIRED');

    expect((await cli(['logout'])).stdout).toContain('signed out');
    expect((await cli(['whoami'])).status).toBe(3);
    expect((await cli(['logout'])).status).toBe(1);
  });

  it('says what is wrong in a sentence, and never shows a password', async () => {
    const { tenant, email } = world.platform.admin;
    const who = ['--tenant', tenant, '--email', email, '--password-stdin'];
    const wrong = await cli(['login', ...who], 'not the password');
    expect(wrong.status).toBe(3);
    expect(wrong.stderr).toContain('CREDENTIALS_INVALID');
    expect(wrong.stderr + wrong.stdout).not.toContain('not the password');
    const silent = await cli(['login', '--tenant', tenant]);
    expect(silent.status).toBe(2);
    expect(silent.stderr).toContain('there is no terminal to ask for the address');
  });

  it('says where it may not write, and stays itself', async () => {
    const { tenant, email, password } = world.platform.admin;
    const ended = await cloudflow(
      [
        ...['login', '--url', world.platform.baseUrl],
        ...['--tenant', tenant, '--email', email, '--password-stdin'],
      ],
      // A folder that can be made nowhere, for root neither.
      { env: { XDG_CONFIG_HOME: '/dev/null/config' }, stdin: `${password}\n` },
    );
    expect(ended.status).toBe(2);
    expect(ended.stderr).toContain('/dev/null/config/cloudflow/credentials.json');
    expect(ended.stderr).toContain('XDG_CONFIG_HOME');
    expect(ended.stderr).not.toContain('    at ');
  });

  it('enrols an authenticator, proves it and removes it, and signs in with a recovery code', async () => {
    const { tenant, email, password } = world.platform.admin;
    const who = ['--tenant', tenant, '--email', email, '--password-stdin'];
    expect((await cli(['login', ...who], password)).status).toBe(0);
    const begun = await cli(['mfa', 'enrol']);
    const secret = /^secret {2}([A-Z2-7]{32})$/m.exec(begun.stdout)?.[1] ?? '';
    const uri = /^URI {5}(otpauth:\S+)$/m.exec(begun.stdout)?.[1] ?? '';
    const totp = URI.parse(uri) as TOTP;
    expect(totp.secret.base32).toBe(secret);
    expect(begun.stderr).toContain('cloudflow mfa confirm');
    /** Each counts once, so the second is of the next half minute: clocks may differ by one. */
    const codeAt = (steps: number) =>
      totp.generate({ timestamp: world.clock.now() + steps * 30_000 });
    expect((await cli(['mfa', 'confirm', '12345x'])).stderr).toContain('CREDENTIALS_INVALID');
    const confirmed = await cli(['mfa', 'confirm', codeAt(0)]);
    expect(confirmed.status).toBe(0);
    const recovery = confirmed.stdout.trimEnd().split('\n');
    expect(recovery).toHaveLength(10);
    expect(confirmed.stderr).toContain('shown this once');
    const again = await cli(['mfa', 'enrol']);
    expect(again.stderr).toContain('CONFLICT');

    expect(await cli(['mfa', 'prove', codeAt(1)])).toMatchObject({ stderr: '', status: 0 });
    let invited = await cli(['users', 'list', '--json']);
    // What was looked up less than two seconds ago may still be believed.
    await expect
      .poll(
        async () => {
          const one = ['users', 'invite', 'grace@example.com', '--role', 'viewer', '--json'];
          invited = await cli(one);
          return invited.status;
        },
        { timeout: 120_000 },
      )
      .toBe(0);
    const { user_id } = invited.document as { user_id: string };
    const mailed = await cli(['users', 'invite-again', user_id]);
    expect(mailed).toMatchObject({ status: 0, stdout: 'grace@example.com is invited again\n' });

    const signedIn = await cli(['login', ...who, '--code', recovery[0] as string], password);
    expect(signedIn.stdout).toContain('proven at');
    expect((await cli(['mfa', 'remove', recovery[1] as string, '--json'])).document).toEqual({
      removed: true,
    });
    expect((await cli(['login', ...who], password)).stdout).toContain('not in this session');
  }, 300_000);

  it('makes, lists, rotates and revokes keys with a key that may', async () => {
    const key = ['--api-key', world.platform.apiKey];
    const made = await cli(['keys', 'create', 'ci', '--scope', 'workflow:read', ...key]);
    expect(made.stdout).toMatch(/^cfk_test_[0-9A-Za-z]{32}\n$/);
    const id = made.stdout.slice(9, 17);
    const rotated = await cli(['keys', 'rotate', id, ...key]);
    expect(rotated.stdout).toMatch(/^cfk_test_/);
    expect(await cli(['keys', 'revoke', id, ...key])).toMatchObject({ status: 0 });
    const list = await cli(['keys', 'list', ...key]);
    expect(list.stdout).toContain('revoked');
    const asKey = await cli(['whoami', '--api-key', rotated.stdout.trim()]);
    expect(asKey.stdout).toContain('workflow:read');
  });
});
