import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import type { KeyValue } from '#ports/key-value.ts';
import type { LoginGuard } from '#ports/login-guard.ts';
import type { OneTimeTokens } from '#ports/one-time-tokens.ts';
import type { Outbox } from '#ports/outbox.ts';
import type { PasswordHasher } from '#ports/password-hasher.ts';
import type { SecondFactors } from '#ports/second-factors.ts';
import type { SessionStore } from '#ports/sessions.ts';
import type { RoleStore, TenantStore, UserStore } from '#ports/users.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { IdentityKey } from './identity-key.ts';

/** What signing in, sessions and passwords work with. */
export interface IdentityDeps {
  readonly users: UserStore;
  readonly roles: RoleStore;
  readonly tenants: TenantStore;
  readonly sessions: SessionStore;
  readonly oneTime: OneTimeTokens;
  readonly guard: LoginGuard;
  readonly factors: SecondFactors;
  readonly records: KeyValue;
  /** Bounded: see `boundHashing`. */
  readonly hasher: PasswordHasher;
  readonly accessTokens: AccessTokens;
  readonly key: IdentityKey;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly randomBytes: (count: number) => Uint8Array;
}
