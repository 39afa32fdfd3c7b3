import type { Body, Query, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { UserChange, UserRecord } from '#ports/users.ts';
import { canonicalAddress, mailedTo } from '../identity/address.ts';
import type { IdentityDeps } from '../identity/deps.ts';
import { mailToken } from '../identity/mail.ts';
import { type Principal, signedIn } from '../identity/principal.ts';
import type { Cursors } from '../shared/cursor.ts';
import { changed, etagOf, requireMatch } from '../shared/etag.ts';
import { iso, isoOrNull } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import type { Tagged } from '../shared/tagged.ts';
import { requireGrantable } from './grantable.ts';
import type { Profiles } from './profiles.ts';

export interface UserDeps extends IdentityDeps {
  readonly profiles: Profiles;
  readonly cursors: Cursors;
}

type UserBody = ResponseBody<'getUser'>;

/** A tenant without one could not be managed by anyone. */
const KEPT_ROLE = 'owner';
export const INVITATION_MS = 7 * 86_400_000;

export async function inviteUser(
  deps: UserDeps,
  principal: Principal,
  body: Body<'inviteUser'>,
): Promise<Tagged<UserBody>> {
  const address = canonicalAddress(body.email);
  if (address === null) {
    throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
      problems: [
        {
          code: 'REQUEST_INVALID',
          pointer: '/body/email',
          message: 'is no address that mail can be sent to',
          given: body.email.slice(0, 80),
          allowed: 'name@domain.example',
        },
      ],
    });
  }
  await requireGrantable(deps, principal, body.roles, '/body/roles');
  const now = deps.clock.now();
  const user = await deps.users.create({
    tenant: principal.tenant,
    id: deps.ids.next(now),
    email: mailedTo(body.email, address),
    address,
    name: body.name ?? null,
    status: 'invited',
    roles: body.roles,
    emailVerifiedAt: null,
    now,
  });
  if (user === 'taken') throw new CloudFlowError('CONFLICT', 'a user has this address');
  await mailToken(deps, user, { purpose: 'invitation', kind: 'cfi', goodMs: INVITATION_MS });
  return present(user);
}

/** Also after the first has expired. Whoever invites again could have invited. */
export async function inviteAgain(
  deps: UserDeps,
  principal: Principal,
  id: string,
): Promise<Tagged<UserBody>> {
  const current = await requireUser(deps, principal, id);
  await requireGrantable(deps, principal, current.roles, '/path/user_id');
  if (current.status !== 'invited') {
    throw new CloudFlowError('CONFLICT', `the user is ${current.status}; nobody is invited twice`);
  }
  await mailToken(deps, current, { purpose: 'invitation', kind: 'cfi', goodMs: INVITATION_MS });
  return present(current);
}

export async function listUsers(
  deps: UserDeps,
  principal: Principal,
  query: Query<'listUsers'>,
): Promise<ResponseBody<'listUsers'>> {
  const scope = { principal, operation: 'listUsers' };
  const filter = {
    status: query.status ?? null,
    role: query.role ?? null,
    text: query.text ?? null,
  };
  const page = await deps.users.list(principal.tenant, filter, deps.cursors.request(scope, query));
  return deps.cursors.page(scope, query, page, (user) => present(user).body);
}

export async function getUser(
  deps: UserDeps,
  principal: Principal,
  id: string,
): Promise<Tagged<UserBody>> {
  return present(await requireUser(deps, principal, id));
}

/** Whoever gives or takes a role must hold all that it allows. Other roles end the sessions of whose they are. */
export async function updateUser(
  deps: UserDeps,
  principal: Principal,
  id: string,
  body: Body<'updateUser'>,
  ifMatch: string | null,
): Promise<Tagged<UserBody>> {
  const current = await requireUser(deps, principal, id);
  requireMatch(ifMatch, etagOf(current));
  const moved = [
    ...body.roles.filter((role) => !current.roles.includes(role)),
    ...current.roles.filter((role) => !body.roles.includes(role)),
  ];
  await requireGrantable(deps, principal, moved, '/body/roles');
  return present(await change(deps, current, { name: body.name, roles: body.roles }, true));
}

export async function deactivateUser(
  deps: UserDeps,
  principal: Principal,
  id: string,
): Promise<Tagged<UserBody>> {
  const current = await requireUser(deps, principal, id);
  await requireGrantable(deps, principal, current.roles, '/path/user_id');
  return present(await change(deps, current, { status: 'deactivated' }, false));
}

/**
 * Whoever never accepted their invitation is invited again and not active: nothing was shown of their
 * address, and they have no way in. What was mailed before ended when they were deactivated.
 */
