import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Body } from '#contract/routes.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import type { Script } from '#test/support/identity-providers/hostile-process.ts';
import {
  type HostileProvider,
  startHostileProvider,
} from '#test/support/identity-providers/start.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { to } from './sso-attack-rows.ts';
import { Browser, codeOf } from './sso-browser.ts';

type Protocol = Extract<Body<'createIdentityProvider'>['protocol'], { kind: 'oauth2' }>;

/** As GitHub answers: a number that never changes, and addresses in a list of their own. */
const USER = { id: 583_231, login: 'octocat', name: 'Mona Lisa', email: null };
const EMAILS = [
  { email: 'old@example.com', primary: false, verified: true },
  { email: 'mona@example.com', primary: true, verified: true },
];
const LIST = { body: JSON.stringify(EMAILS) };

describeWithPostgres('signing in through OAuth 2.0', () => {
  let database: TestDatabase;
  let hostile: HostileProvider;
  let api: TestApi;
  let people: People;
  let browser: Browser;
  let tenant: string;
  let slug: string;
  let scripts = 0;

  beforeAll(async () => {
    hostile = await startHostileProvider();
    database = await createTestDatabase();
    api = await startTestApi(database, { egressAllow: [hostile.host] });
    people = createPeople(api, database);
    browser = new Browser(api);
  }, 60_000);
  afterAll(async () => {
    await api?.close();
    await hostile?.close();
  });
  beforeEach(async () => {
    ({ tenant, slug } = await people.tenant());
  });

  async function signIn(
    script: Script,
    more: Partial<Protocol> = {},
    answer: Record<string, string> = {},
  ) {
    scripts += 1;
    const base = await hostile.play(`o${scripts}`, { idToken: null, ...script });
    const key = await api.createKey(tenant, ['*']);
    await api.client(key).createIdentityProvider({
      body: {
        name: 'github',
        enabled: true,
        protocol: {
          kind: 'oauth2',
          authorize_url: `${base}/authorize?allow_signup=false`,
          token_url: `${base}/token`,
          user_info_url: `${base}/me`,
          emails_url: `${base}/emails`,
          client_id: 'cloudflow',
          client_auth: 'client_secret_post',
          scopes: ['read:user', 'user:email'],
          subject: '/id',
          name: '/name',
          ...more,
        },
        email_domains: ['example.com'],
        default_roles: ['author'],
        trusts_mfa: true,
        client_secret: 'the-client-secret',
      },
    });
    return again(answer);
  }

  async function again(answer: Record<string, string> = {}) {
    const begun = await browser.begun(slug, 'github');
    const state = begun.location.searchParams.get('state') ?? '';
    const back = await browser.callback(begun, { code: 'a-code', state, ...answer });
    return { begun, ...(await browser.exchange(codeOf(back), begun.verifier)) };
  }

  const at = (emails: unknown): Script['at'] & object => ({
    emails: { body: JSON.stringify(emails) },
  });

  it('takes who the user-info endpoint says, with the address that is primary and verified', async () => {
    const { begun, status, body } = await signIn({ me: USER, at: { emails: LIST } });
    expect(status).toBe(200);
    const asked = Object.fromEntries(begun.location.searchParams);
    expect(asked).toMatchObject({
      allow_signup: 'false',
      code_challenge_method: 'S256',
      scope: 'read:user user:email',
    });
    const me = await api.client(body.access_token).whoAmI();
    expect(me.user).toMatchObject({ email: 'mona@example.com', name: 'Mona Lisa' });
    // A provider of this kind says nothing of second factors, so there is none to trust.
    expect(me.second_factor_at).toBeNull();
    const { rows } = await database.admin.query(
      'select subject from external_identities where tenant_id = $1',
      [tenant],
    );
    expect(rows).toEqual([{ subject: '583231' }]);
    expect((await api.client((await again()).body.access_token).whoAmI()).user?.user_id).toBe(
      me.user?.user_id,
    );
  });

  it('reads the address out of the same answer where that has it', async () => {
    const me = { id: 'u-1', mail: { at: 'ada@example.com', 'ok/~': true } };
    const { status } = await signIn({ me }, {
      emails_url: undefined,
      email: '/mail/at',
      email_verified: '/mail/ok~1~0',
    } as never);
    expect(status).toBe(200);
  });

  it('leaves an issuer in the answer alone where the provider has none, and holds it to its own', async () => {
    const script = { me: USER, at: { emails: LIST } };
    expect((await signIn(script, {}, { iss: 'https://github.com' })).status).toBe(200);
    ({ tenant, slug } = await people.tenant());
    const own = { issuer: 'https://github.com' };
    expect((await signIn(script, own, { iss: 'https://github.com' })).status).toBe(200);
    ({ tenant, slug } = await people.tenant());
    expect((await signIn(script, own, { iss: 'https://evil.example' })).status).toBe(401);
  });

  describe('refuses', () => {
    it.each<[string, Script]>([
      ['a subject that is not there', { me: {} }],
      ['a subject that is null', { me: { id: null } }],
      ['a subject that is an object', { me: { id: { a: 1 } } }],
      ['a subject beyond what numbers can tell apart', { me: { id: 2 ** 60 } }],
      ['an empty subject', { me: { id: '' } }],
      ['who somebody is, as a page', { at: { me: { body: '<html>' } } }],
      ['who somebody is, as a list', { at: { me: { body: '[{"id":1}]' } } }],
      ['who somebody is, elsewhere', { at: { me: to('http://169.254.169.254/') } }],
      ['an access token that it takes back', { at: { me: { status: 401 } } }],
      [
        'an error in an answer of 200, as GitHub has it',
        { token: { access_token: null, error: 'bad_verification_code' } },
      ],
      ['another type of token', { token: { token_type: 'mac' } }],
      ['an access token with a line in it', { token: { access_token: 'a\r\nx-admin: 1' } }],
      [
        'addresses that are no list',
        {
          me: USER,
          at: {
            emails: { body: '{"0":{"email":"mona@example.com","primary":true,"verified":true}}' },
          },
        },
      ],
    ])('%s', async (_, script) => {
      const usual = { emails: LIST };
      const { status, body } = await signIn({
        me: USER,
        ...script,
        at: { ...usual, ...script.at },
      });
      expect([status, body.code]).toEqual([401, 'SIGN_IN_REFUSED']);
    });

    it.each<[string, unknown]>([
      ['is not verified', [{ email: 'mona@example.com', primary: true, verified: false }]],
      ['is verified, and not the primary one', [{ email: 'mona@example.com', verified: true }]],
      ['is verified in words', [{ email: 'mona@example.com', primary: true, verified: 'true' }]],
      ['is not there', []],
      ['is one of nothing', [null, 7, 'mona@example.com']],
      ['is of elsewhere', [{ email: 'mona@evil.example', primary: true, verified: true }]],
    ])('an address that %s', async (_, emails) => {
      const { status, body } = await signIn({ me: USER, at: at(emails) });
      expect([status, body.code]).toEqual([401, 'SIGN_IN_REFUSED']);
    });

    it('a pointer that leads through a prototype', async () => {
      const { status } = await signIn({ me: USER }, { subject: '/__proto__/constructor/name' });
      expect(status).toBe(401);
    });
  });

  it.each(['token', 'me', 'emails'] as const)('is told so where %s is away', async (where) => {
    const script = { me: USER, at: { emails: LIST, [where]: { status: 503 } } };
    const { status, body } = await signIn(script);
    expect([status, body.code]).toEqual([424, 'IDENTITY_PROVIDER_AWAY']);
  });
});
