import { request } from 'node:http';
import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ISSUER, startTestApi, type TestApi } from '#test/support/api.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import {
  type HonestProvider,
  startHonestProvider,
} from '#test/support/identity-providers/start.ts';
import { createPeople, type People } from '#test/support/people.ts';
import { makeCertificate } from '#test/support/saml/certificate.ts';

const EVIL = 'evil.example';
const SAYING: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Host: { host: EVIL },
  'Host, with a port': { host: `${EVIL}:8443` },
  'X-Forwarded-Host': { 'x-forwarded-host': EVIL, 'x-forwarded-proto': 'http' },
  Forwarded: { forwarded: `host=${EVIL};proto=http` },
  'X-Host and its like': { 'x-host': EVIL, 'x-original-host': EVIL, 'x-http-host-override': EVIL },
};

describeWithPostgres('a request that says that we are somebody else, by', () => {
  let honest: HonestProvider;
  let api: TestApi;
  let people: People;
  let tenant: string;
  let slug: string;
  let email: string;

  beforeAll(async () => {
    honest = await startHonestProvider({});
    const database = await createTestDatabase();
    api = await startTestApi(database, { egressAllow: [honest.host] });
    people = createPeople(api, database);
    ({ tenant, slug } = await people.tenant());
    ({ email } = await people.user(tenant));
    const owner = api.client(await api.createKey(tenant, ['*']));
    const settings = { enabled: true, email_domains: [], default_roles: null, trusts_mfa: false };
    const { id, secret } = await honest.register(`${ISSUER}/api/v1/auth/sso/${slug}/corp/callback`);
    await owner.createIdentityProvider({
      body: {
        ...{ name: 'corp', ...settings, client_secret: secret },
        protocol: {
          kind: 'oidc',
          issuer: honest.issuer,
          client_id: id,
          client_auth: 'client_secret_basic',
        },
      },
    });
    await owner.createIdentityProvider({
      body: {
        ...{ name: 'saml', ...settings },
        protocol: {
          kind: 'saml',
          entity_id: 'https://idp.example',
          sso_url: 'https://idp.example/sso',
          certificates: [makeCertificate('idp').certificate],
        },
      },
    });
  }, 60_000);
  afterAll(async () => {
    await api?.close();
    await honest?.close();
  });

  /** With a Host of our choice, which clients do not let callers set. */
  function ask(path: string, headers: Readonly<Record<string, string>>, body?: object) {
    return new Promise<{ status: number; location: string; text: string }>((resolve, reject) => {
      const sent = request(
        new URL(path, api.server.url),
        {
          method: body === undefined ? 'GET' : 'POST',
          headers: {
            ...headers,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('error', reject);
          response.on('end', () => {
            const { location = '' } = response.headers;
            resolve({ status: response.statusCode ?? 0, location, text });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
  const begin = (provider: string) =>
    `/api/v1/auth/sso/${slug}/${provider}?${new URLSearchParams({
      return_to: 'http://127.0.0.1:4711/callback',
      code_challenge: 'A'.repeat(43),
    })}`;

  it.each(Object.keys(SAYING))(
    '%s is told our own address, and so is who is mailed',
    async (how) => {
      const headers = SAYING[how] as Readonly<Record<string, string>>;
      const discovery = await ask('/.well-known/oauth-authorization-server', headers);
      expect(JSON.parse(discovery.text)).toMatchObject({ issuer: ISSUER });
      const metadata = await ask(`/api/v1/auth/sso/${slug}/saml/metadata`, headers);
      expect(metadata.status).toBe(200);
      expect(metadata.text).toContain(`${ISSUER}/api/v1/auth/sso/${slug}/saml/acs`);
      const openid = await ask(begin('corp'), headers);
      expect(openid.status).toBe(303);
      expect(new URL(openid.location).searchParams.get('redirect_uri')).toBe(
        `${ISSUER}/api/v1/auth/sso/${slug}/corp/callback`,
      );
      const saml = await ask(begin('saml'), headers);
      expect(saml.status).toBe(303);
      const deflated = new URL(saml.location).searchParams.get('SAMLRequest') ?? '';
      const asked = inflateRawSync(Buffer.from(deflated, 'base64')).toString();
      expect(asked).toContain(`${ISSUER}/api/v1/auth/sso/${slug}/saml/acs`);
      const forgot = await ask('/api/v1/auth/password/forgot', headers, { tenant: slug, email });
      expect(forgot.status).toBe(204);
      const mail = await people.lastMail(tenant, 'identity.reset_password');
      for (const told of [discovery.text, metadata.text, openid.location, asked, mail]) {
        expect(JSON.stringify(told)).not.toContain(EVIL);
      }
    },
  );
});
