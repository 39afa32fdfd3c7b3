import { ADMINISTRATIVE, PERMISSIONS, type Permission } from '#contract/permissions.ts';
import { BUILT_IN_ROLES, type BuiltInRole, isBuiltInRole } from '#contract/roles.ts';
import type { Body, Query, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { RoleRecord } from '#ports/users.ts';
import type { Principal } from '../identity/principal.ts';
import { changed, etagOf, requireMatch } from '../shared/etag.ts';
import { iso } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import type { Tagged } from '../shared/tagged.ts';
import { requireCovered } from './grantable.ts';
import type { UserDeps } from './users.ts';

type RoleBody = ResponseBody<'getRole'>;

export function listPermissions(): ResponseBody<'listPermissions'> {
  return {
    permissions: (Object.keys(PERMISSIONS) as Permission[]).map((permission) => ({
      permission,
      about: PERMISSIONS[permission],
      administrative: ADMINISTRATIVE.has(permission),
    })),
  };
}

/** Built-in ones come on the first page, before the tenant's own. */
export async function listRoles(
  deps: UserDeps,
  principal: Principal,
  query: Query<'listRoles'>,
): Promise<ResponseBody<'listRoles'>> {
  const scope = { principal, operation: 'listRoles' };
  const page = await deps.roles.list(principal.tenant, deps.cursors.request(scope, query));
  const answer = deps.cursors.page(scope, query, page, (role) => present(role).body);
  const builtIn = query.cursor === undefined ? Object.keys(BUILT_IN_ROLES) : [];
  return {
    ...answer,
    items: [...builtIn.map((name) => presentBuiltIn(name as BuiltInRole).body), ...answer.items],
  };
}

export async function createRole(
  deps: UserDeps,
  principal: Principal,
  body: Body<'createRole'>,
): Promise<Tagged<RoleBody>> {
  refuseBuiltIn(body.name);
  requireCovered(principal, body.scopes);
  const role = await deps.roles.create(principal.tenant, body, deps.clock.now());
  if (role === 'taken') throw new CloudFlowError('CONFLICT', `role '${body.name}' exists`);
  return present(role);
}

export async function getRole(
  deps: UserDeps,
  principal: Principal,
  name: string,
): Promise<Tagged<RoleBody>> {
  return isBuiltInRole(name) ? presentBuiltIn(name) : present(await find(deps, principal, name));
}

export async function updateRole(
  deps: UserDeps,
  principal: Principal,
  name: string,
  body: Body<'updateRole'>,
  ifMatch: string | null,
): Promise<Tagged<RoleBody>> {
  refuseBuiltIn(name);
  const current = await find(deps, principal, name);
  requireMatch(ifMatch, etagOf(current));
  // What is taken away counts as well: else the weaker could disarm the mightier.
  requireCovered(principal, [...new Set([...current.scopes, ...body.scopes])]);
  const answer = await deps.roles.replace(
    principal.tenant,
    { name, ...body },
    current.revision,
    deps.clock.now(),
  );
  if (answer.kind === 'replaced') return present(answer.record);
  throw answer.kind === 'changed' ? changed() : notFound('role');
}

export async function deleteRole(
  deps: UserDeps,
  principal: Principal,
  name: string,
  ifMatch: string | null,
): Promise<void> {
  refuseBuiltIn(name);
  const current = await find(deps, principal, name);
  requireMatch(ifMatch, etagOf(current));
  requireCovered(principal, current.scopes);
  const answer = await deps.roles.remove(principal.tenant, name, current.revision);
  if (answer === 'not_found') throw notFound('role');
  if (answer === 'changed') throw changed();
  if (answer === 'given') {
    throw new CloudFlowError(
      'CONFLICT',
      `an identity provider gives the role '${name}' by default_roles; take it from there first`,
    );
  }
  if (answer === 'used') {
    throw new CloudFlowError('CONFLICT', `users have the role '${name}'; take it from them first`);
  }
}

async function find(deps: UserDeps, { tenant }: Principal, name: string): Promise<RoleRecord> {
  const role = await deps.roles.find(tenant, name);
  if (role === null) throw notFound('role');
  return role;
}

function refuseBuiltIn(name: string): void {
  if (!isBuiltInRole(name)) return;
  throw new CloudFlowError('ROLE_INVALID', `every tenant has the role '${name}', as it is`);
}

function present(role: RoleRecord): Tagged<RoleBody> {
  return {
    etag: etagOf(role),
    body: {
      name: role.name,
      about: role.about,
      built_in: false,
      scopes: [...role.scopes],
      created_at: iso(role.createdAt),
      updated_at: iso(role.updatedAt),
    },
  };
}

function presentBuiltIn(name: BuiltInRole): Tagged<RoleBody> {
  const { about, scopes } = BUILT_IN_ROLES[name];
  return {
    etag: `built-in-${scopes.length}`,
    body: {
      name,
      about,
      built_in: true,
      scopes: [...scopes],
      created_at: null,
      updated_at: null,
    },
  };
}
