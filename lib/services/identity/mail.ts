import type { MailTemplate } from '#ports/mail.ts';
import type { TokenPurpose } from '#ports/one-time-tokens.ts';
import type { UserRecord } from '#ports/users.ts';
import type { IdentityDeps } from './deps.ts';
import { makeProofToken, type TokenKind } from './proof-token.ts';

/** Makes a token that proves control of an address, and asks for it to be mailed there. */
export async function mailToken(
  deps: Pick<IdentityDeps, 'oneTime' | 'outbox' | 'tenants' | 'clock' | 'ids' | 'randomBytes'>,
  user: UserRecord,
  token: {
    readonly purpose: Exclude<TokenPurpose, 'second_factor'>;
    readonly kind: TokenKind;
    readonly goodMs: number;
    /** Default: those of this purpose that were mailed before are good no more. */
    readonly only?: boolean;
    /** Of the password that was proven for it. */
    readonly proven?: number;
  },
): Promise<void> {
  const now = deps.clock.now();
  const { text, digest } = makeProofToken(token.kind, deps.randomBytes);
  const expiresAt = now + token.goodMs;
  await deps.oneTime.create({
    tenant: user.tenant,
    user: user.id,
    purpose: token.purpose,
    digest,
    details: {
      email: user.email,
      ...(token.proven === undefined ? {} : { password_revision: token.proven }),
    },
    now,
    expiresAt,
    only: token.only ?? true,
  });
  await mailNotice(deps, user, `identity.${token.purpose}`, {
    token: text,
    expires_at: new Date(expiresAt).toISOString(),
  });
}

/** Asks for a mail to a user; `data` is what its template says besides whose it is. */
export async function mailNotice(
  deps: Pick<IdentityDeps, 'outbox' | 'tenants' | 'clock' | 'ids'>,
  user: UserRecord,
  template: MailTemplate,
  data: Readonly<Record<string, string>>,
): Promise<void> {
  const tenant = await deps.tenants.find(user.tenant);
  await deps.outbox.publish({
    tenant: user.tenant,
    mode: 'live',
    topic: 'notifications.email',
    key: user.id,
    id: deps.ids.next(deps.clock.now()),
    payload: {
      template,
      to: user.email,
      data: { ...data, tenant: tenant?.slug ?? null, name: user.name },
    },
  });
}