export async function activateUser(
  deps: UserDeps,
  principal: Principal,
  id: string,
): Promise<Tagged<UserBody>> {
  const current = await requireUser(deps, principal, id);
  await requireGrantable(deps, principal, current.roles, '/path/user_id');
  if (current.status === 'invited') {
    throw new CloudFlowError('CONFLICT', 'the invitation was not accepted yet');
  }
  if (current.status === 'deactivated' && current.emailVerifiedAt === null) {
    return present(await backToInvited(deps, current));
  }
  return present(await change(deps, current, { status: 'active' }, false));
}

/** Only as they were seen: of two who activate them at once one does, and they may have accepted since. */
async function backToInvited(deps: UserDeps, seen: UserRecord): Promise<UserRecord> {
  const { tenant, id, revision } = seen;
  const to = { status: 'invited' } as const;
  const answer = await deps.users.update(tenant, id, to, revision, deps.clock.now());
  if (answer.kind !== 'replaced') {
    throw new CloudFlowError('CONFLICT', 'somebody changed this user at the same moment');
  }
  const user = answer.record;
  await deps.profiles.wrote(user);
  await mailToken(deps, user, { purpose: 'invitation', kind: 'cfi', goodMs: INVITATION_MS });
  return user;
}

/** For who lost their authenticator. Whoever asks could give the user's roles, and so be them anyway. */
export async function resetSecondFactor(
  deps: UserDeps,
  principal: Principal,
  id: string,
): Promise<Tagged<UserBody>> {
  const current = await requireUser(deps, principal, id);
  await requireGrantable(deps, principal, current.roles, '/path/user_id');
  await deps.factors.remove(principal.tenant, id);
  await deps.sessions.endAll(principal.tenant, id, 'mfa_changed', deps.clock.now());
  return present(await requireUser(deps, principal, id));
}

export async function getProfile(
  deps: UserDeps,
  principal: Principal,
): Promise<Tagged<ResponseBody<'getProfile'>>> {
  const { id, newest } = signedIn(principal);
  const user = await deps.profiles.read(principal.tenant, id, newest);
  if (user === null) throw notFound('user');
  return presentProfile(user);
}

export async function updateProfile(
  deps: UserDeps,
  principal: Principal,
  body: Body<'updateProfile'>,
  ifMatch: string | null,
): Promise<Tagged<ResponseBody<'updateProfile'>>> {
  const zone = body.preferences.time_zone;
  if (zone !== undefined && !isTimeZone(zone)) {
    throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
      problems: [
        {
          code: 'REQUEST_INVALID',
          pointer: '/body/preferences/time_zone',
          message: 'is no time zone',
          given: zone,
          allowed: 'a name of the IANA database, such as Europe/Berlin',
        },
      ],
    });
  }
  const current = await requireUser(deps, principal, signedIn(principal).id);
  requireMatch(ifMatch, etagOf(current));
  const { name, preferences } = body;
  return presentProfile(await change(deps, current, { name, preferences }, true));
}

async function change(
  deps: UserDeps,
  current: UserRecord,
  to: UserChange,
  asSeen: boolean,
): Promise<UserRecord> {
  const answer = await deps.users.update(
    current.tenant,
    current.id,
    to,
    asSeen ? current.revision : null,
    deps.clock.now(),
    KEPT_ROLE,
  );
  switch (answer.kind) {
    case 'replaced':
      await deps.profiles.wrote(answer.record);
      return answer.record;
    case 'changed':
      throw changed();
    case 'not_found':
      throw notFound('user');
    case 'last':
      throw new CloudFlowError(
        'CONFLICT',
        `nobody else who is active has the role ${KEPT_ROLE}; give it to another user first`,
      );
  }
}

/** Throws NOT_FOUND. */
export async function requireUser(
  deps: Pick<UserDeps, 'users'>,
  { tenant }: Principal,
  id: string,
): Promise<UserRecord> {
  const user = await deps.users.find(tenant, id);
  if (user === null) throw notFound('user');
  return user;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false; // RangeError: the one way to ask.
  }
}

function present(user: UserRecord): Tagged<UserBody> {
  return { etag: etagOf(user), body: presentUser(user) };
}

export function presentUser(user: UserRecord): UserBody {
  return {
    user_id: user.id,
    email: user.email,
    name: user.name,
    status: user.status,
    roles: [...user.roles],
    email_verified: user.emailVerifiedAt !== null,
    mfa_enrolled: user.secondFactor,
    last_signed_in_at: isoOrNull(user.lastSignedInAt),
    created_at: iso(user.createdAt),
    updated_at: iso(user.updatedAt),
  };
}

function presentProfile(user: UserRecord): Tagged<ResponseBody<'getProfile'>> {
  return {
    etag: etagOf(user),
    body: { user: presentUser(user), preferences: user.preferences },
  };
}
