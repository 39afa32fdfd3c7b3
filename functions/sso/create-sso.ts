import type { Pool } from 'pg';
import { createGatedHttp, IMPATIENT_LIMITS } from '#adapters/breaker/gated-http.ts';
import { createOutboundGate } from '#adapters/breaker/outbound-gate.ts';
import { createOAuth2 } from '#adapters/openid/oauth2.ts';
import { createOidc } from '#adapters/openid/oidc.ts';
import {
  createPostgresExternalIdentities,
  createPostgresSignIns,
} from '#adapters/postgres/external-sign-in.ts';
import { createPostgresIdentityProviders } from '#adapters/postgres/identity-provider-store.ts';
import { createSamlRequests } from '#adapters/saml/saml-requests.ts';
import { type EgressPolicy, egressPair } from '#config/egress.ts';
import type { Clock } from '#ports/clock.ts';
import type { Http } from '#ports/http.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { ProviderDeps } from '#services/sso/providers.ts';

/** What signing in elsewhere stands on besides what identity has, as every host wires it. */
export function createSso(deps: {
  /** Role `cloudflow_app`. */
  readonly app: Pool;
  /** Role `cloudflow_login`. */
  readonly login: Pool;
  /** Behind the egress guard: where providers are is what tenants say. */
  readonly http: Http;
  readonly egress: Pick<EgressPolicy, 'allow'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly randomBytes: (count: number) => Uint8Array;
}): Pick<ProviderDeps, 'providers' | 'identities' | 'signIns' | 'protocols' | 'mayBePlain'> {
  const mayBePlain = (url: URL): boolean => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return (
      url.protocol === 'http:' && deps.egress.allow.has(egressPair(host, Number(url.port) || 80))
    );
  };
  const gate = createOutboundGate(deps.clock, IMPATIENT_LIMITS, deps.metrics);
  const asking = { ...deps, http: createGatedHttp(deps.http, gate), mayBePlain };
  return {
    providers: createPostgresIdentityProviders(deps.app),
    identities: createPostgresExternalIdentities(deps.app),
    signIns: createPostgresSignIns(deps.app, deps.login),
    protocols: {
      oidc: createOidc(asking),
      oauth2: createOAuth2(asking),
      saml: createSamlRequests(deps),
    },
    mayBePlain,
  };
}
