import { ADMINISTRATIVE, grants } from '#contract/permissions.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ExternalIdentity } from '#core/identity-providers.ts';
import type { IdentityProviderRecord } from '#ports/identity-providers.ts';
import type { UserRecord } from '#ports/users.ts';
import type { AuditNotes } from '../audit/auditor.ts';
import { canonicalAddress } from '../identity/address.ts';
import { permissionsOf } from '../identity/permissions-of.ts';
import type { SsoDeps } from './deps.ts';

/**
 * Whom an identity elsewhere is here. The one end of every external sign-in, whatever was spoken:
 *
 *  E1 an identity that is linked is its user, by the provider's own id and never by an address;
 *  E2 an address counts only where the provider says that it is verified and the tenant lets this
 *     provider speak for its domain;
 *  E3 such an address links to the user who has it, unless that user may change who may do what: they
 *     link it themselves, signed in here (`linkIdentity`), so that no provider makes an administrator;
 *  E4 such an address becomes a user where the provider may bring some along, with the roles that the
 *     tenant said, which whoever said so could give, and none of which changes who may do what;
 *  E5 whoever is deactivated is refused, and every refusal is one answer.
 */
export async function signInExternally(
  deps: Pick<SsoDeps, 'users' | 'roles' | 'identities' | 'clock' | 'ids'>,
  provider: IdentityProviderRecord,
  identity: ExternalIdentity,
  audit: AuditNotes,
): Promise<UserRecord> {
  requireUsable(identity, audit);
  // Of two first sign-ins at once one is late, and finds what the other made.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const user =
      (await known(deps, provider, identity, audit)) ??
      (await met(deps, provider, identity, audit));
    if (user !== null) return user;
  }
  throw refused(audit, 'somebody_else_was_faster');
}

/** E1, E5. Null: nobody's yet. */
async function known(
  deps: Pick<SsoDeps, 'users' | 'identities'>,
  provider: IdentityProviderRecord,
  identity: ExternalIdentity,
  audit: AuditNotes,
): Promise<UserRecord | null> {
  const { tenant } = provider;
  const id = await deps.identities.find(tenant, provider.id, identity.subject);
  const user = id === null ? null : await deps.users.find(tenant, id);
  if (user === null) return null;
  audit.know({ target: `user:${user.id}` });
  if (user.status !== 'active') throw refused(audit, 'user_not_active');
  audit.know({ actor: `user:${user.id}` });
  await audit.begin();
  return user;
}

/** E2 to E5. Null: somebody was faster. */
async function met(
  deps: Pick<SsoDeps, 'users' | 'roles' | 'identities' | 'clock' | 'ids'>,
  provider: IdentityProviderRecord,
  identity: ExternalIdentity,
  audit: AuditNotes,
): Promise<UserRecord | null> {
  const address = vouchedAddress(provider, identity);
  if (address === null) throw refused(audit, 'address_not_vouched_for');
  const there = await deps.users.findCredentials(provider.tenant, address);
  if (there !== null) return link(deps, provider, identity, there, audit);
  return bringAlong(deps, provider, identity, address, audit);
}

/** E3. */
async function link(
  deps: Pick<SsoDeps, 'users' | 'roles' | 'identities' | 'clock'>,
  provider: IdentityProviderRecord,
  { subject }: ExternalIdentity,
  user: UserRecord,
  audit: AuditNotes,
): Promise<UserRecord | null> {
  const { tenant } = provider;
  audit.know({ target: `user:${user.id}` });
  if (user.status === 'deactivated') throw refused(audit, 'user_not_active');
  if (await administer(deps, tenant, user.roles))
    throw refused(audit, 'administrators_link_themselves');
  audit.know({ actor: `user:${user.id}` });
  audit.note({ identity: 'linked by address' });
  await audit.begin();
  const now = deps.clock.now();
  const linked = await deps.identities.link({
    tenant,
    provider: provider.id,
    subject,
    user: user.id,
    now,
  });
  if (linked === 'taken') return null;
  if (user.status === 'active') return user;
  // Whoever was invited has come, by a way that their administrator opened.
  const change = { status: 'active' as const, emailVerifiedAt: now };
  const answer = await deps.users.update(tenant, user.id, change, user.revision, now);
  return answer.kind === 'replaced' ? answer.record : null;
}

/** E4. */
async function bringAlong(
  deps: Pick<SsoDeps, 'users' | 'roles' | 'identities' | 'clock' | 'ids'>,
  provider: IdentityProviderRecord,
  identity: ExternalIdentity,
  address: string,
  audit: AuditNotes,
): Promise<UserRecord | null> {
  const { tenant, defaultRoles } = provider;
  if (defaultRoles === null) throw refused(audit, 'nobody_is_brought_along');
  // A role may have come to allow more since the provider was told to give it.
  if (await administer(deps, tenant, defaultRoles))
    throw refused(audit, 'default_roles_administer');
  const now = deps.clock.now();
  const id = deps.ids.next(now);
  audit.know({ actor: `user:${id}`, target: `user:${id}` });
  audit.note({ user: 'made' });
  await audit.begin();
  const user = {
    tenant,
    id,
    email: address,
    address,
    name: nameOf(identity),
    status: 'active' as const,
    roles: defaultRoles,
    emailVerifiedAt: now,
    now,
  };
  const made = await deps.identities.linkNew(user, provider.id, identity.subject);
  return made === 'taken' ? null : deps.users.find(tenant, id);
}

/** E2. Null: the provider may not say so. */
export function vouchedAddress(
  { emailDomains }: Pick<IdentityProviderRecord, 'emailDomains'>,
  { email, emailVerified }: Pick<ExternalIdentity, 'email' | 'emailVerified'>,
): string | null {
  const address = emailVerified && email !== null ? canonicalAddress(email) : null;
  if (address === null) return null;
  return emailDomains.includes(address.slice(address.lastIndexOf('@') + 1)) ? address : null;
}

/** Whether whoever has these roles may change who may do what. */
export async function administer(
  deps: Pick<SsoDeps, 'roles'>,
  tenant: string,
  roles: readonly string[],
): Promise<boolean> {
  const own = await deps.roles.findAll(tenant, roles);
  const scopes = permissionsOf(
    roles,
    own.flatMap((role) => role.scopes),
  );
  return [...ADMINISTRATIVE].some((permission) => grants(scopes, permission));
}

/** What is stored must be text that a database takes, and no longer than protocols allow. */
export function requireUsable({ subject }: ExternalIdentity, audit: AuditNotes): void {
  const usable =
    subject.length > 0 &&
    subject.length <= 1_024 &&
    subject.isWellFormed() &&
    !/\p{Cc}/u.test(subject);
  if (!usable) throw refused(audit, 'subject_unusable');
}

function nameOf({ name }: ExternalIdentity): string | null {
  const clean = (name ?? '')
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, 120);
  return clean === '' ? null : clean.toWellFormed();
}

const REFUSED = 'this sign-in is refused; ask whoever manages your tenant, who is told why';

/** One answer; why is for the audit trail alone. */
export function refused(audit: AuditNotes, reason: string): CloudFlowError {
  audit.note({ reason });
  return new CloudFlowError('SIGN_IN_REFUSED', REFUSED);
}
