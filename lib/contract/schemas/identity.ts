import * as Type from 'typebox';
import { inWords } from '#core/in-words.ts';
import { naming } from '#core/naming.ts';
import { MOST_SENT, PASSWORD_LENGTH } from '#core/password-length.ts';
import {
  MOST_REQUESTS_PER_MINUTE,
  REQUESTS_PER_MINUTE,
  TENANT_REQUESTS_PER_MINUTE,
} from '#core/rate-limits.ts';
import { PERMISSIONS, SCOPES } from '../permissions.ts';
import { closed, nullable, oneOf, Timestamp, Uuid, WorkflowId } from './common.ts';

export const Email = naming(
  'address',
  inWords(
    'an address of mail of up to 254 characters, such as ada@example.com',
    Type.String({
      pattern: '^[^\\s@<>"]{1,64}@[^\\s@<>"]{1,190}$',
      maxLength: 254,
      description: 'an address; two spellings of one address are one account',
    }),
  ),
);

/** Bounds only what is hashed; what makes a password unsuitable is told by its own code. */
const passwordIs = (description: string) =>
  Type.String({ minLength: 1, maxLength: MOST_SENT, writeOnly: true, description });
const Password = passwordIs('the password, as it was set');
const NewPassword = passwordIs(
  `${PASSWORD_LENGTH.least} to ${PASSWORD_LENGTH.most} characters, counted in their composed form (NFKC), else PASSWORD_UNSUITABLE; up to ${MOST_SENT} as they are sent`,
);

const PersonName = inWords(
  '1 to 120 characters, none of them a control character',
  Type.String({ minLength: 1, maxLength: 120, pattern: '^[^\\x00-\\x1f\\x7f]+$' }),
);

export const TENANT_SLUG = '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$';
export const TenantSlug = naming(
  'tenant_name',
  inWords(
    '1 to 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit',
    Type.String({
      pattern: TENANT_SLUG,
      description: 'the short name of the tenant',
    }),
  ),
);

export const Mode = oneOf(['live', 'test'], 'what is of one mode never sees the other');

export const RoleName = naming(
  'role',
  inWords(
    '1 to 40 lower-case letters, digits and `-`, beginning with a letter and not ending with `-`',
    Type.String({
      pattern: '^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$',
      description: 'the name of a role',
    }),
  ),
);

export const ScopeName = oneOf(SCOPES, 'a permission, all of an area, or everything');

export const RoleNames = Type.Array(RoleName, { maxItems: 20, uniqueItems: true });
const ScopeNames = Type.Array(ScopeName, { maxItems: SCOPES.length, uniqueItems: true });

/** A token that was mailed or handed out: 256 random bits in base64url, behind a word that says what for. */
const ProofToken = inWords(
  'the token as it was handed out: 20 to 128 letters, digits, `-` and `_`',
  Type.String({ pattern: '^[A-Za-z0-9_-]{20,128}$', writeOnly: true }),
);

export const DeviceName = Type.String({
  minLength: 1,
  maxLength: 80,
  description: 'shown in the list of sessions',
});

export const LoginBody = closed({
  tenant: TenantSlug,
  email: Email,
  password: Password,
  mode: Type.Optional({ ...Mode, default: 'live' }),
  device: Type.Optional(DeviceName),
  device_token: Type.Optional({
    ...naming('device_token', ProofToken),
    description:
      'what an earlier sign-in on this device answered: guesses of others then lock this one out no more',
  }),
});

export const Tokens = closed({
  token_type: oneOf(['Bearer']),
  access_token: Type.String({ description: 'a signed JWT of 15 minutes' }),
  expires_in: Type.Integer({ description: 'seconds until the access token ends' }),
  refresh_token: Type.String({ description: 'good once, for 7 days' }),
  session_id: Uuid,
  device_token: nullable(
    Type.String({ description: 'keep it on this device; null where nothing changed' }),
  ),
});

export const SecondFactorNeeded = closed({
  mfa_token: Type.String({ description: 'send it with a code within 5 minutes' }),
  factors: Type.Array(oneOf(['totp', 'recovery_code'])),
});

/** Either the tokens, or what the second factor is to be sent with. */
export const LoginAnswer = Type.Union([Tokens, SecondFactorNeeded]);

