import type { CallingKey } from '#ports/api-keys.ts';
import type { SessionState } from '#ports/sessions.ts';
import type { TenantSettings } from '#ports/users.ts';

/** Whoever has it may always sign in with a password, when a provider is away or was set up wrongly. */
const BREAK_GLASS = 'owner';

/** Whether a password lets a user with these roles in, as the tenant says. */
export function passwordCounts(
  { password_sign_in }: Pick<TenantSettings, 'password_sign_in'>,
  roles: readonly string[],
): boolean {
  return password_sign_in === 'everyone' || roles.includes(BREAK_GLASS);
}

/** Whether a session goes on: it is not over, its user is active, and what they came with lets them in. */
export function isGood(state: SessionState, now: number): boolean {
  if (state.endedAt !== null || state.expiresAt <= now || state.userStatus !== 'active') {
    return false;
  }
  return state.provider !== null || passwordCounts(state.settings, state.roles);
}

/** Whether a key that was shown lets anybody in: it was not revoked, and has not ended. */
export function isGoodKey(key: Pick<CallingKey, 'revokedAt' | 'expiresAt'>, now: number): boolean {
  return key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now);
}
