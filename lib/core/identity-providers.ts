import * as Type from 'typebox';
import { inWords } from './in-words.ts';
import { naming } from './naming.ts';

/**
 * What a tenant registers so that its people sign in elsewhere: how to ask the identity provider who
 * somebody is, and what of its answer counts here. The shapes are closed: an unknown member is refused.
 * The client secret is no part of them: it travels once, and is kept by the `Secrets` port.
 */
function closed<P extends Type.TProperties>(properties: P, options: { description?: string } = {}) {
  return Type.Object(properties, { ...options, additionalProperties: false });
}

function words<const T extends readonly string[]>(allowed: T, description: string) {
  return Type.Unsafe<T[number]>({ type: 'string', enum: [...allowed], description });
}

const HOST = '(?:[A-Za-z0-9.-]{1,253}|\\[[0-9A-Fa-f:.]{2,45}\\])(?::[0-9]{1,5})?';

function address(description: string) {
  return inWords(
    'a URL of http or https of up to 1,024 characters, without a user or a fragment',
    Type.String({
      maxLength: 1_024,
      pattern: `^https?://${HOST}(?:/[^\\s?#@\\\\]*)?(?:\\?[^\\s#\\\\]*)?$`,
      description,
    }),
  );
}

export const ProviderName = naming(
  'provider',
  inWords(
    'up to 40 of a-z, 0-9 and `-`, a letter first and no `-` last',
    Type.String({
      pattern: '^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$',
      description: 'the name of the provider: up to 40 of a-z, 0-9 and `-`, a letter first',
    }),
  ),
);

const ClientId = inWords(
  '1 to 256 visible ASCII characters without blanks',
  Type.String({ minLength: 1, maxLength: 256, pattern: '^[\\x21-\\x7e]+$' }),
);

const ScopeToken = inWords(
  '1 to 128 visible ASCII characters without blanks, `"` and `\\`',
  Type.String({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,128}$' }),
);
const Scopes = Type.Array(ScopeToken, {
  maxItems: 16,
  uniqueItems: true,
  description: 'scopes to ask for',
});

const ClientAuth = words(
  ['client_secret_basic', 'client_secret_post', 'none'],
  'how the client secret is sent to the token endpoint; `none`: there is no secret',
);

/** Signatures of ID tokens that are taken: asymmetric ones, each with one meaning. */
export const ID_TOKEN_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** OpenID Connect: everything else about the provider is discovered from its issuer. */
export const OidcProtocol = closed({
  kind: Type.Literal('oidc'),
  issuer: address('the issuer, exactly as its ID tokens and its discovery document say it'),
  client_id: ClientId,
  client_auth: ClientAuth,
  scopes: Type.Optional(Scopes),
  id_token_alg: Type.Optional(
    words(ID_TOKEN_ALGORITHMS, 'the one signature of ID tokens that is taken; default RS256'),
  ),
});
export type OidcProtocol = Type.Static<typeof OidcProtocol>;

/** A JSON Pointer into what the user-info endpoint answers. */
const Pointer = inWords(
  'a JSON Pointer of up to 8 names, such as /user/id',
  Type.String({
    pattern: '^(?:/(?:[^~/]|~[01]){1,64}){1,8}$',
    maxLength: 256,
    description: 'a JSON Pointer into the answer of `user_info_url`',
  }),
);

/** OAuth 2.0 without OpenID Connect, as GitHub has it: who signs in is asked with the access token. */
export const OAuth2Protocol = closed({
  kind: Type.Literal('oauth2'),
  authorize_url: address('where people are sent'),
  token_url: address('where the code is traded'),
  user_info_url: address('what tells who the access token is of, in JSON'),
  client_id: ClientId,
  client_auth: ClientAuth,
  scopes: Type.Optional(Scopes),
  issuer: Type.Optional(address('what `iss` must be where the provider sends it (RFC 9207)')),
  subject: {
    ...Pointer,
    description: 'JSON Pointer to the id that never changes and is never reused',
  },
  email: Type.Optional(Pointer),
  email_verified: Type.Optional(Pointer),
  name: Type.Optional(Pointer),
  emails_url: Type.Optional(
    address('a list of `{email, primary, verified}`, as GitHub answers; the primary one counts'),
  ),
});
export type OAuth2Protocol = Type.Static<typeof OAuth2Protocol>;

/** SAML 2.0: certificates are fixed here; one that a message brings along counts for nothing. */
export const SamlProtocol = closed({
  kind: Type.Literal('saml'),
  entity_id: inWords(
    '1 to 1,024 visible ASCII characters without blanks',
    Type.String({
      minLength: 1,
      maxLength: 1_024,
      pattern: '^[\\x21-\\x7e]+$',
      description: 'the entity id of the identity provider',
    }),
  ),
  sso_url: address('where people are sent, by the HTTP-Redirect binding'),
  certificates: Type.Array(
    inWords(
      'a certificate in PEM of up to 8,192 characters',
      Type.String({
        maxLength: 8_192,
        pattern: '^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----\\s*$',
        description: 'a certificate in PEM',
      }),
    ),
    {
      minItems: 1,
      maxItems: 4,
      description: 'what signs its messages; two while one replaces the other',
    },
  ),
  email_attribute: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  name_attribute: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
});
export type SamlProtocol = Type.Static<typeof SamlProtocol>;

export const PROTOCOLS = [OidcProtocol, OAuth2Protocol, SamlProtocol] as const;
export type Protocol = OidcProtocol | OAuth2Protocol | SamlProtocol;
export type ProtocolKind = Protocol['kind'];
export type ProtocolOf<K extends ProtocolKind> = Extract<Protocol, { readonly kind: K }>;

/** Whether a client secret belongs to it. */
export function needsSecret(protocol: Protocol): boolean {
  return protocol.kind !== 'saml' && protocol.client_auth !== 'none';
}

/**
 * Whom the client secret is given to. A provider that is led elsewhere brings its own, and nobody who
 * was known through it before is known through it still: another authority could say it is anybody.
 */
export function authorityOf(protocol: Protocol): string {
  switch (protocol.kind) {
    case 'oidc':
      return `oidc ${protocol.issuer}`;
    case 'oauth2':
      return `oauth2 ${protocol.token_url} ${protocol.user_info_url} ${protocol.subject}`;
    case 'saml':
      return `saml ${protocol.entity_id}`;
  }
}

/** The addresses of a provider, with where each stands in its specification. */
export function addressesOf(protocol: Protocol): readonly (readonly [string, string])[] {
  const members =
    protocol.kind === 'oidc'
      ? { issuer: protocol.issuer }
      : protocol.kind === 'saml'
        ? { sso_url: protocol.sso_url }
        : {
            authorize_url: protocol.authorize_url,
            token_url: protocol.token_url,
            user_info_url: protocol.user_info_url,
            emails_url: protocol.emails_url,
          };
  return Object.entries(members).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
}

/** Who somebody is, as an identity provider proved it. */
export interface ExternalIdentity {
  /** Its id for them, which it never gives to anybody else. */
  readonly subject: string;
  /** Null: it did not say. */
  readonly email: string | null;
  /** The provider itself has seen that the address is theirs. */
  readonly emailVerified: boolean;
  readonly name: string | null;
  /** How they proved it there (RFC 8176 words). */
  readonly methods: readonly string[];
  /** When they did; null: it did not say. */
  readonly authenticatedAt: number | null;
}
