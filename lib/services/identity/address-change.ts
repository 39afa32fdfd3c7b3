import type { Body } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ClientInfo } from '#ports/sessions.ts';
import type { UserRecord } from '#ports/users.ts';
import type { AuditNotes } from '../audit/auditor.ts';
import { canonicalAddress, mailedTo } from './address.ts';
import type { IdentityDeps } from './deps.ts';
import { mailRequest, passwordGuess } from './guesses.ts';
import { mailNotice, mailToken } from './mail.ts';
import { noSooner } from './no-sooner.ts';
import { isPassword } from './password-check.ts';
import { type Principal, signedIn } from './principal.ts';
import { digestOf } from './proof-token.ts';

/**
 * An address is whom mail of a lost password goes to, so it changes in two halves: who is signed in asks,
 * with the password, and whoever reads mail at the new address confirms. Until then nothing changes.
 */
const CONFIRM_MS = 86_400_000;

/** Says nothing of whether somebody else has the address, not by how long it takes either: then no mail is sent. */
export async function changeAddress(
  deps: IdentityDeps,
  principal: Principal,
  body: Body<'changeAddress'>,
  client: ClientInfo,
): Promise<void> {
  const { id } = signedIn(principal);
  const { tenant } = principal;
  const user = await deps.users.credentialsOf(tenant, id);
  if (user === null) throw new TypeError('a signed-in user is gone');
  const address = canonicalAddress(body.email);
  if (address === null) throw unusable(body.email);
  const attempt = await passwordGuess(deps, `change ${id}`, client.source, null);
  if (!(await attempt.judge(() => isPassword(deps, user, body.current_password)))) {
    throw new CloudFlowError('CREDENTIALS_INVALID', 'the current password is wrong');
  }
  await attempt.succeeded();
  if (!(await mailRequest(deps, `${tenant} ${address}`, client.source))) return;
  await noSooner(deps.clock, async () => {
    if ((await deps.users.findCredentials(tenant, address)) !== null) return;
    await mailToken(
      deps,
      { ...user, email: mailedTo(body.email, address) },
      {
        ...{ purpose: 'confirm_address', kind: 'cfe', goodMs: CONFIRM_MS },
        proven: user.passwordRevision,
      },
    );
  });
}

/** From now on the user is under the new address; the old one is told, in case it was not them. */
export async function confirmAddress(
  deps: IdentityDeps,
  body: Body<'confirmAddress'>,
  audit: AuditNotes,
): Promise<void> {
  const digest = digestOf(body.token);
  const now = deps.clock.now();
  const pending = await deps.oneTime.find(digest, 'confirm_address', now);
  const user = pending === null ? null : await deps.users.find(pending.tenant, pending.user);
  if (pending === null || user === null || user.status !== 'active') throw gone();
  audit.know({ tenant: user.tenant, actor: `user:${user.id}`, target: `user:${user.id}` });
  await audit.begin();
  if ((await deps.oneTime.take(digest, 'confirm_address', now)) === null) throw gone();
  const email = String(pending.details['email']);
  const address = canonicalAddress(email);
  const passwordRevision = pending.details['password_revision'];
  // Whoever asked knew the password of then. Is it another now, they may be who it was changed against.
  if (address === null || typeof passwordRevision !== 'number') throw gone();
  const to = { email, address, passwordRevision };
  if (!(await deps.users.move(user.tenant, user.id, to, now))) throw gone();
  await mailNotice(deps, user as UserRecord, 'identity.address_changed', { new_address: email });
}

function unusable(email: string): CloudFlowError {
  return new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
    problems: [
      {
        code: 'REQUEST_INVALID',
        pointer: '/body/email',
        message: 'is no address that mail can be sent to',
        given: email.slice(0, 80),
        allowed: 'name@domain.example',
      },
    ],
  });
}

function gone(): CloudFlowError {
  return new CloudFlowError('TOKEN_INVALID', 'the token is not valid or was used; ask for another');
}
