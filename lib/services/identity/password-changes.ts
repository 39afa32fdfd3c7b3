import type { Body } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { OneTimeToken, TokenPurpose } from '#ports/one-time-tokens.ts';
import type { ClientInfo } from '#ports/sessions.ts';
import type { NewPassword, UserRecord } from '#ports/users.ts';
import type { AuditNotes } from '../audit/auditor.ts';
import { canonicalAddress } from './address.ts';
import type { IdentityDeps } from './deps.ts';
import { mailRequest, passwordGuess } from './guesses.ts';
import { mailToken } from './mail.ts';
import { noSooner } from './no-sooner.ts';
import { isPassword } from './password-check.ts';
import { normalPassword, requireSuitable } from './passwords.ts';
import { type Principal, signedIn } from './principal.ts';
import { digestOf } from './proof-token.ts';

const RESET_MS = 3_600_000;

/** Ends every other session: whoever had the old password is out. */
export async function changePassword(
  deps: IdentityDeps,
  principal: Principal,
  body: Body<'changePassword'>,
  client: ClientInfo,
): Promise<void> {
  const { id, session } = signedIn(principal);
  const { tenant } = principal;
  const user = await deps.users.credentialsOf(tenant, id);
  if (user === null) throw new TypeError('a signed-in user is gone');
  requireSuitable(body.new_password, '/body/new_password', wordsOf(user));
  const attempt = await passwordGuess(deps, `change ${id}`, client.source, null);
  const current = body.current_password;
  if (!(await attempt.judge(() => isPassword(deps, user, current)))) throw wrongNow();
  await attempt.succeeded();
  const hash = await hashOf(deps, body.new_password);
  const set = await deps.users.setPassword(tenant, id, {
    ...{ hash, of: 'active', mailed: false, because: 'password_changed', except: session },
    proven: user.passwordRevision,
    now: deps.clock.now(),
  });
  // Somebody set another while this one was being looked at: what was current is not any more.
  if (!set) throw wrongNow();
}

/** Says nothing of whether the account exists, not by how long it takes either, and mails a token where it does. */
export async function forgotPassword(
  deps: IdentityDeps,
  body: Body<'forgotPassword'>,
  client: ClientInfo,
  audit: AuditNotes,
): Promise<void> {
  const address = canonicalAddress(body.email);
  const name = `${body.tenant} ${address ?? body.email}`;
  const mayMail = await mailRequest(deps, name, client.source);
  await noSooner(deps.clock, () => mailReset(deps, body.tenant, address, mayMail, audit));
}

async function mailReset(
  deps: IdentityDeps,
  slug: string,
  address: string | null,
  mayMail: boolean,
  audit: AuditNotes,
): Promise<void> {
  const tenant = await deps.tenants.findBySlug(slug);
  if (tenant !== null) audit.know({ tenant });
  if (tenant === null || address === null) return;
  const user = await deps.users.findCredentials(tenant, address);
  if (user === null || user.status !== 'active') return;
  audit.know({ target: `user:${user.id}` });
  if (!mayMail) {
    audit.note({ mail: 'held back, for many were asked for' });
    return;
  }
  await audit.begin();
  // Those that were mailed before stay good: whoever else asks takes none from the owner.
  const token = { purpose: 'reset_password', kind: 'cfp', goodMs: RESET_MS, only: false } as const;
  await mailToken(deps, user, token);
}

/** Whoever reads the mail of an account may set its password, and so has confirmed its address. */
export async function resetPassword(
  deps: IdentityDeps,
  body: Body<'resetPassword'>,
  audit: AuditNotes,
): Promise<void> {
  const { user, hash } = await takeFor(deps, audit, body.token, 'reset_password', (user) => {
    requireSuitable(body.new_password, '/body/new_password', wordsOf(user));
    return body.new_password;
  });
  await setMailed(deps, user, { hash, of: 'active' });
}

export async function acceptInvitation(
  deps: IdentityDeps,
  body: Body<'acceptInvitation'>,
  audit: AuditNotes,
): Promise<void> {
  const { user, hash } = await takeFor(deps, audit, body.token, 'invitation', (user) => {
    requireSuitable(body.password, '/body/password', wordsOf(user));
    return body.password;
  });
  const { name } = body;
  await setMailed(deps, user, { hash, of: 'invited', ...(name === undefined ? {} : { name }) });
}

/** Uses the token up, once everything else about the request is right and the password is hashed. */
async function takeFor(
  deps: IdentityDeps,
  audit: AuditNotes,
  text: string,
  purpose: TokenPurpose,
  suitable: (user: UserRecord) => string,
): Promise<{ readonly user: UserRecord; readonly hash: string }> {
  const digest = digestOf(text);
  const found = await deps.oneTime.find(digest, purpose, deps.clock.now());
  const user = await userOf(deps, found);
  audit.know({ tenant: user.tenant, actor: `user:${user.id}`, target: `user:${user.id}` });
  // Before it is taken: where too many wait for hashes, the same token is good for the next try.
  const hash = await hashOf(deps, suitable(user));
  await audit.begin();
  const taken = await deps.oneTime.take(digest, purpose, deps.clock.now());
  return { user: await userOf(deps, taken), hash };
}

async function userOf(deps: IdentityDeps, token: OneTimeToken | null): Promise<UserRecord> {
  const user = token === null ? null : await deps.users.find(token.tenant, token.user);
  if (user === null) throw gone();
  return user;
}

function hashOf(deps: IdentityDeps, password: string): Promise<string> {
  return deps.hasher.hash(normalPassword(password));
}

/**
 * Whatever the password was. Throws TOKEN_INVALID where the user is by now another than the token was for:
 * whoever deactivates somebody at the same moment must find them deactivated afterwards.
 */
async function setMailed(
  deps: IdentityDeps,
  user: UserRecord,
  password: Pick<NewPassword, 'hash' | 'of' | 'name'>,
): Promise<void> {
  const set = await deps.users.setPassword(user.tenant, user.id, {
    ...password,
    mailed: true,
    proven: null,
    because: 'password_reset',
    except: null,
    now: deps.clock.now(),
  });
  if (!set) throw gone();
}

function wrongNow(): CloudFlowError {
  return new CloudFlowError('CREDENTIALS_INVALID', 'the current password is wrong');
}

function wordsOf(user: UserRecord): readonly string[] {
  const [local = ''] = user.email.split('@', 1);
  return [user.email, local, ...(user.name?.split(/\s+/) ?? [])];
}

function gone(): CloudFlowError {
  return new CloudFlowError('TOKEN_INVALID', 'the token is not valid or was used; ask for another');
}
