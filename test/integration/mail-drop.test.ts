import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createClient } from '#client/client.ts';
import { type Platform, startPlatform } from '#local/platform.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

const PASSWORD = 'a long walk in the rain';

describeWithPostgres('mail of the platform in one process', () => {
  let platform: Platform;
  let folder: string;
  const lines: string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cloudflow-mail-'));
    const { url } = await createTestDatabase();
    platform = await startPlatform({
      ...{ folder, fresh: true, port: 0, clock: 'real', databaseUrl: url },
      egress: { allow: new Set(), httpPorts: new Set([80, 443]) },
      ...{ kafkaBrokers: undefined, requestsPerMinute: 1_000_000, redisUrl: null },
      log: createJsonLog({ write: (line) => lines.push(line), level: 'debug', time: () => '' }),
      restartCommand: 'none',
    });
  }, 60_000);
  afterAll(async () => {
    await platform?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('invites somebody, who reads it there, comes, forgets the password and gets another', async () => {
    const { baseUrl, admin } = platform;
    const anyone = createClient({ baseUrl });
    const post = (path: string, body: object) =>
      fetch(baseUrl + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const tokens: string[] = [];
    /** The token of the newest mail of a kind. */
    const tokenOf = async (template: string): Promise<string> => {
      const drop = join(folder, 'mail');
      let token: string | undefined;
      await expect
        .poll(
          async () => {
            const names = (await readdir(drop).catch(() => [])).sort();
            const texts = await Promise.all(
              names.map((name) => readFile(join(drop, name), 'utf8')),
            );
            const last = texts.filter((text) => text.includes(`About: ${template}`)).at(-1);
            token = /"token": "([^"]+)"/.exec(last ?? '')?.[1];
            return token !== undefined && !tokens.includes(token);
          },
          { timeout: 30_000 },
        )
        .toBe(true);
      tokens.push(token ?? '');
      return token ?? '';
    };
    const email = 'grace@example.com';
    const signedIn = await anyone.login({
      body: { tenant: admin.tenant, email: admin.email, password: admin.password },
    });
    if (!('access_token' in signedIn)) throw new Error('the first owner has no second factor');
    const owner = createClient({ baseUrl, credential: signedIn.access_token });
    const totp = new TOTP({ secret: (await owner.enrolTotp()).secret });
    await owner.confirmTotp({ body: { code: totp.generate() } });
    const invite = () => owner.inviteUser({ body: { email, roles: ['viewer'] } });
    // What holds of a session is read again after a second and a half.
    await expect
      .poll(() => invite().then(({ status }) => status, String), { timeout: 20_000 })
      .toBe('invited');
    const invitation = await tokenOf('identity.invitation');
    await anyone.acceptInvitation({ body: { token: invitation, password: PASSWORD } });
    const login = (password: string) =>
      post('/api/v1/auth/login', { tenant: admin.tenant, email, password });
    expect((await login(PASSWORD)).status).toBe(200);
    await anyone.forgotPassword({ body: { tenant: admin.tenant, email } });
    const reset = await tokenOf('identity.reset_password');
    await anyone.resetPassword({ body: { token: reset, new_password: `${PASSWORD} again` } });
    expect((await login(`${PASSWORD} again`)).status).toBe(200);
    // The folder is the only place that has them.
    for (const token of tokens) expect(lines.join('\n')).not.toContain(token);
  }, 60_000);
});
