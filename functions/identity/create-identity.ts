import type { Pool } from 'pg';
import { createPostgresApiKeys } from '#adapters/postgres/api-keys.ts';
import { createPostgresExternalIdentities } from '#adapters/postgres/external-sign-in.ts';
import { createPostgresLoginGuard } from '#adapters/postgres/login-guard.ts';
import { createPostgresOneTimeTokens } from '#adapters/postgres/one-time-tokens.ts';
import { createPostgresRoles } from '#adapters/postgres/role-store.ts';
import { createPostgresSecondFactors } from '#adapters/postgres/second-factors.ts';
import { createPostgresSessions } from '#adapters/postgres/session-store.ts';
import { createPostgresTenants } from '#adapters/postgres/tenant-store.ts';
import { createPostgresUsers } from '#adapters/postgres/user-store.ts';
import type { Cache } from '#ports/cache.ts';
import type { Clock } from '#ports/clock.ts';
import type { KeyValue } from '#ports/key-value.ts';
import type { Outbox } from '#ports/outbox.ts';
import type { PasswordHasher } from '#ports/password-hasher.ts';
import type { SigningKeys } from '#ports/signing-keys.ts';
import { boundHashing } from '#services/identity/bound-hashing.ts';
import { createIdentityKey } from '#services/identity/identity-key.ts';
import type { Keys } from '#services/shared/key-ring.ts';
import { createProfiles } from '#services/users/profiles.ts';
import type { IdentityHandlerDeps } from './handlers.ts';

/** What the identity part of the API stands on, as every host wires it. */
export function createIdentity(deps: {
  readonly app: Pool;
  readonly login: Pool;
  readonly signingKeys: SigningKeys;
  readonly hasher: PasswordHasher;
  /** The secret of the installation: see `IdentityKey`. */
  readonly keys: Keys;
  readonly outbox: Outbox;
  readonly records: KeyValue;
  readonly clock: Clock;
  readonly cache: Cache;
  readonly issuer: () => string;
  readonly randomBytes: (count: number) => Uint8Array;
}): Omit<IdentityHandlerDeps, 'clock' | 'ids' | 'cursors' | 'accessTokens'> {
  const { app, login, signingKeys, outbox, issuer, randomBytes } = deps;
  const users = createPostgresUsers(app);
  return {
    users,
    profiles: createProfiles(users, deps.cache),
    roles: createPostgresRoles(app),
    tenants: createPostgresTenants(app),
    sessions: createPostgresSessions(app, login),
    apiKeys: createPostgresApiKeys(app, login),
    oneTime: createPostgresOneTimeTokens(app),
    guard: createPostgresLoginGuard(login),
    factors: createPostgresSecondFactors(app),
    identities: createPostgresExternalIdentities(app),
    records: deps.records,
    hasher: boundHashing(deps.hasher, deps.clock),
    key: createIdentityKey(deps.keys),
    signingKeys,
    outbox,
    issuer,
    randomBytes,
  };
}
