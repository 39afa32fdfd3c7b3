import { Secret, TOTP } from 'otpauth';
import type { Body, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ClientInfo } from '#ports/sessions.ts';
import type { IdentityDeps } from './deps.ts';
import { type CodeSource, passwordGuess, secondFactorGuess } from './guesses.ts';
import { NONCE_BYTES } from './identity-key.ts';
import { isPassword } from './password-check.ts';
import { type Principal, signedIn } from './principal.ts';

const ISSUER = 'CloudFlow';
const PERIOD_SECONDS = 30;
/** RFC 4226 asks for at least 128 bits and recommends 160. */
const SECRET_BYTES = 20;
/** Clocks of phones may be one step off. */
const WINDOW = 1;
/** How long after signing in, or after the password was given again, an authenticator may be enrolled. */
const LATELY_MS = 300_000;
const RECOVERY_CODES = 10;
const RECOVERY_ALPHABET = '23456789abcdefghjkmnpqrstuvwxyz';
const RECOVERY_LENGTH = 10;

/** Words of RFC 8176 for how the second factor was proven. */
export type SecondFactorMethod = 'otp' | 'kba';

/**
 * Checks a code of the authenticator, or uses a recovery code up. A code counts once, also when it is
 * sent twice at the same moment. Throws CREDENTIALS_INVALID, CONFLICT (none is enrolled) or LOCKED_OUT.
 */
export async function checkSecondFactor(
  deps: IdentityDeps,
  tenant: string,
  user: string,
  code: string,
  from: CodeSource,
): Promise<SecondFactorMethod> {
  const factor = await deps.factors.find(tenant, user);
  if (factor === null || !factor.confirmed) throw notEnrolled();
  const attempt = await secondFactorGuess(deps, user, from);
  const step = stepOf(deps, openSecret(deps, tenant, user, factor.secret), code);
  const right = await attempt.judge(() =>
    step === null
      ? deps.factors.useRecovery(tenant, user, recoveryDigests(deps, user, code))
      : deps.factors.useStep(tenant, user, step),
  );
  if (!right) throw wrongCode();
  await attempt.succeeded();
  return step === null ? 'kba' : 'otp';
}

export async function enrolTotp(
  deps: IdentityDeps,
  principal: Principal,
): Promise<ResponseBody<'enrolTotp'>> {
  const { id, session } = signedIn(principal);
  const { tenant } = principal;
  const user = await deps.users.find(tenant, id);
  if (user === null) throw new TypeError('a signed-in user is gone');
  await requireLatelyProven(deps, tenant, session);
  const secret = deps.randomBytes(SECRET_BYTES);
  const sealed = deps.key.seal(secret, boundTo(tenant, id), deps.randomBytes(NONCE_BYTES));
  const begun = await deps.factors.begin({ tenant, user: id, secret: sealed }, deps.clock.now());
  if (begun === 'confirmed') {
    throw new CloudFlowError('CONFLICT', 'an authenticator is enrolled; remove it first');
  }
  const totp = totpOf(secret, user.email);
  return { secret: totp.secret.base32, uri: totp.toString() };
}

/**
 * Ends every other session: who had the password before may have opened any number, and each would have
 * guesses of its own at a code that lets it administer.
 */
export async function confirmTotp(
  deps: IdentityDeps,
  principal: Principal,
  code: string,
): Promise<ResponseBody<'confirmTotp'>> {
  const { id, session } = signedIn(principal);
  const { tenant } = principal;
  const factor = await deps.factors.find(tenant, id);
  if (factor === null) throw notEnrolled();
  if (factor.confirmed) throw new CloudFlowError('CONFLICT', 'the authenticator is confirmed');
  const attempt = await secondFactorGuess(deps, id, within(session));
  const step = stepOf(deps, openSecret(deps, tenant, id, factor.secret), code);
  if (step === null) throw wrongCode();
  const codes = Array.from({ length: RECOVERY_CODES }, () => makeRecoveryCode(deps));
  const digests = codes.map((each) => deps.key.mac('recovery', recoveryText(id, each)));
  const now = deps.clock.now();
  const confirmed = await attempt.judge(() => deps.factors.confirm(tenant, id, step, digests, now));
  if (!confirmed) throw wrongCode();
  await attempt.succeeded();
  await deps.sessions.endAll(tenant, id, 'mfa_changed', now, session);
  await proven(deps, tenant, session, 'otp');
  return { recovery_codes: codes };
}

/**
 * Whoever holds a session for a while enrols no device of theirs, which its owner would then be asked for.
 * Throws REAUTHENTICATION_REQUIRED.
 */
async function requireLatelyProven(
  deps: IdentityDeps,
  tenant: string,
  session: string,
): Promise<void> {
  const found = await deps.sessions.find(tenant, session);
  if (found !== null && deps.clock.now() - found.provenAt < LATELY_MS) return;
  throw new CloudFlowError(
    'REAUTHENTICATION_REQUIRED',
    found?.provider == null
      ? 'this needs your password of the last 5 minutes; send it to POST /api/v1/auth/mfa/step-up'
      : 'this needs a sign-in of the last 5 minutes; sign in again',
  );
}

