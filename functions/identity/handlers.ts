import type { ApiKeys } from '#ports/api-keys.ts';
import type { ExternalIdentities } from '#ports/identity-providers.ts';
import type { SigningKeys } from '#ports/signing-keys.ts';
import { changeAddress, confirmAddress } from '#services/identity/address-change.ts';
import type { IdentityDeps } from '#services/identity/deps.ts';
import { discovery, jwks } from '#services/identity/discovery.ts';
import {
  acceptInvitation,
  changePassword,
  forgotPassword,
  resetPassword,
} from '#services/identity/password-changes.ts';
import { confirmTotp, enrolTotp, removeTotp, stepUp } from '#services/identity/second-factor.ts';
import { refreshTokens } from '#services/identity/sessions.ts';
import { login, verifySecondFactor } from '#services/identity/sign-in.ts';
import type { Cursors } from '#services/shared/cursor.ts';
import {
  createApiKey,
  getApiKey,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
} from '#services/users/api-keys.ts';
import {
  listIdentities,
  listMyIdentities,
  removeIdentity,
  removeMyIdentity,
} from '#services/users/identities.ts';
import type { Profiles } from '#services/users/profiles.ts';
import {
  createRole,
  deleteRole,
  getRole,
  listPermissions,
  listRoles,
  updateRole,
} from '#services/users/roles.ts';
import {
  listMySessions,
  listSessions,
  logout,
  revokeMySession,
  revokeMySessions,
  revokeSession,
  whoAmI,
} from '#services/users/sessions.ts';
import { getTenant, updateTenant } from '#services/users/tenants.ts';
import {
  activateUser,
  deactivateUser,
  getProfile,
  getUser,
  inviteAgain,
  inviteUser,
  listUsers,
  resetSecondFactor,
  updateProfile,
  updateUser,
} from '#services/users/users.ts';
import type { Handlers, OperationsOf } from '../shared/api.ts';

export interface IdentityHandlerDeps extends IdentityDeps {
  readonly apiKeys: ApiKeys;
  readonly identities: Pick<ExternalIdentities, 'list' | 'unlink'>;
  readonly signingKeys: SigningKeys;
  readonly cursors: Cursors;
  readonly profiles: Profiles;
  /** Who issues tokens: where the API is reached from outside. */
  readonly issuer: () => string;
}

type IdentityTag = 'auth' | 'users' | 'roles' | 'tenants' | 'api-keys' | 'sessions';

const NOTHING = { body: undefined } as const;

