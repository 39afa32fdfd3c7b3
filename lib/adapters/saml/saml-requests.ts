import type { Clock } from '#ports/clock.ts';
import type { SignInProtocol } from '#ports/identity-providers.ts';
import { authnRequestUrl } from './authn-request.ts';
import { entityIdOf, requestOf } from './names.ts';

/** The first half of signing in by SAML (saml-answers.ts, L1): a browser is sent to the provider with our request. */
export function createSamlRequests(deps: {
  readonly clock: Clock;
}): Pick<SignInProtocol<'saml'>, 'begin'> {
  return {
    begin({ protocol, callbackUrl, state }) {
      const request = requestOf(state);
      const location = authnRequestUrl({
        id: request,
        now: deps.clock.now(),
        entityId: entityIdOf(callbackUrl),
        acsUrl: callbackUrl,
        ssoUrl: protocol.sso_url,
        relayState: state,
      });
      return Promise.resolve({ kind: 'begun', location, kept: { request } });
    },
  };
}
