import type { Body, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import { isWebOrigin, ORIGIN_FORM } from '#core/web-origin.ts';
import type { TenantRecord } from '#ports/users.ts';
import type { Principal } from '../identity/principal.ts';
import { changed, etagOf, requireMatch } from '../shared/etag.ts';
import { iso } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import type { Tagged } from '../shared/tagged.ts';
import type { UserDeps } from './users.ts';

type TenantBody = ResponseBody<'getTenant'>;

export async function getTenant(
  deps: UserDeps,
  principal: Principal,
  id: string,
): Promise<Tagged<TenantBody>> {
  return present(await requireOwn(deps, principal, id));
}

export async function updateTenant(
  deps: UserDeps,
  principal: Principal,
  id: string,
  body: Body<'updateTenant'>,
  ifMatch: string | null,
): Promise<Tagged<TenantBody>> {
  const current = await requireOwn(deps, principal, id);
  requireMatch(ifMatch, etagOf(current));
  const {
    mfa,
    password_sign_in = 'everyone',
    requests_per_minute = null,
    allowed_origins = [],
  } = body.settings;
  requireOrigins(allowed_origins);
  const change = {
    name: body.name,
    settings: { mfa, password_sign_in, requests_per_minute, allowed_origins },
  };
  const answer = await deps.tenants.update(id, change, current.revision, deps.clock.now());
  if (answer.kind === 'replaced') return present(answer.record);
  throw answer.kind === 'changed' ? changed() : notFound('tenant');
}

/** The id in the path may only name what the credential says anyway. */
async function requireOwn(deps: UserDeps, principal: Principal, id: string): Promise<TenantRecord> {
  const tenant = id === principal.tenant ? await deps.tenants.find(principal.tenant) : null;
  if (tenant === null) throw notFound('tenant');
  return tenant;
}

function requireOrigins(origins: readonly string[]): void {
  const problems = origins.flatMap((given, i) =>
    isWebOrigin(given)
      ? []
      : [
          {
            code: 'REQUEST_INVALID',
            pointer: `/body/settings/allowed_origins/${i}`,
            message: 'is not the origin of a web page',
            given: JSON.stringify(given.slice(0, 64)),
            allowed: ORIGIN_FORM,
          } as const,
        ],
  );
  if (problems.length === 0) return;
  throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
    problems,
  });
}

function present(record: TenantRecord): Tagged<TenantBody> {
  return {
    etag: etagOf(record),
    body: {
      tenant_id: record.tenant,
      slug: record.slug,
      name: record.name,
      settings: { ...record.settings, allowed_origins: [...record.settings.allowed_origins] },
      created_at: iso(record.createdAt),
      updated_at: iso(record.updatedAt),
    },
  };
}
