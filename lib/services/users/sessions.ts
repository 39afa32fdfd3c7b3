import type { Query, ResponseBody } from '#contract/routes.ts';
import type { Clock } from '#ports/clock.ts';
import type { EndReason, SessionRecord, SessionStore } from '#ports/sessions.ts';
import type { TenantStore } from '#ports/users.ts';
import { type Principal, signedIn } from '../identity/principal.ts';
import type { Cursors } from '../shared/cursor.ts';
import { iso, isoOrNull } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import type { Profiles } from './profiles.ts';
import { presentUser } from './users.ts';

export interface SessionDeps {
  readonly sessions: SessionStore;
  readonly profiles: Pick<Profiles, 'read'>;
  readonly tenants: Pick<TenantStore, 'find'>;
  readonly clock: Clock;
  readonly cursors: Cursors;
}

export async function whoAmI(
  deps: SessionDeps,
  principal: Principal,
): Promise<ResponseBody<'whoAmI'>> {
  const tenant = await deps.tenants.find(principal.tenant);
  const { user } = principal;
  const [record, session] =
    user === null
      ? [null, null]
      : await Promise.all([
          deps.profiles.read(principal.tenant, user.id, user.newest),
          deps.sessions.find(principal.tenant, user.session),
        ]);
  return {
    kind: user === null ? 'api_key' : 'user',
    tenant_id: principal.tenant,
    tenant: tenant?.slug ?? '',
    mode: principal.mode,
    subject: principal.subject,
    permissions: [...principal.permissions],
    user: record === null ? null : presentUser(record),
    session_id: session?.id ?? null,
    signed_in_at: isoOrNull(session?.signedInAt ?? null),
    second_factor_at: isoOrNull(session?.secondFactorAt ?? null),
  };
}

export function listMySessions(
  deps: SessionDeps,
  principal: Principal,
  query: Query<'listMySessions'>,
): Promise<ResponseBody<'listMySessions'>> {
  return list(deps, principal, signedIn(principal).id, 'listMySessions', query);
}

export function listSessions(
  deps: SessionDeps,
  principal: Principal,
  query: Query<'listSessions'>,
): Promise<ResponseBody<'listSessions'>> {
  return list(deps, principal, query.user_id ?? null, 'listSessions', query);
}

async function list(
  deps: SessionDeps,
  principal: Principal,
  user: string | null,
  operation: string,
  query: { readonly limit?: number; readonly cursor?: string },
): Promise<ResponseBody<'listSessions'>> {
  const scope = { principal, operation, of: user };
  const page = await deps.sessions.list(
    principal.tenant,
    user,
    deps.clock.now(),
    deps.cursors.request(scope, query),
  );
  const current = principal.user?.session ?? null;
  return deps.cursors.page(scope, query, page, (session) => present(session, current));
}

export async function revokeMySessions(deps: SessionDeps, principal: Principal): Promise<void> {
  const { id } = signedIn(principal);
  await deps.sessions.endAll(principal.tenant, id, 'revoked', deps.clock.now());
}

export async function revokeMySession(
  deps: SessionDeps,
  principal: Principal,
  session: string,
): Promise<void> {
  const found = await deps.sessions.find(principal.tenant, session);
  if (found === null || found.user !== signedIn(principal).id) throw notFound('session');
  await end(deps, principal, session, 'revoked');
}

export async function revokeSession(
  deps: SessionDeps,
  principal: Principal,
  session: string,
): Promise<void> {
  if ((await deps.sessions.find(principal.tenant, session)) === null) throw notFound('session');
  await end(deps, principal, session, 'revoked');
}

export async function logout(deps: SessionDeps, principal: Principal): Promise<void> {
  await end(deps, principal, signedIn(principal).session, 'logout');
}

async function end(
  deps: SessionDeps,
  { tenant }: Principal,
  session: string,
  because: EndReason,
): Promise<void> {
  await deps.sessions.end(tenant, session, because, deps.clock.now());
}

function present(
  session: SessionRecord,
  current: string | null,
): ResponseBody<'listSessions'>['items'][number] {
  return {
    session_id: session.id,
    user_id: session.user,
    mode: session.mode,
    current: session.id === current,
    device: session.device,
    user_agent: session.client.userAgent,
    source: session.client.source,
    signed_in_at: iso(session.signedInAt),
    last_used_at: iso(session.lastUsedAt),
    expires_at: iso(session.expiresAt),
    methods: [...session.methods],
  };
}
