import type { ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ExternalIdentities, LinkedIdentity } from '#ports/identity-providers.ts';
import type { UserRecord } from '#ports/users.ts';
import { requireFreshFactor } from '../identity/authorize.ts';
import { type Principal, signedIn } from '../identity/principal.ts';
import { passwordCounts } from '../identity/ways-in.ts';
import { iso } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import { requireGrantable } from './grantable.ts';
import { requireUser, type UserDeps } from './users.ts';

/** Whom users are at identity providers. Linking is a sign-in there: see `services/sso`. */
export interface IdentitiesDeps extends UserDeps {
  readonly identities: Pick<ExternalIdentities, 'list' | 'unlink'>;
}

type Identities = ResponseBody<'listIdentities'>;

export function listMyIdentities(deps: IdentitiesDeps, principal: Principal): Promise<Identities> {
  return listIdentities(deps, principal, signedIn(principal).id);
}

export async function listIdentities(
  deps: IdentitiesDeps,
  { tenant }: Principal,
  user: string,
): Promise<Identities> {
  const found = await deps.identities.list(tenant, user);
  if (found === null) throw notFound('user');
  return { items: found.map(present) };
}

/** Needs what linking needs: whoever holds a session for a moment takes nobody's way in away. */
export async function removeMyIdentity(
  deps: IdentitiesDeps,
  principal: Principal,
  provider: string,
): Promise<void> {
  const user = signedIn(principal);
  requireFreshFactor(user, deps.clock.now());
  await unlink(deps, await requireUser(deps, principal, user.id), provider);
}

export async function removeIdentity(
  deps: IdentitiesDeps,
  principal: Principal,
  id: string,
  provider: string,
): Promise<void> {
  const user = await requireUser(deps, principal, id);
  await requireGrantable(deps, principal, user.roles, '/path/user_id');
  await unlink(deps, user, provider);
}

async function unlink(
  deps: IdentitiesDeps,
  { tenant, id, roles }: UserRecord,
  provider: string,
): Promise<void> {
  const settings = (await deps.tenants.find(tenant))?.settings;
  if (settings === undefined) throw new TypeError('the tenant of a caller is gone');
  const answer = await deps.identities.unlink({
    ...{ tenant, user: id, provider },
    passwordCounts: passwordCounts(settings, roles),
    now: deps.clock.now(),
  });
  if (answer === 'not_found') throw notFound('identity');
  if (answer === 'last') {
    throw new CloudFlowError(
      'CONFLICT',
      'nothing else lets this user in; link another identity or set a password first, or deactivate them',
    );
  }
}

function present(identity: LinkedIdentity): Identities['items'][number] {
  return {
    provider: identity.provider,
    kind: identity.kind,
    enabled: identity.enabled,
    subject: identity.subject,
    linked_at: iso(identity.linkedAt),
  };
}
