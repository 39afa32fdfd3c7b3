import { hasErrorCode } from '#core/errors.ts';
import type { UserCredentials } from '#ports/users.ts';
import type { IdentityDeps } from './deps.ts';
import { normalPassword } from './passwords.ts';

/** Whether it is the account's password; the same work is done where there is none to compare with. */
export async function isPassword(
  deps: Pick<IdentityDeps, 'hasher' | 'users'>,
  account: UserCredentials | null,
  password: string,
): Promise<boolean> {
  const normal = normalPassword(password);
  const hash = account?.passwordHash ?? null;
  if (account === null || hash === null) {
    await deps.hasher.hash(normal);
    return false;
  }
  if (!(await deps.hasher.verify(hash, normal))) return false;
  if (deps.hasher.needsRehash(hash)) await renew(deps, account, hash, normal);
  return true;
}

/** Written only over the hash that was verified: whoever set another password meanwhile keeps theirs. */
async function renew(
  deps: Pick<IdentityDeps, 'hasher' | 'users'>,
  { tenant, id }: UserCredentials,
  verified: string,
  normal: string,
): Promise<void> {
  try {
    await deps.users.rehash(tenant, id, { verified, renewed: await deps.hasher.hash(normal) });
  } catch (error) {
    // Too many wait for hashes: the next sign-in renews it, and this one was right.
    if (!hasErrorCode(error, 'UNAVAILABLE')) throw error;
  }
}
