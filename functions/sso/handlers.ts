import { finishSignIn } from '#services/sso/finish-sign-in.ts';
import { beginSignIn, exchangeSignIn, linkIdentity } from '#services/sso/flow.ts';
import {
  createIdentityProvider,
  deleteIdentityProvider,
  getIdentityProvider,
  listIdentityProviders,
  type ProviderDeps,
  updateIdentityProvider,
} from '#services/sso/providers.ts';
import type { Handlers, OperationsOf } from '../shared/api.ts';

export function ssoHandlers(
  deps: ProviderDeps,
): Handlers<OperationsOf<'sso' | 'identity-providers'>> {
  return {
    createIdentityProvider: async ({ principal, body }) => ({
      ...(await createIdentityProvider(deps, principal, body)),
      location: `/api/v1/identity-providers/${body.name}`,
    }),
    listIdentityProviders: async ({ principal, query }) => ({
      body: await listIdentityProviders(deps, principal, query),
    }),
    getIdentityProvider: ({ principal, params }) =>
      getIdentityProvider(deps, principal, params.provider),
    updateIdentityProvider: ({ principal, params, body, ifMatch }) =>
      updateIdentityProvider(deps, principal, params.provider, body, ifMatch),
    deleteIdentityProvider: async ({ principal, params, ifMatch }) => {
      await deleteIdentityProvider(deps, principal, params.provider, ifMatch);
      return { body: undefined };
    },

    beginSignIn: async ({ params, query, client }) => ({
      body: undefined,
      ...(await beginSignIn(deps, params, query, client)),
    }),
    finishSignIn: async ({ params, query, cookies, audit }) => ({
      body: undefined,
      ...(await finishSignIn(deps, params, fieldsOf(query), cookies, audit)),
    }),
    exchangeSignIn: async ({ body, client, audit }) => ({
      body: await exchangeSignIn(deps, body, client, audit),
    }),
    linkIdentity: async ({ principal, body, audit }) => ({
      body: await linkIdentity(deps, principal, body, audit),
    }),
  };
}

/** Members that came more than once say nothing. */
function fieldsOf(query: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as const] : [],
    ),
  );
}
