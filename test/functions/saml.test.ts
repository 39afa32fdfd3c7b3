import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '#client/client.ts';
import type { ResponseBody } from '#contract/routes.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { ISSUER, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { ATTACKS } from '#test/support/saml/attacks.ts';
import { makeCertificate } from '#test/support/saml/certificate.ts';
import { type PostedForm, startIdp, type TestIdp, visit } from '#test/support/saml/idp.ts';
import type { Instructions } from '#test/support/saml/idp-process.ts';

type Provider = ResponseBody<'getIdentityProvider'>;
type Tokens = ResponseBody<'refreshTokens'> & { readonly mfa_token?: string };

const VERIFIER = 'v'.repeat(43);
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');
const RETURN_TO = 'http://127.0.0.1:4999/callback';
const MFA = 'https://refeds.org/profile/mfa';

describeWithPostgres('people sign in through a SAML identity provider', () => {
  let database: TestDatabase;
  let clock: VirtualClock;
  let idp: TestIdp;
  let api: TestApi;
  let people: People;
  let home: Home;

  interface Home {
    readonly tenant: string;
    readonly slug: string;
    readonly owner: Client;
  }

  beforeAll(async () => {
    database = await createTestDatabase();
    idp = await startIdp();
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    const { host } = new URL(idp.url);
    api = await startTestApi(database, { clock, egressAllow: [host] });
    people = createPeople(api, database);
    home = await aHome();
  });
  afterAll(async () => {
    await api?.close();
    await idp?.close();
  });

  async function aHome(): Promise<Home> {
    const { tenant, slug } = await people.tenant();
    return { tenant, slug, owner: api.client(await api.createKey(tenant, ['*'])) };
  }

  async function aProvider(of: Home, more: Record<string, unknown> = {}): Promise<Provider> {
    const { protocol, ...settings } = more;
    return of.owner.createIdentityProvider({
      body: {
        name: `idp-${randomUUID().slice(0, 8)}`,
        enabled: true,
        protocol: {
          kind: 'saml',
          entity_id: idp.entityId,
          sso_url: idp.url,
          certificates: [idp.certificates.now],
          email_attribute: 'email',
          name_attribute: 'name',
          ...(protocol as object | undefined),
        },
        email_domains: ['example.com'],
        default_roles: ['viewer'],
        trusts_mfa: false,
        ...settings,
      },
    });
  }

  function says(more: Partial<Instructions> = {}): Instructions {
    return {
      nameId: `n-${randomUUID()}`,
      attributes: { email: [`p.${randomUUID()}@example.com`], name: ['Ada Lovelace'] },
      now: clock.now(),
      ...more,
    };
  }

  /** Begins in a browser: where it is sent, and the cookie that it keeps. */
  async function begin(slug: string, provider: string) {
    const query = new URLSearchParams({
      return_to: RETURN_TO,
      code_challenge: CHALLENGE,
      state: 'mine',
    });
    const response = await fetch(`${api.server.url}/api/v1/auth/sso/${slug}/${provider}?${query}`, {
      redirect: 'manual',
    });
    expect(response.status).toBe(303);
    const set = response.headers.get('set-cookie') ?? '';
    return { location: response.headers.get('location') ?? '', set, cookie: set.split(';')[0]! };
  }

  function send(action: string, body: string, cookie: string | null, type = FORM) {
    return fetch(api.server.url + new URL(action).pathname, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': type, ...(cookie === null ? {} : { cookie }) },
      body,
    });
  }
  const FORM = 'application/x-www-form-urlencoded';
  const post = ({ action, fields }: PostedForm, cookie: string | null) =>
    send(action, new URLSearchParams(fields).toString(), cookie);

  async function exchange(code: string) {
    const response = await fetch(`${api.server.url}/api/v1/auth/sso/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code, code_verifier: VERIFIER }),
    });
    const body = (await response.json()) as Tokens & { readonly code: string };
    return { status: response.status, body };
  }

  /** From the button to the tokens, as a browser and the program behind it. */
  async function signIn(slug: string, provider: string, told: Instructions) {
    await idp.tell(told);
    const { location, cookie } = await begin(slug, provider);
    const answer = await post(await visit(location), cookie);
    const code = new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? '';
    return { answer, ...(await exchange(code)) };
  }

  async function events(of: Home, operation: string) {
    await api.sealAudit();
    return (await of.owner.listAuditEvents({ query: { limit: 200, operation } })).items;
  }

  async function problem(response: Response) {
    return { status: response.status, ...((await response.json()) as { readonly code: string }) };
  }

  describe('honestly', () => {
    it('brings a new user along, and knows them again by their name there and no address', async () => {
      const provider = await aProvider(home);
      const told = says();
      const first = await signIn(home.slug, provider.name, told);
      expect([first.answer.status, first.status]).toEqual([303, 200]);
      expect(first.answer.headers.get('location')).toMatch(
        /^http:\/\/127\.0\.0\.1:4999\/callback\?/,
      );
      const claims = claimsOf(first.body.access_token);
      expect(claims).toMatchObject({
        email: told.attributes['email']![0],
        roles: ['viewer'],
        tenant_id: home.tenant,
        amr: ['saml'],
      });
      const again = await signIn(home.slug, provider.name, {
        ...told,
        attributes: { email: [`moved.${randomUUID()}@example.com`] },
      });
      expect(claimsOf(again.body.access_token)['user_id']).toBe(claims['user_id']);
    });

    it('tells the browser neither a token nor a name, and holds it to the sign-in by a cookie', async () => {
      const provider = await aProvider(home);
      const { location, set } = await begin(home.slug, provider.name);
      expect(set).toMatch(
        /^__Host-[^=]+=[^;]+; Path=\/; Secure; HttpOnly; SameSite=None; Max-Age=/,
      );
      expect(new URL(location).origin).toBe(new URL(idp.url).origin);
      const told = says();
      const { answer } = await signIn(home.slug, provider.name, told);
      const target = new URL(answer.headers.get('location')!);
      expect([...target.searchParams.keys()]).toEqual(['code', 'state']);
      expect(target.searchParams.get('state')).toBe('mine');
      expect(target.href).not.toContain(told.nameId);
      expect(await answer.text()).toBe('');
    });

    it('goes on while the provider replaces its certificate, and not after the old one is gone', async () => {
      const provider = await aProvider(home);
      const { etag } = await etagOf(provider.name);
      const rotated = says({ rotated: true });
      expect((await signIn(home.slug, provider.name, rotated)).body.code).toBe('SIGN_IN_REFUSED');
      const { enabled, email_domains, default_roles, trusts_mfa } = provider;
      const settings = { enabled, email_domains, default_roles, trusts_mfa };
      const both = [idp.certificates.now, idp.certificates.next];
      await home.owner.updateIdentityProvider({
        provider: provider.name,
        ifMatch: etag,
        body: { ...settings, protocol: { ...provider.protocol, certificates: both } as never },
      });
      expect((await signIn(home.slug, provider.name, rotated)).status).toBe(200);
      expect((await signIn(home.slug, provider.name, says())).status).toBe(200);
    });

    it.each([
      ['counts where the provider is trusted with it', true, MFA, ['saml', 'mfa']],
      ['counts nowhere else', false, MFA, ['saml']],
      ['is none in words that nobody knows', true, 'urn:acme:very-strong', ['saml']],
    ])('a second factor that was proven there %s', async (_, trusted, contextClass, amr) => {
      const provider = await aProvider(home, { trusts_mfa: trusted });
      const { body } = await signIn(home.slug, provider.name, says({ parts: { contextClass } }));
      expect(claimsOf(body.access_token)['amr']).toEqual(amr);
    });

    it('has metadata of its own for each provider, which say where answers go', async () => {
      const provider = await aProvider(home);
      const path = `/api/v1/auth/sso/${home.slug}/${provider.name}`;
      const response = await fetch(`${api.server.url}${path}/metadata`);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('application/samlmetadata+xml');
      const xml = await response.text();
      expect(xml).toContain(`entityID="${ISSUER}${path}/metadata"`);
      expect(xml).toContain(`Location="${provider.callback_url}"`);
      expect(xml).toContain('WantAssertionsSigned="true"');
      expect(provider.callback_url).toBe(`${ISSUER}${path}/acs`);
      const none = await fetch(`${api.server.url}/api/v1/auth/sso/${home.slug}/nobody/metadata`);
      expect((await problem(none)).code).toBe('NOT_FOUND');
    });
  });

  describe('with an answer that must not be taken', () => {
    let provider: Provider;
    beforeAll(async () => {
      provider = await aProvider(home);
    });

    it.each(Object.keys(ATTACKS))(
      '%s: one refusal, whose reason the audit trail has',
      async (attack) => {
        await idp.tell(says({ attack }));
        const { location, cookie } = await begin(home.slug, provider.name);
        const answer = await post(await visit(location), cookie);
        expect(answer.status).toBe(303);
        const code = new URL(answer.headers.get('location')!).searchParams.get('code')!;
        const { status, body } = await exchange(code);
        expect([status, body.code]).toEqual([401, 'SIGN_IN_REFUSED']);
        expect(JSON.stringify(body)).not.toContain(ATTACKS[attack]!.reason);
        const requestId = answer.headers.get('x-request-id');
        const told = (await events(home, 'finishSamlSignIn')).find(
          (event) => event.request_id === requestId,
        );
        expect(told?.details).toMatchObject({ reason: `saml_${ATTACKS[attack]!.reason}` });
      },
    );

    it('makes no user of any of them', async () => {
      const { rows } = await database.admin.query<{ count: string }>(
        `select count(*) from external_identities e join identity_providers p on p.id = e.provider_id
         where p.name = $1`,
        [provider.name],
      );
      expect(rows[0]!.count).toBe('0');
    });

    it('a certificate of the provider whose time is over signs nothing', async () => {
      const old = await aProvider(home, {
        protocol: { certificates: [idp.certificates.past] },
      });
      expect((await signIn(home.slug, old.name, says())).body.code).toBe('SIGN_IN_REFUSED');
      const [event] = await events(home, 'finishSamlSignIn');
      expect(event?.details).toMatchObject({ reason: 'saml_certificate_expired' });
    });

    it.each([
      [
        'an address of a domain that is not its own',
        { attributes: { email: ['ada@other.example'] } },
      ],
      ['no address', { attributes: {} }],
      ['two addresses', { attributes: { email: ['a@example.com', 'b@example.com'] } }],
    ])('nobody new comes with %s', async (_, more) => {
      expect((await signIn(home.slug, provider.name, says(more))).body.code).toBe(
        'SIGN_IN_REFUSED',
      );
    });
  });

  describe('with an answer that is brought wrongly', () => {
    let provider: Provider;
    beforeAll(async () => {
      provider = await aProvider(home);
    });

    async function anAnswer(of = home, name = provider.name) {
      await idp.tell(says());
      const { location, cookie } = await begin(of.slug, name);
      return { form: await visit(location), cookie };
    }

    it('is taken once', async () => {
      const { form, cookie } = await anAnswer();
      expect((await post(form, cookie)).status).toBe(303);
      expect(await problem(await post(form, cookie))).toMatchObject({
        status: 401,
        code: 'TOKEN_INVALID',
      });
    });

    it('of two at once, one is taken', async () => {
      const { form, cookie } = await anAnswer();
      const answers = await Promise.all([1, 2, 3, 4].map(() => post(form, cookie)));
      expect(answers.map(({ status }) => status).sort()).toEqual([303, 401, 401, 401]);
    });

    it('is refused in another sign-in of the same browser, whose request it does not answer', async () => {
      const first = await anAnswer();
      const second = await anAnswer();
      const mixed = {
        ...second.form,
        fields: { ...second.form.fields, SAMLResponse: first.form.fields.SAMLResponse },
      };
      await expectRefused(await post(mixed, second.cookie), 'saml_wrong_request');
    });

    it.each([
      ['without the cookie of the browser that began', null],
      ['with a cookie of its own making', '__Host-cloudflow-sign-in-0000000000000000=cfb_x'],
    ])('is refused %s', async (_, cookie) => {
      const { form } = await anAnswer();
      expect((await problem(await post(form, cookie))).code).toBe('TOKEN_INVALID');
    });

    it('is refused in a browser with a sign-in of its own, so that nobody is signed in as another', async () => {
      const theirs = await anAnswer();
      const mine = await anAnswer();
      expect((await problem(await post(theirs.form, mine.cookie))).code).toBe('TOKEN_INVALID');
    });

    it.each([
      ['that nobody asked for', ''],
      ['whose RelayState is an address', 'https://evil.example/'],
      ['whose RelayState is of nobody', `cfs_${'x'.repeat(43)}`],
    ])('an answer %s is refused, and leads nowhere', async (_, RelayState) => {
      const { form, cookie } = await anAnswer();
      const answer = await post({ ...form, fields: { ...form.fields, RelayState } }, cookie);
      expect(answer.headers.get('location')).toBeNull();
      expect([400, 401]).toContain(answer.status);
    });

    it('is refused by another tenant, and by another provider of the same', async () => {
      const other = await aHome();
      const theirs = await aProvider(other, { name: provider.name });
      const another = await aProvider(home);
      for (const { callback_url } of [theirs, another]) {
        const { form, cookie } = await anAnswer();
        const answer = await post({ ...form, action: callback_url }, cookie);
        expect((await problem(answer)).code).toBe('TOKEN_INVALID');
      }
    });

    it('is refused in a sign-in of another tenant, that begins for the very same provider', async () => {
      const other = await aHome();
      const theirs = await aProvider(other, { name: provider.name });
      const mine = await anAnswer();
      const sign = await anAnswer(other, theirs.name);
      const mixed = {
        ...sign.form,
        fields: { ...sign.form.fields, SAMLResponse: mine.form.fields.SAMLResponse },
      };
      const answer = await post(mixed, sign.cookie);
      await expectRefused(answer, 'saml_wrong_destination', other);
    });

    it('is refused after ten minutes', async () => {
      const { form, cookie } = await anAnswer();
      await clock.advance(601_000);
      expect((await problem(await post(form, cookie))).code).toBe('TOKEN_INVALID');
    });

    it('is refused once the provider is switched off', async () => {
      const gone = await aProvider(home);
      const { form, cookie } = await anAnswer(home, gone.name);
      await home.owner.deleteIdentityProvider({ provider: gone.name });
      expect((await problem(await post(form, cookie))).code).toBe('TOKEN_INVALID');
    });

    it.each([
      ['as JSON', 'application/json', 415],
      ['as a form in parts', 'multipart/form-data; boundary=x', 415],
      ['as plain text', 'text/plain', 415],
      ['in another encoding', `${'application/x-www-form-urlencoded'}; charset=utf-16`, 415],
    ])('is refused %s', async (_, type, status) => {
      const { form, cookie } = await anAnswer();
      const body = new URLSearchParams(form.fields).toString();
      expect((await problem(await send(form.action, body, cookie, type))).status).toBe(status);
    });

    it.each([
      ['a field twice', (body: string) => `${body}&RelayState=x`, 400],
      ['no answer in it', () => 'RelayState=x', 400],
      ['no state in it', (body: string) => body.replace(/RelayState=[^&]*/, ''), 400],
      ['a broken escape', (body: string) => `${body}&x=%E0`, 400],
      ['nothing in it', () => '', 400],
      ['more than a body may hold', (body: string) => `${body}&x=${'x'.repeat(1_100_000)}`, 413],
    ])('a form with %s is refused', async (_, change, status) => {
      const { form, cookie } = await anAnswer();
      const body = change(new URLSearchParams(form.fields).toString());
      expect((await problem(await send(form.action, body, cookie))).status).toBe(status);
    });

    async function expectRefused(answer: Response, reason: string, of = home) {
      expect(answer.status).toBe(303);
      const code = new URL(answer.headers.get('location')!).searchParams.get('code')!;
      expect((await exchange(code)).body.code).toBe('SIGN_IN_REFUSED');
      const requestId = answer.headers.get('x-request-id');
      const told = (await events(of, 'finishSamlSignIn')).find(
        (event) => event.request_id === requestId,
      );
      expect(told?.details).toMatchObject({ reason });
    }
  });

  describe('a provider that is registered', () => {
    it.each([
      [
        'a certificate that is none',
        ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
      ],
      ['a key too short to sign with', 'short'],
    ])('may not have %s', async (_, certificates) => {
      const given =
        certificates === 'short'
          ? [makeCertificate('short', { bits: 1_024 }).certificate]
          : certificates;
      await expect(aProvider(home, { protocol: { certificates: given } })).rejects.toMatchObject({
        code: 'IDENTITY_PROVIDER_INVALID',
      });
    });
  });

  async function etagOf(name: string): Promise<{ readonly etag: string }> {
    const key = await api.createKey(home.tenant, ['*']);
    const response = await fetch(`${api.server.url}/api/v1/identity-providers/${name}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    return { etag: response.headers.get('etag') ?? '' };
  }
});

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >;
}
