import * as Type from 'typebox';
import { PROTOCOLS, type Protocol, ProviderName } from '#core/identity-providers.ts';
import { inWords } from '#core/in-words.ts';
import { naming } from '#core/naming.ts';
import { closed, nullable, oneOf, Timestamp, toldApartBy, Uuid } from './common.ts';
import { DeviceName, Mode, RoleNames, TenantSlug } from './identity.ts';

export { ProviderName };

const Spec = toldApartBy<Protocol>('kind', PROTOCOLS);

const ClientSecret = inWords(
  '1 to 1,024 printable ASCII characters',
  Type.String({
    minLength: 1,
    maxLength: 1_024,
    // RFC 6749, A.2.
    pattern: '^[\\x20-\\x7e]+$',
    writeOnly: true,
    description: 'kept apart, never answered by any route',
  }),
);

const settings = {
  enabled: Type.Boolean({ description: 'nobody signs in through one that is not' }),
  protocol: Spec,
  email_domains: Type.Array(
    naming(
      'email_domain',
      inWords(
        'a domain in lower case and ASCII, such as example.com',
        Type.String({
          pattern: '^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.){1,8}[a-z0-9-]{2,63}$',
          maxLength: 253,
          description: 'a domain in lower case and ASCII; it speaks for this one and none below it',
        }),
      ),
    ),
    {
      maxItems: 50,
      uniqueItems: true,
      description:
        'addresses that this provider may speak for: only with a verified one of them is somebody new, or known here already, taken for who they say',
    },
  ),
  default_roles: nullable({
    ...RoleNames,
    description: 'of users that it brings along; null: only those who are here already sign in',
  }),
  trusts_mfa: Type.Boolean({
    description: 'a second factor that was proven there within the last half hour counts here',
  }),
};

export const CreateIdentityProviderBody = closed({
  name: ProviderName,
  ...settings,
  client_secret: Type.Optional(ClientSecret),
});

export const UpdateIdentityProviderBody = closed({
  ...settings,
  client_secret: Type.Optional(ClientSecret),
});

export const IdentityProvider = closed({
  provider_id: Uuid,
  name: ProviderName,
  ...settings,
  has_secret: Type.Boolean(),
  secret_set_at: Type.Union([Timestamp, Type.Null()]),
  secret_turn_by: Type.Union([Timestamp, Type.Null()], {
    description:
      'when the client secret is to be changed by; nothing happens then but that it is said',
  }),
  callback_url: Type.String({ description: 'what is registered with the provider, exactly so' }),
  created_at: Timestamp,
  updated_at: Timestamp,
});

export const ByProvider = closed({ provider: ProviderName });
export const ByTenantAndProvider = closed({ tenant: TenantSlug, provider: ProviderName });

/** RFC 7636: SHA-256 in base64url. */
const Challenge = inWords(
  'SHA-256 of the verifier in base64url: 43 letters, digits, `-` and `_`',
  Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
);
const Verifier = inWords(
  '43 to 128 letters, digits, `.`, `_`, `~` and `-` (RFC 7636)',
  Type.String({ pattern: '^[A-Za-z0-9._~-]{43,128}$', writeOnly: true }),
);

export const BeginSignInQuery = closed({
  return_to: Type.String({
    maxLength: 512,
    description:
      'where the code is handed to: `http://127.0.0.1:<any port>/callback`, `http://[::1]:<any port>/callback`, or `/callback` of an origin that may call',
  }),
  code_challenge: {
    ...Challenge,
    description: 'SHA-256 of the verifier that the code is traded with (RFC 7636, S256)',
  },
  state: Type.Optional(
    inWords(
      '1 to 128 letters, digits, `.`, `_`, `~` and `-`',
      Type.String({ pattern: '^[A-Za-z0-9._~-]{1,128}$', description: 'given back with the code' }),
    ),
  ),
});

/** Providers add members of their own, which mean nothing here. */
export const FinishSignInQuery = Type.Object({
  state: naming('sign_in_state', Type.String({ minLength: 1, maxLength: 128 })),
  code: Type.Optional(Type.String({ minLength: 1, maxLength: 2_048 })),
  iss: Type.Optional(Type.String({ maxLength: 1_024 })),
  error: Type.Optional(Type.String({ maxLength: 256 })),
});

/** Fields of the binding HTTP-POST, by their names in SAML 2.0. Others mean nothing here. */
export const SamlAnswerForm = Type.Object({
  SAMLResponse: Type.String({
    minLength: 1,
    description: 'in base64; up to 256 KiB of XML, of up to 1,000 elements',
  }),
  RelayState: naming(
    'sign_in_state',
    Type.String({
      minLength: 1,
      maxLength: 128,
      description: 'as it was sent to the provider; it is never an address',
    }),
  ),
});

export const SamlMetadata = Type.String({ description: 'an EntityDescriptor of SAML 2.0' });

export const ExchangeSignInBody = closed({
  code: naming(
    'sign_in_code',
    inWords(
      'the code that the browser came back with: 20 to 128 letters, digits, `-` and `_`',
      Type.String({ pattern: '^[A-Za-z0-9_-]{20,128}$', writeOnly: true }),
    ),
  ),
  code_verifier: Verifier,
  mode: Type.Optional({ ...Mode, default: 'live' }),
  device: Type.Optional(DeviceName),
});

export const LinkIdentityBody = closed({
  code: ExchangeSignInBody.properties.code,
  code_verifier: Verifier,
});

/** Whom a user is elsewhere; few, so they are not in pages. */
export const Identities = closed({
  items: Type.Array(
    closed({
      provider: ProviderName,
      kind: oneOf(['oidc', 'oauth2', 'saml']),
      enabled: Type.Boolean({ description: 'nobody signs in through one that is not' }),
      subject: Type.String({ description: 'the provider’s id for the user' }),
      linked_at: Timestamp,
    }),
  ),
});

export const LinkedIdentity = closed({
  provider: ProviderName,
  kind: oneOf(['oidc', 'oauth2', 'saml']),
});
