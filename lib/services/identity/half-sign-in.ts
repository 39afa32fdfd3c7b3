import type { ResponseBody } from '#contract/routes.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { Through } from '#ports/sessions.ts';
import type { UserRecord } from '#ports/users.ts';
import type { IdentityDeps } from './deps.ts';
import { makeProofToken } from './proof-token.ts';

const SECOND_FACTOR_MS = 300_000;

export interface HalfSignIn {
  readonly mode: Mode;
  readonly device: string | null;
  /** How the first half was proven (RFC 8176 words). */
  readonly methods: readonly string[];
  readonly through: Through | null;
  /** Of the password that was proven; null: none was. */
  readonly passwordRevision: number | null;
  /** The digest of the text by which the device is known; null: it is not. Its guesses are its own. */
  readonly knownDevice: string | null;
  /** The device needs no token: it has one, or none is of use to it. */
  readonly known: boolean;
}

/** Ends the first half of a sign-in with what the second is to be sent with. */
export async function askSecondFactor(
  deps: Pick<IdentityDeps, 'oneTime' | 'clock' | 'randomBytes'>,
  user: UserRecord,
  half: HalfSignIn,
): Promise<Extract<ResponseBody<'login'>, { readonly mfa_token: string }>> {
  const token = makeProofToken('cfm', deps.randomBytes);
  const now = deps.clock.now();
  await deps.oneTime.create({
    tenant: user.tenant,
    user: user.id,
    purpose: 'second_factor',
    digest: token.digest,
    details: { ...half, through: half.through === null ? null : { ...half.through } },
    now,
    expiresAt: now + SECOND_FACTOR_MS,
    only: false,
  });
  return { mfa_token: token.text, factors: ['totp', 'recovery_code'] };
}
