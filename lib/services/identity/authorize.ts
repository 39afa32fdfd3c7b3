import {
  ADMINISTRATIVE,
  grants,
  isOfAllWorkflows,
  isTenantWide,
  type Permission,
} from '#contract/permissions.ts';
import type { Route } from '#contract/route.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Principal, SignedInUser } from './principal.ts';

/** How long a proven second factor serves for administrative operations. */
const SECOND_FACTOR_MS = 1_800_000;

/** Throws PERMISSION_DENIED or MFA_REQUIRED unless the caller may. `self`: any signed-in user; `known`: anybody. */
export function requirePermission(
  principal: Principal,
  route: {
    readonly permission: Permission | 'self' | 'known';
    readonly method: Route['method'];
    readonly inTestMode?: Route['inTestMode'];
  },
  now: number,
): void {
  const { user } = principal;
  const { permission } = route;
  if (permission === 'known') return;
  if (permission === 'self') {
    if (user === null) throw denied('this is for users; sign in as one');
    const changes = route.method !== 'GET' && route.inTestMode !== 'allowed';
    if (principal.mode === 'test' && changes) throw sharedWithLive();
    return;
  }
  if (!grants(principal.permissions, permission)) {
    throw denied(`this needs the permission ${permission}`);
  }
  if (principal.mode === 'test' && isTenantWide(permission)) {
    throw sharedWithLive();
  }
  if (principal.workflows !== null && isOfAllWorkflows(permission)) {
    throw denied('a key for certain workflows touches nothing that all of them share');
  }
  if (user === null || user.mfa === 'off') return;
  if (ADMINISTRATIVE.has(permission)) requireFreshFactor(user, now);
  if (user.mfa === 'everyone' && user.secondFactorAt === null) {
    throw new CloudFlowError(
      'MFA_REQUIRED',
      'this tenant asks every user for a second factor; enrol an authenticator, or sign in with it',
    );
  }
}

/** Throws MFA_REQUIRED unless the user has proven a second factor lately, or the tenant asks for none. */
export function requireFreshFactor(user: SignedInUser, now: number): void {
  if (user.mfa === 'off') return;
  if (user.secondFactorAt !== null && now - user.secondFactorAt < SECOND_FACTOR_MS) return;
  throw new CloudFlowError(
    'MFA_REQUIRED',
    user.secondFactorAt === null
      ? 'this needs a second factor; enrol an authenticator, or sign in with it'
      : 'the second factor was proven too long ago; prove it again',
  );
}

function sharedWithLive(): CloudFlowError {
  return denied('a credential of mode test touches nothing that mode live shares');
}

function denied(message: string): CloudFlowError {
  return new CloudFlowError('PERMISSION_DENIED', message);
}
