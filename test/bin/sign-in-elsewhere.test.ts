import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Browser, cookieOf } from '#test/functions/sso-browser.ts';
import { type PlatformWorld, startWorld } from '#test/integration/platform-world.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import {
  type HonestProvider,
  startHonestProvider,
} from '#test/support/identity-providers/start.ts';
import { cloudflow, start } from './cli-process.ts';
import { liveKey } from './live-key.ts';

/** From the command line to a provider and back, with a browser in between. */
describeWithPostgres('signing in elsewhere on the command line', () => {
  let world: PlatformWorld;
  let idp: HonestProvider;
  let database: TestDatabase;
  let config = '';
  let tenant = '';

  beforeAll(async () => {
    idp = await startHonestProvider({
      ada: { email: 'ada@example.com', email_verified: true },
      bob: { email: 'bob@example.com', email_verified: true },
    });
    database = await createTestDatabase();
    world = await startWorld(database.url);
    world.platform.allowEgress(idp.host);
    config = await mkdtemp(join(tmpdir(), 'cloudflow-config-'));
    ({ tenant } = world.platform.admin);
    const { baseUrl } = world.platform;
    const client = await idp.register(`${baseUrl}/api/v1/auth/sso/${tenant}/corp/callback`);
    await writeFile(
      join(config, 'corp.json'),
      JSON.stringify({
        name: 'corp',
        enabled: true,
        protocol: {
          kind: 'oidc',
          issuer: idp.issuer,
          client_id: client.id,
          client_auth: 'client_secret_basic',
        },
        email_domains: ['example.com'],
        default_roles: ['author'],
        trusts_mfa: false,
      }),
    );
    const key = await liveKey(world, database);
    const made = await cli(
      ['identity-providers', 'create', join(config, 'corp.json'), '--secret-stdin', ...key],
      `${client.secret}\n`,
    );
    expect(made).toMatchObject({ status: 0, stderr: '' });
    expect(made.stdout).toContain(`${baseUrl}/api/v1/auth/sso/${tenant}/corp/callback`);
    expect(made.stdout).not.toContain(client.secret);
    const listed = await cli(['identity-providers', 'list', ...key]);
    expect(listed.stdout).toContain('corp');
    const shown = await cli(['identity-providers', 'show', 'corp', ...key]);
    expect(shown.stdout).toMatch(/secret +set \d{4}-/);
    expect(shown.stdout).toContain(idp.issuer);
    // The secret is not in the file, and stays.
    const replaced = await cli([
      ...['identity-providers', 'update', join(config, 'corp.json')],
      ...[...key, '--json'],
    ]);
    expect(replaced.document).toMatchObject({ name: 'corp', has_secret: true });
  }, 120_000);
  afterAll(async () => {
    await world?.stop();
    await idp?.close();
    await rm(config, { recursive: true, force: true });
  });

  const cli = (args: readonly string[], stdin?: string) =>
    cloudflow([...args, '--url', world.platform.baseUrl], {
      env: { XDG_CONFIG_HOME: config },
      ...(stdin === undefined ? {} : { stdin }),
    });

  /** Somebody opens what the command has printed, and is `person` at the provider. */
  async function visitAs(person: string, opened: URL): Promise<void> {
    const { baseUrl } = world.platform;
    const browser = new Browser({ server: { url: baseUrl } as never }, baseUrl);
    const begun = await browser.get(opened.pathname + opened.search);
    const visit = {
      location: new URL(begun.headers.get('location') ?? ''),
      cookie: cookieOf(begun),
      verifier: '',
    };
    const back = await browser.callback(visit, await browser.visit(visit, person));
    const page = await fetch(back.headers.get('location') ?? '');
    expect([page.status, await page.text()]).toEqual([
      200,
      expect.stringContaining('Go back to the terminal'),
    ]);
  }

  it('hands the code to the waiting command and nobody else, and is remembered', async () => {
    const { baseUrl } = world.platform;
    const running = start(['login', '--sso', 'corp', '--tenant', tenant, '--url', baseUrl], {
      env: { XDG_CONFIG_HOME: config },
    });
    await expect.poll(() => running.aside, { timeout: 30_000 }).toContain('/api/v1/auth/sso/');
    const opened = new URL(/https?:\S+/.exec(running.aside)?.[0] ?? '');
    const returnTo = opened.searchParams.get('return_to') ?? '';
    expect(returnTo).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);
    // Whoever guesses that somebody waits there is told nothing, and changes nothing.
    for (const guess of ['/', '/callback', '/callback?code=x', '/callback?code=x&state=guess']) {
      expect((await fetch(new URL(guess, returnTo))).status).toBe(404);
    }

    await visitAs('ada', opened);
    const ended = await running.ended;
    expect(ended.status).toBe(0);
    expect(ended.stdout).toContain('ada@example.com');
    const me = await cli(['whoami', '--json']);
    expect(me.document).toMatchObject({ user: { email: 'ada@example.com', roles: ['author'] } });
    const linked = await cli(['identities', 'list']);
    expect(linked.stdout).toMatch(/corp +oidc +on +ada /);
    const { user } = me.document as { user: { user_id: string } };
    const theirs = ['--user', user.user_id, ...(await liveKey(world, database))];
    expect((await cli(['identities', 'list', ...theirs])).stdout).toContain('corp');
    const last = await cli(['identities', 'remove', 'corp', ...theirs]);
    expect(last.stderr).toContain('nothing else lets this user in');
    const kept = await readFile(join(config, 'cloudflow', 'credentials.json'), 'utf8');
    expect(ended.stdout + ended.stderr).not.toContain(JSON.parse(kept)[baseUrl].refreshToken);
  });

  it('links who is signed in here with who they are there', async () => {
    const { baseUrl, admin } = world.platform;
    const who = ['--tenant', tenant, '--email', admin.email, '--password-stdin'];
    expect((await cli(['login', ...who], admin.password)).status).toBe(0);
    // Whoever lets themselves in by another door proves a second factor first.
    const { secret } = (await cli(['mfa', 'enrol', '--json'])).document as { secret: string };
    const code = new TOTP({ secret }).generate({ timestamp: world.clock.now() });
    expect((await cli(['mfa', 'confirm', code])).status).toBe(0);
    await expect
      .poll(async () => (await cli(['whoami'])).stdout, { timeout: 60_000 })
      .toContain('proven at');
    const running = start(['identities', 'link', 'corp', '--url', baseUrl], {
      env: { XDG_CONFIG_HOME: config },
    });
    await expect.poll(() => running.aside, { timeout: 30_000 }).toContain('/api/v1/auth/sso/');
    await visitAs('bob', new URL(/https?:\S+/.exec(running.aside)?.[0] ?? ''));
    const ended = await running.ended;
    expect([ended.status, ended.stdout]).toEqual([
      0,
      'linked with corp: `cloudflow login --sso` takes it\n',
    ]);
    expect((await cli(['identities', 'list'])).stdout).toMatch(/corp +oidc +on +bob /);
  }, 180_000);

  it('says what is wrong in a sentence', async () => {
    const key = await liveKey(world, database);
    const gone = await cli(['identity-providers', 'delete', 'nowhere', ...key]);
    expect(gone.stderr).toContain('NOT_FOUND');
    const missing = await cli(['identity-providers', 'create', '/nowhere.json', ...key]);
    expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining('/nowhere.json')]);
  });
});
