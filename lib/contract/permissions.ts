/**
 * What a credential may be allowed to do. Routes name one of these; API keys and roles hold scopes: a
 * permission, `<area>:*`, or `*`.
 */
export const PERMISSIONS = {
  'workflow:read': 'see definitions, their versions and their history',
  'workflow:write': 'create and update definitions',
  'workflow:delete': 'delete definitions',
  'workflow:execute': 'start executions',
  'execution:read': 'see executions, their events and steps',
  'execution:control': 'cancel, pause, resume and retry executions',
  'approval:read': 'see open approvals',
  'approval:answer': 'approve or reject',
  'connection:read': 'see connections and their operations, never their secrets',
  'connection:write': 'create, update and delete connections and operations',
  'user:read': 'see users, their roles and when they last signed in',
  'user:write': 'invite, change, deactivate and give roles to users',
  'role:read': 'see roles and what they allow',
  'role:write': 'create, change and delete roles',
  'api-key:read': 'see API keys, never their text',
  'api-key:write': 'create, rotate and revoke API keys',
  'session:read': 'see the sessions of all users',
  'session:revoke': 'end the sessions of other users',
  'tenant:read': 'see the settings of the tenant',
  'tenant:write': 'change the settings of the tenant',
  'identity-provider:read': 'see identity providers, never their secrets',
  'identity-provider:write': 'decide which identity providers say who is who',
  'audit:read': 'see who did what, and export it',
  'dead-letter:read': 'see events that a reader could not use',
  'dead-letter:write': 'send such events again, or let them be',
} as const satisfies Record<`${string}:${string}`, string>;

export type Permission = keyof typeof PERMISSIONS;

/**
 * Permissions that change who may do what. Users need a recent second factor for them, whatever
 * their roles say; API keys hold them only when they were given by name or by `*`.
 */
export const ADMINISTRATIVE: ReadonlySet<Permission> = new Set([
  'user:write',
  'role:write',
  'api-key:write',
  'session:revoke',
  'tenant:write',
  'identity-provider:write',
]);

/**
 * Permissions about what both modes of a tenant share: its people and its settings. Credentials of
 * mode test hold none of them, whatever their scopes say.
 */
export function isTenantWide(permission: Permission): boolean {
  return /^(?:user|role|session|tenant|identity-provider|audit):/.test(permission);
}

/**
 * Permissions about more than workflows one by one: what all of them share, and what says something of all. A
 * credential for certain workflows holds none of them, whatever its scopes say.
 */
export function isOfAllWorkflows(permission: Permission): boolean {
  return (
    isTenantWide(permission) ||
    permission === 'connection:write' ||
    permission.startsWith('dead-letter:')
  );
}

/** A permission, all permissions of an area, or everything. */
export type Scope = Permission | `${AreaOf<Permission>}:*` | '*';
type AreaOf<P extends string> = P extends `${infer Area}:${string}` ? Area : never;

/** Every scope that a key may hold, for validation and for the docs. */
export const SCOPES: readonly Scope[] = [
  '*',
  ...[...new Set(Object.keys(PERMISSIONS).map((name) => `${name.split(':', 1)[0]}:*`))],
  ...Object.keys(PERMISSIONS),
] as Scope[];

/** Deny by default: unknown or malformed scopes grant nothing. */
export function grants(scopes: readonly string[], permission: Permission): boolean {
  const area = `${permission.slice(0, permission.indexOf(':'))}:*`;
  return scopes.some((scope) => scope === permission || scope === area || scope === '*');
}

/** Whether every scope of `wanted` is within `held`: nobody hands out more than they have. */
export function covers(held: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((scope) => {
    if (held.includes('*') || held.includes(scope)) return true;
    const area = `${scope.slice(0, scope.indexOf(':'))}:*`;
    if (scope === area) {
      const within = Object.keys(PERMISSIONS).filter((name) => name.startsWith(area.slice(0, -1)));
      return within.length > 0 && within.every((name) => held.includes(name));
    }
    return scope !== '*' && held.includes(area);
  });
}
