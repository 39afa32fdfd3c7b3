import type { Mode } from '#ports/execution-store.ts';
import type { ByWindow } from '#ports/rate-limiter.ts';
import type { UserNewest } from '#ports/sessions.ts';
import type { TenantSettings } from '#ports/users.ts';

/** Who calls, as the verified credential says, and nothing that the request says itself. */
export interface Principal {
  readonly tenant: string;
  readonly mode: Mode;
  /** `user:<id>`, `key:<key id>` or `callback`. */
  readonly subject: string;
  /** Scopes; see contract/permissions.ts. Empty: nothing is allowed. */
  readonly permissions: readonly string[];
  /** The workflows it may touch; null: all. */
  readonly workflows: readonly string[] | null;
  /** When the credential itself ends, where what it makes must not outlive it; null: it may. */
  readonly endsAt: number | null;
  /** Null: not a person. */
  readonly user: SignedInUser | null;
  readonly admission: Admission;
}

/** What a request must pass before anything is done for it, as the key and the tenant say. */
export interface Admission {
  /** Requests a minute; null: as the platform says. */
  readonly perMinute: ByWindow<number | null>;
  /** Origins of web pages that may call, besides the platform's own. */
  readonly origins: readonly string[];
}

/** Where nobody says anything. */
export const PLAIN_ADMISSION: Admission = {
  perMinute: { caller: null, tenant: null },
  origins: [],
};

export interface SignedInUser {
  readonly id: string;
  readonly session: string;
  readonly roles: readonly string[];
  /** When a second factor was last proven in this session; null: never. */
  readonly secondFactorAt: number | null;
  /** How new their record is. */
  readonly newest: UserNewest;
  /** Who needs one, as the tenant says. */
  readonly mfa: TenantSettings['mfa'];
}

/** For routes about whoever calls, which the pipeline lets nobody else through to. */
export function signedIn(principal: Principal): SignedInUser {
  if (principal.user === null) throw new TypeError(`${principal.subject} is no user`);
  return principal.user;
}
