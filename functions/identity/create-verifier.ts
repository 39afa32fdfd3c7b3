import type { Pool } from 'pg';
import { createPostgresApiKeys } from '#adapters/postgres/api-keys.ts';
import { createPostgresSessions } from '#adapters/postgres/session-store.ts';
import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import type { SigningKeys } from '#ports/signing-keys.ts';
import { type AccessTokens, createAccessTokens } from '#services/identity/access-tokens.ts';
import type { AuthenticateDeps } from '#services/identity/authenticate.ts';

/** What any part of the API needs to know who calls. */
export function createVerifier(deps: {
  /** Role `cloudflow_app`. */
  readonly app: Pool;
  /** Role `cloudflow_login`, which looks up and sees nothing else. */
  readonly login: Pool;
  readonly signingKeys: SigningKeys;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly issuer: () => string;
}): AuthenticateDeps & { readonly accessTokens: AccessTokens } {
  return {
    apiKeys: createPostgresApiKeys(deps.app, deps.login),
    sessions: createPostgresSessions(deps.app, deps.login),
    accessTokens: createAccessTokens({
      keys: deps.signingKeys,
      clock: deps.clock,
      newId: () => deps.ids.random(),
      issuer: deps.issuer,
    }),
    clock: deps.clock,
  };
}
