import { BUILT_IN_ROLES, isBuiltInRole } from '#contract/roles.ts';

/** What roles allow together: those that every tenant has, and `own`, the scopes of the tenant's. */
export function permissionsOf(roles: readonly string[], own: readonly string[]): readonly string[] {
  const scopes = new Set<string>(own);
  for (const role of roles) {
    if (isBuiltInRole(role)) for (const scope of BUILT_IN_ROLES[role].scopes) scopes.add(scope);
  }
  return [...scopes].sort();
}
