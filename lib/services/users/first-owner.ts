import { TENANT_SLUG } from '#contract/schemas/identity.ts';
import { CloudFlowError, type Problem } from '#core/errors.ts';
import type { TenantMaker, UserStatus } from '#ports/users.ts';
import type { Auditor } from '../audit/auditor.ts';
import { operatorAct } from '../audit/operator-act.ts';
import { canonicalAddress, mailedTo } from '../identity/address.ts';
import type { IdentityDeps } from '../identity/deps.ts';
import { normalPassword } from '../identity/passwords.ts';
import { makeProofToken } from '../identity/proof-token.ts';
import { INVITATION_MS } from './users.ts';

/**
 * A tenant and the first of its owners, made by whoever operates the platform: the one way in which
 * there comes to be a tenant, on AWS and locally.
 *
 *  F1 It may be repeated: what is there already stays as it is, and an owner who has set a password is
 *     never given another way in.
 *  F2 What is made is told the audit trail of the tenant before it is made; where all is there, nothing is.
 */
export interface FirstOwner {
  readonly tenant: string;
  readonly user: string;
  /** Good once, for setting the password; null when the owner has one. It is told to nobody else. */
  readonly invitation: { readonly token: string; readonly expiresAt: number } | null;
}

export interface FirstOwnerRequest {
  /** Of the tenant, where it must be a certain one; else a new one is made for a new short name. */
  readonly id?: string;
  readonly slug: string;
  readonly name: string;
  readonly email: string;
  readonly ownerName: string | null;
  /** Set at once, where whoever asks is the owner; else an invitation is made. */
  readonly password?: string;
}

export type FirstOwnerDeps = Pick<
  IdentityDeps,
  'users' | 'oneTime' | 'clock' | 'ids' | 'randomBytes'
> & {
  readonly maker: TenantMaker;
  readonly auditor: Auditor;
  readonly hasher: Pick<IdentityDeps['hasher'], 'hash'> | null;
};

const OWNER = 'owner';

/** Throws REQUEST_INVALID with everything that is wrong with the request. */
export async function makeFirstOwner(
  deps: FirstOwnerDeps,
  request: FirstOwnerRequest,
): Promise<FirstOwner> {
  const address = canonicalAddress(request.email);
  const problems = problemsOf(request, address);
  if (address === null || problems.length > 0) {
    throw new CloudFlowError('REQUEST_INVALID', 'no tenant can be made of this', { problems });
  }
  const now = deps.clock.now();
  const known = await deps.maker.findBySlug(request.slug);
  const tenant = known ?? request.id ?? deps.ids.next(now);
  const found = known === null ? null : await deps.users.findCredentials(tenant, address);
  if (found?.passwordHash) return { tenant, user: found.id, invitation: null };
  const user = found?.id ?? deps.ids.next(now);
  return await operatorAct(deps, 'makeTenant', async (audit) => {
    audit.know({ tenant, target: `user:${user}` });
    await audit.begin();
    const was = found?.status ?? null;
    return await make(deps, request, { tenant, user, address, was, now });
  });
}

async function make(
  deps: FirstOwnerDeps,
  { slug, name, email, ownerName, password }: FirstOwnerRequest,
  {
    tenant,
    user,
    address,
    was,
    now,
  }: {
    readonly tenant: string;
    readonly user: string;
    readonly address: string;
    /** Of the owner where they are there, without a password; null: they are not. */
    readonly was: UserStatus | null;
    readonly now: number;
  },
): Promise<FirstOwner> {
  await deps.maker.ensure({ id: tenant, slug, name, now });
  if (was === null) {
    await deps.users.create({
      tenant,
      id: user,
      email: mailedTo(email, address),
      address,
      name: ownerName,
      status: password === undefined ? 'invited' : 'active',
      roles: [OWNER],
      emailVerifiedAt: password === undefined ? null : now,
      now,
    });
  }
  if (password !== undefined) {
    if (deps.hasher === null) throw new TypeError('nothing here hashes passwords');
    const hash = await deps.hasher.hash(normalPassword(password));
    await deps.users.setPassword(tenant, user, {
      ...{ hash, of: was === 'invited' ? was : 'active', mailed: true },
      ...{ proven: null, because: 'password_reset', except: null },
      now,
    });
    return { tenant, user, invitation: null };
  }
  const { text, digest } = makeProofToken('cfi', deps.randomBytes);
  const expiresAt = now + INVITATION_MS;
  await deps.oneTime.create({
    tenant,
    user,
    purpose: 'invitation',
    digest,
    details: { email },
    now,
    expiresAt,
    // An earlier one that got lost is good for nothing any more.
    only: true,
  });
  return { tenant, user, invitation: { token: text, expiresAt } };
}

function problemsOf({ slug, name }: FirstOwnerRequest, address: string | null): readonly Problem[] {
  const problem = (pointer: string, message: string, allowed: string): Problem => ({
    code: 'REQUEST_INVALID',
    pointer,
    message,
    allowed,
  });
  return [
    ...(new RegExp(TENANT_SLUG).test(slug)
      ? []
      : [
          problem(
            '/slug',
            'is no short name of a tenant',
            '1 to 63 small letters, digits and hyphens, as in acme-shipping',
          ),
        ]),
    ...(name.trim() !== '' && name.length <= 200
      ? []
      : [problem('/name', 'is no name', '1 to 200 characters')]),
    ...(address === null
      ? [problem('/email', 'is no address that mail can be sent to', 'name@domain.example')]
      : []),
  ];
}