const Code = inWords(
  'six digits of the authenticator, or a recovery code: 6 to 20 letters, digits and `-`',
  Type.String({
    pattern: '^[0-9A-Za-z-]{6,20}$',
    writeOnly: true,
    description: 'six digits of the authenticator, or a recovery code',
  }),
);

export const VerifySecondFactorBody = closed({
  mfa_token: naming('mfa_token', ProofToken),
  code: Code,
});

export const SecondFactorBody = closed({ code: Code });

export const StepUpBody = closed({
  code: Type.Optional(Code),
  password: Type.Optional(Password),
});

export const TotpEnrolment = closed({
  secret: Type.String({ description: 'in base32, for authenticators that take no picture' }),
  uri: Type.String({ description: 'an otpauth URI, to be shown as a QR code' }),
});

export const RecoveryCodes = closed({
  recovery_codes: Type.Array(Type.String(), { description: 'each good once; shown this once' }),
});

export const RefreshBody = closed({ refresh_token: naming('refresh_token', ProofToken) });

export const ChangePasswordBody = closed({
  current_password: Password,
  new_password: NewPassword,
});

export const ChangeAddressBody = closed({ email: Email, current_password: Password });

export const ConfirmAddressBody = closed({ token: naming('address_token', ProofToken) });

export const ForgotPasswordBody = closed({ tenant: TenantSlug, email: Email });

export const ResetPasswordBody = closed({
  token: naming('reset_token', ProofToken),
  new_password: NewPassword,
});

export const AcceptInvitationBody = closed({
  token: naming('invitation_token', ProofToken),
  password: NewPassword,
  name: Type.Optional(PersonName),
});

export const UserStatus = oneOf(['invited', 'active', 'deactivated']);

export const User = closed({
  user_id: Uuid,
  email: Type.String(),
  name: nullable(Type.String()),
  status: UserStatus,
  roles: Type.Array(Type.String()),
  email_verified: Type.Boolean(),
  mfa_enrolled: Type.Boolean(),
  last_signed_in_at: nullable(Timestamp),
  created_at: Timestamp,
  updated_at: Timestamp,
});

/** Settings of a person's own: what programs show, bounded in size and depth. */
export const Preferences = closed({
  locale: Type.Optional(
    inWords(
      'a language tag such as en or de-AT',
      Type.String({ pattern: '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$' }),
    ),
  ),
  time_zone: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  notifications: Type.Optional(
    closed({
      email: Type.Optional(Type.Boolean()),
      sms: Type.Optional(Type.Boolean()),
      in_app: Type.Optional(Type.Boolean()),
    }),
  ),
  theme: Type.Optional(oneOf(['light', 'dark', 'system'])),
});

export const Me = closed({
  kind: oneOf(['user', 'api_key']),
  tenant_id: Uuid,
  tenant: Type.String(),
  mode: Mode,
  subject: Type.String(),
  permissions: Type.Array(Type.String()),
  user: nullable(User),
  session_id: nullable(Uuid),
  signed_in_at: nullable(Timestamp),
  second_factor_at: nullable(Timestamp),
});

export const Profile = closed({ user: User, preferences: Preferences });

export const UpdateProfileBody = closed({
  name: nullable(PersonName),
  preferences: Preferences,
});

export const InviteUserBody = closed({
  email: Email,
  name: Type.Optional(PersonName),
  roles: RoleNames,
});

export const UpdateUserBody = closed({ name: nullable(PersonName), roles: RoleNames });

export const Role = closed({
  name: RoleName,
  about: Type.String(),
  built_in: Type.Boolean(),
  scopes: Type.Array(Type.String()),
  created_at: nullable(Timestamp),
  updated_at: nullable(Timestamp),
});

const About = Type.String({ maxLength: 200 });

export const CreateRoleBody = closed({ name: RoleName, about: About, scopes: ScopeNames });
export const UpdateRoleBody = closed({ about: About, scopes: ScopeNames });

export const Permissions = closed({
  permissions: Type.Array(
    closed({
      permission: oneOf(Object.keys(PERMISSIONS)),
      about: Type.String(),
      administrative: Type.Boolean(),
    }),
  ),
});

const WhoNeedsMfa = oneOf(
  ['off', 'administrative', 'everyone'],
  'who needs a second factor: nobody, whoever changes who may do what, or every user',
);