export function identityHandlers(deps: IdentityHandlerDeps): Handlers<OperationsOf<IdentityTag>> {
  return {
    login: async ({ body, client, audit }) => ({ body: await login(deps, body, client, audit) }),
    verifySecondFactor: async ({ body, client, audit }) => ({
      body: await verifySecondFactor(deps, body, client, audit),
    }),
    refreshTokens: async ({ body, client, audit }) => ({
      body: await refreshTokens(deps, body.refresh_token, client, audit),
    }),
    logout: async ({ principal }) => {
      await logout(deps, principal);
      return NOTHING;
    },
    whoAmI: async ({ principal }) => ({ body: await whoAmI(deps, principal) }),
    enrolTotp: async ({ principal }) => ({ body: await enrolTotp(deps, principal) }),
    confirmTotp: async ({ principal, body }) => ({
      body: await confirmTotp(deps, principal, body.code),
    }),
    removeTotp: async ({ principal, body }) => {
      await removeTotp(deps, principal, body.code);
      return NOTHING;
    },
    stepUp: async ({ principal, body, client }) => {
      await stepUp(deps, principal, body, client);
      return NOTHING;
    },
    changePassword: async ({ principal, body, client }) => {
      await changePassword(deps, principal, body, client);
      return NOTHING;
    },
    changeAddress: async ({ principal, body, client }) => {
      await changeAddress(deps, principal, body, client);
      return NOTHING;
    },
    confirmAddress: async ({ body, audit }) => {
      await confirmAddress(deps, body, audit);
      return NOTHING;
    },
    forgotPassword: async ({ body, client, audit }) => {
      await forgotPassword(deps, body, client, audit);
      return NOTHING;
    },
    resetPassword: async ({ body, audit }) => {
      await resetPassword(deps, body, audit);
      return NOTHING;
    },
    acceptInvitation: async ({ body, audit }) => {
      await acceptInvitation(deps, body, audit);
      return NOTHING;
    },
    getJwks: () => jwks(deps.signingKeys),
    getDiscovery: () => Promise.resolve({ body: discovery(deps.issuer()) }),

    inviteUser: async ({ principal, body }) => {
      const invited = await inviteUser(deps, principal, body);
      return { ...invited, location: `/api/v1/users/${invited.body.user_id}` };
    },
    listUsers: async ({ principal, query }) => ({ body: await listUsers(deps, principal, query) }),
    getProfile: ({ principal }) => getProfile(deps, principal),
    updateProfile: ({ principal, body, ifMatch }) => updateProfile(deps, principal, body, ifMatch),
    getUser: ({ principal, params }) => getUser(deps, principal, params.user_id),
    updateUser: ({ principal, params, body, ifMatch }) =>
      updateUser(deps, principal, params.user_id, body, ifMatch),
    deactivateUser: ({ principal, params }) => deactivateUser(deps, principal, params.user_id),
    activateUser: ({ principal, params }) => activateUser(deps, principal, params.user_id),
    listMyIdentities: async ({ principal }) => ({ body: await listMyIdentities(deps, principal) }),
    removeMyIdentity: async ({ principal, params }) => {
      await removeMyIdentity(deps, principal, params.provider);
      return NOTHING;
    },
    listIdentities: async ({ principal, params }) => ({
      body: await listIdentities(deps, principal, params.user_id),
    }),
    removeIdentity: async ({ principal, params }) => {
      await removeIdentity(deps, principal, params.user_id, params.provider);
      return NOTHING;
    },
    inviteAgain: ({ principal, params }) => inviteAgain(deps, principal, params.user_id),
    resetSecondFactor: ({ principal, params }) =>
      resetSecondFactor(deps, principal, params.user_id),

    listPermissions: () => Promise.resolve({ body: listPermissions() }),
    listRoles: async ({ principal, query }) => ({ body: await listRoles(deps, principal, query) }),
    createRole: async ({ principal, body }) => ({
      ...(await createRole(deps, principal, body)),
      location: `/api/v1/roles/${body.name}`,
    }),
    getRole: ({ principal, params }) => getRole(deps, principal, params.role),
    updateRole: ({ principal, params, body, ifMatch }) =>
      updateRole(deps, principal, params.role, body, ifMatch),
    deleteRole: async ({ principal, params, ifMatch }) => {
      await deleteRole(deps, principal, params.role, ifMatch);
      return NOTHING;
    },

    getTenant: ({ principal, params }) => getTenant(deps, principal, params.tenant_id),
    updateTenant: ({ principal, params, body, ifMatch }) =>
      updateTenant(deps, principal, params.tenant_id, body, ifMatch),

    createApiKey: async ({ principal, body }) => {
      const created = await createApiKey(deps, principal, body);
      return { body: created, location: `/api/v1/api-keys/${created.key.key_id}` };
    },
    listApiKeys: async ({ principal, query }) => ({
      body: await listApiKeys(deps, principal, query),
    }),
    getApiKey: async ({ principal, params }) => ({
      body: await getApiKey(deps, principal, params.key_id),
    }),
    rotateApiKey: async ({ principal, params, body }) => {
      const created = await rotateApiKey(deps, principal, params.key_id, body);
      return { body: created, location: `/api/v1/api-keys/${created.key.key_id}` };
    },
    revokeApiKey: async ({ principal, params }) => {
      await revokeApiKey(deps, principal, params.key_id);
      return NOTHING;
    },

    listMySessions: async ({ principal, query }) => ({
      body: await listMySessions(deps, principal, query),
    }),
    revokeMySessions: async ({ principal }) => {
      await revokeMySessions(deps, principal);
      return NOTHING;
    },
    revokeMySession: async ({ principal, params }) => {
      await revokeMySession(deps, principal, params.session_id);
      return NOTHING;
    },
    listSessions: async ({ principal, query }) => ({
      body: await listSessions(deps, principal, query),
    }),
    revokeSession: async ({ principal, params }) => {
      await revokeSession(deps, principal, params.session_id);
      return NOTHING;
    },
  };
}
