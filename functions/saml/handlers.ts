import type { SamlDeps } from '#services/sso/deps.ts';
import { finishSamlSignIn, getSamlMetadata } from '#services/sso/finish-sign-in.ts';
import type { Handlers, OperationsOf } from '../shared/api.ts';

export function samlHandlers(deps: SamlDeps): Handlers<OperationsOf<'saml'>> {
  return {
    finishSamlSignIn: async ({ params, body, cookies, audit }) => {
      const { RelayState: state, SAMLResponse } = body;
      const answer = { state, SAMLResponse };
      return { body: undefined, ...(await finishSamlSignIn(deps, params, answer, cookies, audit)) };
    },
    getSamlMetadata: async ({ params }) => ({ body: await getSamlMetadata(deps, params) }),
  };
}
