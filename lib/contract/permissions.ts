/**
 * What a credential may be allowed to do. Routes name one of these; API keys (and later roles) hold
 * scopes: a permission, `<area>:*`, or `*`.
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
} as const satisfies Record<`${string}:${string}`, string>;

export type Permission = keyof typeof PERMISSIONS;

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