const TenantRate = nullable(
  Type.Integer({
    minimum: 1,
    maximum: MOST_REQUESTS_PER_MINUTE,
    description: `of all callers together; null: ${TENANT_REQUESTS_PER_MINUTE}`,
  }),
);

const Origins = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
  maxItems: 20,
  uniqueItems: true,
  description: 'web pages that may call with credentials of the tenant, as https://host',
});

const WhoUsesPasswords = oneOf(
  ['everyone', 'owners'],
  'who may sign in with a password: everybody who has one, or only whoever has the role owner, when others come through an identity provider alone',
);

export const TenantSettings = closed({
  mfa: WhoNeedsMfa,
  password_sign_in: WhoUsesPasswords,
  requests_per_minute: TenantRate,
  allowed_origins: Origins,
});

/** What is left out is as if nobody had ever said it. */
export const TenantSettingsBody = closed({
  mfa: WhoNeedsMfa,
  password_sign_in: Type.Optional(WhoUsesPasswords),
  requests_per_minute: Type.Optional(TenantRate),
  allowed_origins: Type.Optional(Origins),
});

export const Tenant = closed({
  tenant_id: Uuid,
  slug: TenantSlug,
  name: Type.String(),
  settings: TenantSettings,
  created_at: Timestamp,
  updated_at: Timestamp,
});

export const UpdateTenantBody = closed({
  name: Type.String({ minLength: 1, maxLength: 120 }),
  settings: TenantSettingsBody,
});

const KeyName = Type.String({ minLength: 1, maxLength: 80, description: 'what it is for' });

export const ApiKeyId = naming(
  'api_key',
  inWords(
    '8 letters and digits: those of the key behind `cfk_live_` or `cfk_test_`',
    Type.String({ pattern: '^[0-9A-Za-z]{8}$' }),
  ),
);

export const ApiKey = closed({
  key_id: ApiKeyId,
  name: Type.String(),
  mode: Mode,
  scopes: Type.Array(Type.String()),
  workflows: nullable(
    Type.Array(Type.String(), { description: 'the workflows it is for; null: all' }),
  ),
  requests_per_minute: nullable(
    Type.Integer({ description: `its own limit; null: ${REQUESTS_PER_MINUTE}` }),
  ),
  created_at: Timestamp,
  expires_at: nullable(Timestamp),
  last_used_at: nullable(Timestamp),
  revoked_at: nullable(Timestamp),
});

export const CreateApiKeyBody = closed({
  name: KeyName,
  mode: Mode,
  scopes: Type.Array(ScopeName, { minItems: 1, maxItems: SCOPES.length, uniqueItems: true }),
  workflows: Type.Optional(
    Type.Array(WorkflowId, {
      minItems: 1,
      maxItems: 100,
      uniqueItems: true,
      description: 'only these; left out: all',
    }),
  ),
  requests_per_minute: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MOST_REQUESTS_PER_MINUTE,
      description: `left out: ${REQUESTS_PER_MINUTE}`,
    }),
  ),
  expires_at: Type.Optional(Timestamp),
});

export const CreatedApiKey = closed({
  api_key: Type.String({ description: 'the key; it is shown this once' }),
  key: ApiKey,
});

export const RotateApiKeyBody = closed({
  overlap_seconds: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 2_592_000,
      default: 86_400,
      description: 'how long the old key goes on',
    }),
  ),
});

export const Session = closed({
  session_id: Uuid,
  user_id: Uuid,
  mode: Mode,
  current: Type.Boolean(),
  device: nullable(Type.String()),
  user_agent: nullable(Type.String()),
  source: nullable(Type.String({ description: 'the address it was last used from' })),
  signed_in_at: Timestamp,
  last_used_at: Timestamp,
  expires_at: Timestamp,
  methods: Type.Array(Type.String(), { description: 'how the user proved who they are' }),
});

export const Jwks = closed({
  keys: Type.Array(
    closed({
      kty: oneOf(['RSA']),
      use: oneOf(['sig']),
      alg: oneOf(['RS256']),
      kid: Type.String(),
      n: Type.String(),
      e: Type.String(),
    }),
  ),
});

/** RFC 8414, as far as it applies: where keys are and who issues. */
export const Discovery = closed({
  issuer: Type.String(),
  jwks_uri: Type.String(),
});
