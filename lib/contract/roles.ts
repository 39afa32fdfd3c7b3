import type { Scope } from './permissions.ts';

/**
 * Roles that every tenant has and none can change. A tenant's own roles stand beside them under other
 * names. What is not here is not allowed.
 */
export const BUILT_IN_ROLES = {
  owner: { about: 'everything, also what comes later', scopes: ['*'] },
  administrator: {
    about: 'users, roles, keys and settings; sees workflows and runs none',
    scopes: [
      'user:*',
      'role:*',
      'api-key:*',
      'session:*',
      'tenant:*',
      // Not to write them: whoever does decides who is an owner.
      'identity-provider:read',
      'audit:*',
      'workflow:read',
      'execution:read',
      'connection:read',
      'approval:read',
    ],
  },
  author: {
    about: 'writes, starts and operates workflows',
    scopes: ['workflow:*', 'execution:*', 'connection:*', 'approval:read'],
  },
  operator: {
    about: 'starts and operates workflows that others wrote',
    scopes: [
      'workflow:read',
      'workflow:execute',
      'execution:*',
      'approval:*',
      'connection:read',
      'dead-letter:*',
    ],
  },
  approver: {
    about: 'answers approvals',
    scopes: ['approval:*', 'workflow:read', 'execution:read'],
  },
  auditor: {
    about: 'sees who did what, who may do what, and workflows; changes nothing',
    scopes: [
      'audit:*',
      'user:read',
      'role:read',
      'api-key:read',
      'session:read',
      'tenant:read',
      'identity-provider:read',
      'workflow:read',
      'execution:read',
      'connection:read',
      'approval:read',
    ],
  },
  viewer: {
    about: 'sees workflows and executions',
    scopes: ['workflow:read', 'execution:read', 'approval:read', 'connection:read'],
  },
} as const satisfies Record<string, { about: string; scopes: readonly Scope[] }>;

export type BuiltInRole = keyof typeof BUILT_IN_ROLES;

export function isBuiltInRole(name: string): name is BuiltInRole {
  return Object.hasOwn(BUILT_IN_ROLES, name);
}
