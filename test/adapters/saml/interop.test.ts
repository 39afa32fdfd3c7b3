import { inflateRawSync } from 'node:zlib';
import samlify from 'samlify/build/index.js';
import { describe, expect, it } from 'vitest';
import { createSamlAnswers } from '#adapters/saml/saml-answers.ts';
import { createSamlRequests } from '#adapters/saml/saml-requests.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import type { SignInAt } from '#ports/identity-providers.ts';
import { makeCertificate } from '#test/support/saml/certificate.ts';

const { Constants, IdentityProvider, SamlLib, ServiceProvider, setSchemaValidator } = samlify;

/** An identity provider that others wrote reads our metadata and our request, and answers. */
const ACS = 'https://api.example/api/v1/auth/sso/acme/other/acs';
const SSO = 'https://idp.example/sso?tenant=1';
const ISSUER = 'https://idp.example/metadata';
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';

// It insists on a validator of schemas, of which there is none without Java.
setSchemaValidator({ validate: () => Promise.resolve('not looked at') });

describe('an identity provider of another project (samlify)', () => {
  const signer = makeCertificate('other');
  const clock = createVirtualClock({
    start: Date.UTC(2026, 10, 26),
    keep: () => Promise.resolve(),
  });
  const taken = new Set<string>();
  const requests = createSamlRequests({ clock });
  const saml = createSamlAnswers({
    clock,
    records: {
      put: ({ id }) => {
        const there = taken.has(id);
        taken.add(id);
        return Promise.resolve(
          there ? { kind: 'conflict', found: null } : { kind: 'written', version: '1' },
        );
      },
    },
  });
  const provider = IdentityProvider({
    entityID: ISSUER,
    privateKey: signer.key,
    signingCert: signer.certificate,
    isAssertionEncrypted: false,
    nameIDFormat: [PERSISTENT],
    requestSignatureAlgorithm: Constants.algorithms.signature.RSA_SHA256,
    singleSignOnService: [{ Binding: Constants.namespace.binding.redirect, Location: SSO }],
    loginResponseTemplate: {
      context: SamlLib.defaultLoginResponseTemplate.context.replace(
        '{AuthnStatement}',
        '<saml:AuthnStatement AuthnInstant="{IssueInstant}"><saml:AuthnContext><saml:AuthnContextClassRef>https://refeds.org/profile/mfa</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>',
      ),
      attributes: [],
    },
  });

  it('knows us by our metadata, understands our request, and its answer is taken once', async () => {
    const us = ServiceProvider({ metadata: saml.metadata(ACS), wantMessageSigned: true });
    expect(us.entityMeta.getEntityID()).toBe(ACS.replace(/acs$/, 'metadata'));
    expect(us.entityMeta.isWantAssertionsSigned()).toBe(true);
    expect(us.entityMeta.getAssertionConsumerService('post')).toBe(ACS);

    const at: SignInAt<'saml'> = {
      tenant: '11111111-1111-4111-8111-111111111111',
      protocol: {
        kind: 'saml',
        entity_id: ISSUER,
        sso_url: SSO,
        certificates: [signer.certificate],
      },
      secret: null,
      callbackUrl: ACS,
      state: 'a-state',
      trustsMfa: true,
    };
    const begun = await requests.begin(at);
    if (begun.kind !== 'begun') throw new Error(begun.reason);
    const query = Object.fromEntries(new URL(begun.location).searchParams);
    expect(query).toMatchObject({ tenant: '1', RelayState: 'a-state' });
    expect(inflateRawSync(Buffer.from(query['SAMLRequest'] ?? '', 'base64')).toString()).toContain(
      `Destination="${SSO}"`,
    );
    const { extract } = await provider.parseLoginRequest(us, 'redirect', { query });
    expect(extract).toMatchObject({
      issuer: us.entityMeta.getEntityID(),
      request: { id: begun.kept['request'], assertionConsumerServiceUrl: ACS },
    });

    const instant = (ms: number) => new Date(clock.now() + ms).toISOString();
    const { context } = await provider.createLoginResponse(
      us,
      { extract },
      'post',
      { email: 'u-4711' },
      (template: string) => ({
        id: '_response',
        context: SamlLib.replaceTagsByValue(template, {
          ID: '_response',
          AssertionID: '_assertion',
          Destination: ACS,
          Audience: us.entityMeta.getEntityID(),
          SubjectRecipient: ACS,
          Issuer: ISSUER,
          IssueInstant: instant(0),
          StatusCode: Constants.StatusCode.Success,
          ConditionsNotBefore: instant(0),
          ConditionsNotOnOrAfter: instant(300_000),
          SubjectConfirmationDataNotOnOrAfter: instant(300_000),
          NameIDFormat: PERSISTENT,
          NameID: 'u-4711',
          InResponseTo: begun.kept['request'] ?? '',
          AttributeStatement: '',
        }),
      }),
    );
    const answer = { state: 'a-state', SAMLResponse: context };
    expect(await saml.finish(at, begun.kept, answer)).toEqual({
      kind: 'proven',
      identity: {
        subject: 'u-4711',
        email: null,
        emailVerified: false,
        name: null,
        methods: ['mfa'],
        authenticatedAt: clock.now(),
      },
    });
    expect(await saml.finish(at, begun.kept, answer)).toEqual({
      kind: 'refused',
      reason: 'saml_replayed',
    });
  });
});
