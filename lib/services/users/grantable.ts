import { covers } from '#contract/permissions.ts';
import { isBuiltInRole } from '#contract/roles.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { RoleStore } from '#ports/users.ts';
import { permissionsOf } from '../identity/permissions-of.ts';
import type { Principal } from '../identity/principal.ts';

/**
 * Throws ROLE_INVALID where a role does not exist, and PERMISSION_DENIED where the roles together allow
 * more than the caller may: nobody makes another, or a key, mightier than themselves.
 */
export async function requireGrantable(
  deps: { readonly roles: Pick<RoleStore, 'findAll'> },
  principal: Principal,
  roles: readonly string[],
  pointer: string,
): Promise<void> {
  const own = await deps.roles.findAll(
    principal.tenant,
    roles.filter((role) => !isBuiltInRole(role)),
  );
  const unknown = roles.filter(
    (role) => !isBuiltInRole(role) && !own.some(({ name }) => name === role),
  );
  if (unknown.length > 0) {
    throw new CloudFlowError('ROLE_INVALID', 'a role does not exist', {
      problems: unknown.map((role) => ({
        code: 'ROLE_INVALID',
        pointer,
        message: `there is no role '${role}'`,
        given: role,
        allowed: 'a role of GET /api/v1/roles',
      })),
    });
  }
  requireCovered(
    principal,
    permissionsOf(
      roles,
      own.flatMap(({ scopes }) => scopes),
    ),
  );
}

/** Throws PERMISSION_DENIED where the scopes are not all the caller's own. */
export function requireCovered(principal: Principal, scopes: readonly string[]): void {
  if (covers(principal.permissions, scopes)) return;
  const beyond = scopes.filter((scope) => !covers(principal.permissions, [scope]));
  throw new CloudFlowError(
    'PERMISSION_DENIED',
    `this allows more than you may yourself: ${beyond.join(', ')}`,
  );
}
