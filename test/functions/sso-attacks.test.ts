import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Body } from '#contract/routes.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { ISSUER, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import type { Script } from '#test/support/identity-providers/hostile-process.ts';
import {
  type HonestProvider,
  type HostileProvider,
  startHonestProvider,
  startHostileProvider,
} from '#test/support/identity-providers/start.ts';
import { createPeople, type People } from '#test/support/people.ts';
import {
  ADDRESSES,
  DISCOVERIES,
  ID_TOKENS,
  OTHER_ANSWERS,
  RETURNS,
  to,
} from './sso-attack-rows.ts';
import { type Begun, Browser, codeOf, cookieOf, RETURN_TO } from './sso-browser.ts';

/**
 * Sign-ins that somebody else arranged, and identity providers that say what they must not: none opens a
 * session, and none is an error of ours.
 */
describeWithPostgres('signing in elsewhere, where somebody is hostile', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let hostile: HostileProvider;
  let honest: HonestProvider;
  let api: TestApi;
  let people: People;
  let browser: Browser;
  let scripts = 0;
  let tenant: string;
  let slug: string;

  beforeAll(async () => {
    [hostile, honest] = await Promise.all([
      startHostileProvider(),
      startHonestProvider({ ada: { email: 'ada@example.com', email_verified: true } }),
    ]);
    database = await createTestDatabase();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    api = await startTestApi(database, {
      clock,
      egressAllow: [hostile.host, honest.host],
      allowedOrigins: ['https://console.cloudflow.test'],
    });
    people = createPeople(api, database);
    browser = new Browser(api);
  }, 60_000);
  afterAll(async () => {
    await api?.close();
    await Promise.all([hostile?.close(), honest?.close()]);
  });
  beforeEach(async () => {
    ({ tenant, slug } = await people.tenant());
  });

  async function connect(name: string, issuer: string, more: Partial<Protocol> = {}) {
    const key = await api.createKey(tenant, ['*']);
    await api.client(key).createIdentityProvider({
      body: {
        name,
        enabled: true,
        protocol: {
          kind: 'oidc',
          issuer,
          client_id: 'cloudflow',
          client_auth: 'client_secret_basic',
          ...more,
        } as Protocol,
        email_domains: ['example.com'],
        default_roles: ['viewer'],
        trusts_mfa: false,
        client_secret: 'the client secret',
      },
    });
    return key;
  }
  type Protocol = Body<'createIdentityProvider'>['protocol'];

  /** An issuer that says what the script says; `ISSUER` in it stands for itself. */
  async function play(script: Script): Promise<{ name: string; issuer: string }> {
    scripts += 1;
    const name = `s${scripts}`;
    const issuer = `${hostile.issuer}/a/${name}`;
    const text = JSON.stringify(script).replaceAll('ISSUER', issuer);
    await hostile.play(name, JSON.parse(text) as Script);
    return { name, issuer };
  }

  /** Signs in at an issuer that plays a script, whose ID tokens have the nonce that is asked for. */
  async function attempt(script: Script) {
    const first = await play(script);
    await connect('corp', first.issuer);
    const begun = await browser.begun(slug, 'corp');
    const nonce = begun.location.searchParams.get('nonce');
    const idToken =
      script.idToken === null
        ? null
        : { ...script.idToken, claims: { nonce, ...script.idToken?.claims } };
    const text = JSON.stringify({ ...script, idToken }).replaceAll('ISSUER', first.issuer);
    await hostile.play(first.name, JSON.parse(text) as Script);
    const back = await browser.callback(begun, { code: 'a-code', state: stateOf(begun) });
    const code = codeOf(back);
    return { ...(await browser.exchange(code, begun.verifier)), back, name: first.name };
  }

  const stateOf = (begun: Begun) => begun.location.searchParams.get('state') ?? '';

  async function nobodyIsIn() {
    const { rows } = await database.admin.query(
      'select count(*)::integer as n from sessions where tenant_id = $1',
      [tenant],
    );
    expect(rows).toEqual([{ n: 0 }]);
  }

  it('the hostile provider is believed where it says nothing wrong, so every row below is its own', async () => {
    const { status } = await attempt({});
    expect(status).toBe(200);
    const listed = await attemptWith('listed', { aud: ['cloudflow', 'x'], azp: 'cloudflow' });
    expect(listed).toBe(200);
  });

  async function attemptWith(_: string, claims: Record<string, unknown>): Promise<number> {
    ({ tenant, slug } = await people.tenant());
    return (await attempt({ idToken: { claims } })).status;
  }

  describe('an ID token with', () => {
    it.each(ID_TOKENS)('%s', async (_, script) => {
      const { status, body } = await attempt(script);
      expect([status, body.code]).toEqual([401, 'SIGN_IN_REFUSED']);
      await nobodyIsIn();
    });

    it.each(['jwk', 'jku', 'x5u', 'x5c'])(
      'a key of a stranger in %s, which is not even asked for',
      async (member) => {
        const header = { kid: 'x', [member]: member === 'x5c' ? ['AAAA'] : `${hostile.issuer}/k` };
        const { status } = await attempt({ idToken: { header, by: 'stranger' } });
        expect(status).toBe(401);
        await nobodyIsIn();
      },
    );
  });

  describe('an address that', () => {
    it.each(ADDRESSES)('%s', async (_, claims) => {
      const { status, body } = await attempt({ idToken: { claims } });
      expect([status, body.code]).toEqual([401, 'SIGN_IN_REFUSED']);
      await nobodyIsIn();
    });

    it.each(['owner', 'administrator'])('is of an %s', async (role) => {
      await people.user(tenant, { email: 'ada@example.com', roles: [role] });
      expect((await attempt({})).body.code).toBe('SIGN_IN_REFUSED');
      await nobodyIsIn();
    });

    it('is of somebody who was deactivated', async () => {
      const { id } = await people.user(tenant, { email: 'ada@example.com' });
      await database.admin.query(`update users set status = 'deactivated' where id = $1`, [id]);
      expect((await attempt({})).body.code).toBe('SIGN_IN_REFUSED');
      await nobodyIsIn();
    });

    it('is told by a user-info endpoint for another subject', async () => {
      const me = { sub: 'ada', email: 'ada@example.com', email_verified: true };
      const script = { idToken: { claims: { email: null, email_verified: null } }, me };
      expect((await attempt(script)).body.code).toBe('SIGN_IN_REFUSED');
      await nobodyIsIn();
    });

    it('is told by a user-info endpoint that does not vouch for it, though the ID token vouches for none', async () => {
      const me = { sub: 'somebody', email: 'ada@example.com', email_verified: false };
      const script = { idToken: { claims: { email: null, email_verified: true } }, me };
      expect((await attempt(script)).body.code).toBe('SIGN_IN_REFUSED');
      await nobodyIsIn();
    });

    it('is told and vouched for by a user-info endpoint is believed, so the rows above are their own', async () => {
      const me = { sub: 'somebody', email: 'ada@example.com', email_verified: true };
      const script = { idToken: { claims: { email: null, email_verified: null } }, me };
      expect((await attempt(script)).status).toBe(200);
    });
  });

  describe('a provider with', () => {
    it.each(OTHER_ANSWERS)(
      '%s',
      async (_, wanted, at) => {
        const { status } = await attempt({ at });
        expect(status).toBe(wanted);
        await nobodyIsIn();
      },
      60_000,
    );

    it('a token endpoint that never answers', async () => {
      const { status, body } = await attempt({ at: { token: { never: true } } });
      expect([status, body.code]).toEqual([424, 'IDENTITY_PROVIDER_AWAY']);
    }, 60_000);

    it.each(['http://169.254.169.254/token', 'http://127.0.0.1:1/token', 'https://10.0.0.1/token'])(
      'a token endpoint at %s, which nobody connects to',
      async (token_endpoint) => {
        const { status } = await attempt({ discovery: { token_endpoint } });
        expect([401, 424]).toContain(status);
        await nobodyIsIn();
      },
    );

    it('endpoints at a neighbour of ours, which hears nothing', async () => {
      let heard = 0;
      const neighbour = createServer((_, response) => {
        heard += 1;
        response.end('{}');
      }).listen(0, '127.0.0.1');
      await new Promise((resolve) => neighbour.once('listening', resolve));
      const url = `http://127.0.0.1:${(neighbour.address() as AddressInfo).port}`;
      const discovery = { token_endpoint: `${url}/token`, jwks_uri: `${url}/jwks` };
      await attempt({ discovery });
      ({ tenant, slug } = await people.tenant());
      await attempt({ at: { token: to(`${url}/token`, 307), jwks: to(`${url}/jwks`) } });
      expect(heard).toBe(0);
      neighbour.close();
    });
  });

  describe('a discovery document that', () => {
    it.each(DISCOVERIES)(
      '%s',
      async (_, script) => {
        const { issuer } = await play(script);
        await connect('corp', issuer);
        const { response } = await browser.begin(slug, 'corp');
        expect(response.status).toBe(424);
        expect(await response.json()).toMatchObject({ code: 'IDENTITY_PROVIDER_AWAY' });
      },
      60_000,
    );
  });

  describe('what comes back', () => {
    let begun: Begun;
    let answer: Record<string, string>;

    beforeEach(async () => {
      const client = await honest.register(`${ISSUER}/api/v1/auth/sso/${slug}/corp/callback`);
      const key = await api.createKey(tenant, ['*']);
      await api.client(key).createIdentityProvider({
        body: {
          name: 'corp',
          enabled: true,
          protocol: {
            kind: 'oidc',
            issuer: honest.issuer,
            client_id: client.id,
            client_auth: 'client_secret_basic',
          },
          email_domains: ['example.com'],
          default_roles: ['viewer'],
          trusts_mfa: false,
          client_secret: client.secret,
        },
      });
      begun = await browser.begun(slug, 'corp');
      answer = await browser.visit(begun, 'ada');
    });

    const refusedAtOnce = async (response: Response) => {
      expect([400, 401]).toContain(response.status);
      expect(response.headers.get('location')).toBeNull();
      await nobodyIsIn();
    };

    it('is let in where nothing is wrong, so every row below is its own', async () => {
      const back = await browser.callback(begun, answer);
      expect((await browser.exchange(codeOf(back), begun.verifier)).status).toBe(200);
    });

    it.each<[string, (a: Record<string, string>) => Record<string, string>]>([
      ['without a state', ({ state: _, ...rest }) => rest],
      ['with a state that nobody gave', (a) => ({ ...a, state: `cfs_${'A'.repeat(43)}` })],
      ['with an empty state', (a) => ({ ...a, state: '' })],
      ['with NUL in its state', (a) => ({ ...a, state: `${a['state']}\u0000` })],
      ['with a state in other letters', (a) => ({ ...a, state: (a['state'] ?? '').toUpperCase() })],
    ])('%s', async (_, spoil) => {
      await refusedAtOnce(await browser.callback(begun, spoil(answer)));
    });

    it.each(['state', 'code', 'iss'])('with two of %s', async (name) => {
      const text = `${new URLSearchParams(answer)}&${name}=${answer[name] ?? 'x'}`;
      await refusedAtOnce(await browser.callback(begun, text));
    });

    it('with a state that was used', async () => {
      await browser.callback(begun, answer);
      await refusedAtOnce(await browser.callback(begun, answer));
    });

    it('in another browser', async () => {
      await refusedAtOnce(await browser.callback(begun, answer, ''));
      // And the state is used up by it.
      await refusedAtOnce(await browser.callback(begun, answer));
    });

    it('in the browser of another sign-in', async () => {
      const other = await browser.begun(slug, 'corp');
      await refusedAtOnce(await browser.callback(begun, answer, other.cookie));
    });

    it('with the cookie of another sign-in under the name of this', async () => {
      const other = await browser.begun(slug, 'corp');
      const cookie = `${begun.cookie.split('=', 1)[0]}=${other.cookie.split('=')[1]}`;
      await refusedAtOnce(await browser.callback(begun, answer, cookie));
    });

    it('with two cookies of this sign-in', async () => {
      const cookie = `${begun.cookie.split('=', 1)[0]}=x; ${begun.cookie}`;
      await refusedAtOnce(await browser.callback(begun, answer, cookie));
    });

    it('at the address of another provider of the tenant', async () => {
      const { issuer } = await play({});
      await connect('other', issuer);
      const path = `/api/v1/auth/sso/${slug}/other/callback`;
      await refusedAtOnce(await browser.callback(begun, answer, begun.cookie, path));
    });

    it('at the address of another tenant', async () => {
      const other = await people.tenant();
      const path = `/api/v1/auth/sso/${other.slug}/corp/callback`;
      await refusedAtOnce(await browser.callback(begun, answer, begun.cookie, path));
    });

    it('after ten minutes', async () => {
      await clock.advance(600_000);
      await refusedAtOnce(await browser.callback(begun, answer));
    });

    it.each<[string, (a: Record<string, string>) => Record<string, string>]>([
      ['from another issuer, as it says (mix-up)', (a) => ({ ...a, iss: 'https://evil.example' })],
      ['from no issuer, where this one says it', ({ iss: _, ...rest }) => rest],
      ['with an error', (a) => ({ state: a['state'] ?? '', error: 'access_denied' })],
      ['with an error and a code', (a) => ({ ...a, error: 'access_denied' })],
      ['with no code', ({ code: _, ...rest }) => rest],
      ['with a code that nobody gave', (a) => ({ ...a, code: 'A'.repeat(43) })],
      [
        'with tokens in its address',
        ({ code: _, ...a }) => ({ ...a, access_token: 'x', id_token: 'x' }),
      ],
      ['with an answer that is one token', ({ code: _, ...a }) => ({ ...a, response: 'x.y.z' })],
    ])('%s', async (_, spoil) => {
      const back = await browser.callback(begun, spoil(answer));
      const { status, body } = await browser.exchange(codeOf(back), begun.verifier);
      expect([status, body.code]).toEqual([401, 'SIGN_IN_REFUSED']);
      await nobodyIsIn();
    });

    it('with the code of another sign-in: the provider holds it to its challenge', async () => {
      const other = await browser.begun(slug, 'corp');
      const stolen = await browser.visit(other, 'ada');
      const back = await browser.callback(begun, { ...answer, code: stolen['code'] ?? '' });
      const { status, body } = await browser.exchange(codeOf(back), begun.verifier);
      expect([status, body.code]).toEqual([401, 'SIGN_IN_REFUSED']);
      await nobodyIsIn();
    });

    describe('and its code', () => {
      it('is refused with the verifier of another, and is used up by it', async () => {
        const code = codeOf(await browser.callback(begun, answer));
        const other = await browser.begun(slug, 'corp');
        expect((await browser.exchange(code, other.verifier)).body.code).toBe('TOKEN_INVALID');
        expect((await browser.exchange(code, begun.verifier)).body.code).toBe('TOKEN_INVALID');
        await nobodyIsIn();
      });

      it('is refused after a minute', async () => {
        const code = codeOf(await browser.callback(begun, answer));
        await clock.advance(60_000);
        expect((await browser.exchange(code, begun.verifier)).body.code).toBe('TOKEN_INVALID');
        await nobodyIsIn();
      });

      it('that comes again ends the session that it was traded for', async () => {
        const code = codeOf(await browser.callback(begun, answer));
        const { body } = await browser.exchange(code, begun.verifier);
        expect((await browser.exchange(code, begun.verifier)).body.code).toBe('TOKEN_INVALID');
        const refreshed = await browser.post('/api/v1/auth/refresh', {
          refresh_token: body.refresh_token,
        });
        expect(refreshed.status).toBe(401);
      });

      it('of twenty at once is traded by one', async () => {
        const code = codeOf(await browser.callback(begun, answer));
        const answers = await Promise.all(
          Array.from({ length: 20 }, () => browser.exchange(code, begun.verifier)),
        );
        expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
        expect(answers.every(({ status }) => status === 200 || status === 401)).toBe(true);
      });

      it('links nobody of another tenant', async () => {
        const code = codeOf(await browser.callback(begun, answer));
        const other = await people.tenant();
        await database.admin.query(`update tenants set settings = '{"mfa": "off"}' where id = $1`, [
          other.tenant,
        ]);
        const password = 'a long walk in the rain';
        const user = await people.user(other.tenant, { password });
        const login = { tenant: other.slug, email: user.email, password };
        const { body } = await browser.post('/api/v1/auth/login', login);
        const link = { code, code_verifier: begun.verifier };
        const linked = await browser.post('/api/v1/auth/sso/link', link, body.access_token);
        expect(linked.body.code).toBe('TOKEN_INVALID');
      });
    });
  });

  describe('a beginning', () => {
    it.each(RETURNS)('that leads back to %j is refused', async (return_to) => {
      const { issuer } = await play({});
      await connect('corp', issuer);
      const { response } = await browser.begin(slug, 'corp', { return_to });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        problems: [{ pointer: '/query/return_to' }],
      });
    });

    it.each([
      RETURN_TO,
      'http://[::1]:1/callback',
      'http://127.0.0.1:65535/callback',
      'https://console.cloudflow.test/callback',
    ])('that leads back to %s is taken', async (return_to) => {
      const { issuer } = await play({});
      await connect('corp', issuer);
      expect((await browser.begin(slug, 'corp', { return_to })).response.status).toBe(303);
    });

    it('leads back to web clients of its own tenant, and not of another', async () => {
      const { issuer } = await play({});
      await connect('corp', issuer);
      const other = await people.tenant();
      const own = { allowed_origins: ['https://app.own.example'] };
      const others = { allowed_origins: ['https://app.other.example'] };
      for (const [id, settings] of [
        [tenant, own],
        [other.tenant, others],
      ] as const) {
        await database.admin.query('update tenants set settings = $2 where id = $1', [
          id,
          JSON.stringify(settings),
        ]);
      }
      const to = async (return_to: string) =>
        (await browser.begin(slug, 'corp', { return_to })).response.status;
      expect(await to('https://app.own.example/callback')).toBe(303);
      expect(await to('https://app.other.example/callback')).toBe(400);
      expect(await to('https://app.own.example/elsewhere')).toBe(400);
    });

    it.each([
      ['no challenge', { code_challenge: '' }],
      ['a challenge that is the verifier (plain)', { code_challenge: 'x'.repeat(64) }],
      ['a method of its own', { code_challenge_method: 'plain' }],
      ['a state with a line in it', { state: 'a\r\nset-cookie: x=y' }],
    ])('with %s is refused', async (_, more) => {
      const { response } = await browser.begin(slug, 'corp', more);
      expect(response.status).toBe(400);
    });

    it('300 times from one place within a quarter of an hour is the end of it', async () => {
      const { secrets } = api;
      const own = await startTestApi(database, { egressAllow: [hostile.host], secrets });
      try {
        const { issuer } = await play({});
        await connect('corp', issuer);
        const other = new Browser(own);
        const statuses: number[] = [];
        for (let i = 0; i < 31; i++) {
          const some = Array.from({ length: 10 }, () => other.begin(slug, 'corp'));
          statuses.push(...(await Promise.all(some)).map(({ response }) => response.status));
        }
        expect(statuses.filter((status) => status === 303).length).toBe(300);
        expect(statuses.filter((status) => status === 429).length).toBe(10);
      } finally {
        await own.close();
      }
    }, 60_000);
  });

  it('what is kept of sign-ins cannot be read in the database', async () => {
    const { issuer } = await play({});
    await connect('corp', issuer);
    const begun = await browser.begun(slug, 'corp');
    const { rows } = await database.admin.query<{ text: string }>(
      'select encode(sealed, $2) || encode(digest, $2) as text from sign_ins where tenant_id = $1',
      [tenant, 'escape'],
    );
    expect(rows.length).toBe(1);
    for (const secret of [stateOf(begun), cookieOf(new Response()), begun.verifier, RETURN_TO]) {
      if (secret !== '') expect(rows[0]?.text).not.toContain(secret);
    }
  });
});