/** With a last code; the session that goes on has proven no second factor from then on. So that a session left open somewhere does not lose its owner the second factor. */
export async function removeTotp(
  deps: IdentityDeps,
  principal: Principal,
  code: string,
): Promise<void> {
  const { id, session } = signedIn(principal);
  await checkSecondFactor(deps, principal.tenant, id, code, within(session));
  await deps.factors.remove(principal.tenant, id);
  await deps.sessions.endAll(principal.tenant, id, 'mfa_changed', deps.clock.now(), session);
}

/** Proves one of both again, within a session: the second factor by a code, or the password. */
export async function stepUp(
  deps: IdentityDeps,
  principal: Principal,
  { code, password }: Body<'stepUp'>,
  client: ClientInfo,
): Promise<void> {
  const { id, session } = signedIn(principal);
  const { tenant } = principal;
  if ((code === undefined) === (password === undefined)) throw oneOfBoth();
  if (password !== undefined) return await passwordAgain(deps, principal, password, client);
  const method = await checkSecondFactor(deps, tenant, id, code as string, within(session));
  await proven(deps, tenant, session, method);
}

async function passwordAgain(
  deps: IdentityDeps,
  principal: Principal,
  password: string,
  client: ClientInfo,
): Promise<void> {
  const { id, session } = signedIn(principal);
  const { tenant } = principal;
  const user = await deps.users.credentialsOf(tenant, id);
  if (user === null) throw new TypeError('a signed-in user is gone');
  const attempt = await passwordGuess(deps, `change ${id}`, client.source, null);
  const right = await attempt.judge(() => isPassword(deps, user, password));
  if (!right) throw new CloudFlowError('CREDENTIALS_INVALID', 'the password is wrong');
  await attempt.succeeded();
  const { passwordRevision } = user;
  const of = { tenant, user: id, passwordRevision };
  if (!(await deps.sessions.passwordProven(of, session, deps.clock.now()))) throw ended();
}

function within(session: string): CodeSource {
  return { known: session, source: null };
}

/** How the session began stays; how the second factor was proven is the latest. */
async function proven(
  deps: IdentityDeps,
  tenant: string,
  session: string,
  method: SecondFactorMethod,
): Promise<void> {
  const before = (await deps.sessions.find(tenant, session))?.methods ?? [];
  const first = before.filter((each) => !['otp', 'kba', 'mfa'].includes(each));
  const methods = [...first, method, 'mfa'];
  if (!(await deps.sessions.secondFactor(tenant, session, methods, deps.clock.now()))) {
    throw ended();
  }
}

/** The step that a code belongs to; null: it belongs to none around now. */
function stepOf(deps: IdentityDeps, secret: Uint8Array, code: string): number | null {
  const now = deps.clock.now();
  const delta = totpOf(secret, '').validate({ token: code, timestamp: now, window: WINDOW });
  return delta === null ? null : Math.floor(now / 1_000 / PERIOD_SECONDS) + delta;
}

function totpOf(secret: Uint8Array, label: string): TOTP {
  const bytes = Uint8Array.from(secret);
  return new TOTP({
    issuer: ISSUER,
    label,
    algorithm: 'SHA1', // What authenticators understand.
    digits: 6,
    period: PERIOD_SECONDS,
    secret: new Secret({ buffer: bytes.buffer }),
  });
}

function openSecret(
  deps: IdentityDeps,
  tenant: string,
  user: string,
  sealed: Uint8Array,
): Uint8Array {
  return deps.key.open(sealed, boundTo(tenant, user));
}

function boundTo(tenant: string, user: string): string {
  return `${tenant} ${user} totp`;
}

function makeRecoveryCode(deps: IdentityDeps): string {
  let code = '';
  while (code.length < RECOVERY_LENGTH) {
    for (const byte of deps.randomBytes(RECOVERY_LENGTH)) {
      // 248 is the largest multiple of 31 in a byte: beyond it some letters would be likelier.
      if (byte < 248 && code.length < RECOVERY_LENGTH) {
        code += RECOVERY_ALPHABET.charAt(byte % RECOVERY_ALPHABET.length);
      }
    }
  }
  return `${code.slice(0, 5)}-${code.slice(5)}`;
}

/** Of a code that was made whenever: under each key that there has been. */
function recoveryDigests(deps: IdentityDeps, user: string, code: string): readonly Uint8Array[] {
  return deps.key.macs('recovery', recoveryText(user, code));
}

function recoveryText(user: string, code: string): string {
  return `${user} ${code.toLowerCase().replaceAll('-', '')}`;
}

function ended(): CloudFlowError {
  return new CloudFlowError('UNAUTHENTICATED', 'the session has ended; sign in again');
}

function oneOfBoth(): CloudFlowError {
  return new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
    problems: [
      {
        code: 'REQUEST_INVALID',
        pointer: '/body',
        message: 'holds both a code and a password, or neither',
        allowed: 'code, or password',
      },
    ],
  });
}

function notEnrolled(): CloudFlowError {
  return new CloudFlowError('CONFLICT', 'no authenticator is enrolled; enrol one first');
}

function wrongCode(): CloudFlowError {
  return new CloudFlowError('CREDENTIALS_INVALID', 'the code is wrong or was used before');
}
