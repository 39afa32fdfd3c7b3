import type { Body, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import { isJsonObject } from '#core/json.ts';
import type { RecordKey } from '#core/record.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { ClientInfo, Through } from '#ports/sessions.ts';
import type { UserCredentials } from '#ports/users.ts';
import type { AuditNotes } from '../audit/auditor.ts';
import { canonicalAddress } from './address.ts';
import type { IdentityDeps } from './deps.ts';
import { passwordGuess } from './guesses.ts';
import { askSecondFactor, type HalfSignIn } from './half-sign-in.ts';
import { isPassword } from './password-check.ts';
import { digestOf, makeProofToken } from './proof-token.ts';
import { checkSecondFactor } from './second-factor.ts';
import { openSession, type TokenAnswer } from './sessions.ts';
import { passwordCounts } from './ways-in.ts';

const DEVICE_KNOWN_MS = 180 * 86_400_000;

/**
 * Signs in with a password. An account that does not exist, has no password or is deactivated costs the
 * same time, locks the same and answers the same as a wrong password.
 */
export async function login(
  deps: IdentityDeps,
  body: Body<'login'>,
  client: ClientInfo,
  audit: AuditNotes,
): Promise<ResponseBody<'login'>> {
  const address = canonicalAddress(body.email);
  const tenant = await deps.tenants.findBySlug(body.tenant);
  const account =
    tenant === null || address === null ? null : await deps.users.findCredentials(tenant, address);
  if (tenant !== null) audit.know({ tenant, mode: body.mode ?? 'live' });
  if (account !== null) audit.know({ target: `user:${account.id}` });
  const device = await knownDevice(deps, account, body.device_token ?? null);
  // The slug and the address, not the ids: what does not exist has none and must lock the same.
  const name = `${body.tenant} ${address ?? body.email.trim().toLowerCase()}`;
  const attempt = await passwordGuess(deps, name, client.source, device?.text ?? null);
  const right = await attempt.judge(() => isPassword(deps, account, body.password));
  if (!right || account === null) throw wrong();
  if (account.status !== 'active') throw wrong();
  if (!(await mayUsePassword(deps, account, audit))) throw wrong();
  await attempt.succeeded();
  audit.know({ actor: `user:${account.id}` });
  await audit.begin();

  const mode: Mode = body.mode ?? 'live';
  const { passwordRevision } = account;
  const how = { methods: ['pwd'], through: null, passwordRevision };
  const signIn = { mode, device: body.device ?? null, ...how };
  if (account.secondFactor) {
    audit.note({ second_factor: 'asked for' });
    const known = device?.secondFactor === true;
    const knownDevice = known ? Buffer.from(digestOf(device.text)).toString('hex') : null;
    return askSecondFactor(deps, account, { ...signIn, knownDevice, known });
  }
  const tokens = await finish(deps, account, signIn, client, false, device !== null);
  // Another password was set while this one was being looked at.
  if (tokens === null) throw wrong();
  return tokens;
}

/** The second half of a sign-in. A wrong code leaves the token good until it expires. */
export async function verifySecondFactor(
  deps: IdentityDeps,
  body: Body<'verifySecondFactor'>,
  client: ClientInfo,
  audit: AuditNotes,
): Promise<TokenAnswer> {
  const digest = digestOf(body.mfa_token);
  const pending = await deps.oneTime.find(digest, 'second_factor', deps.clock.now());
  if (pending === null) throw pendingGone();
  audit.know({ tenant: pending.tenant, target: `user:${pending.user}` });
  const half = pending.details as unknown as HalfSignIn;
  const from = { known: half.knownDevice ?? null, source: client.source };
  const method = await checkSecondFactor(deps, pending.tenant, pending.user, body.code, from);
  audit.know({ actor: `user:${pending.user}` });
  audit.note({ second_factor: method });
  await audit.begin();
  // Of two right codes at once one signs in.
  if ((await deps.oneTime.take(digest, 'second_factor', deps.clock.now())) === null) {
    throw pendingGone();
  }
  const user = await deps.users.credentialsOf(pending.tenant, pending.user);
  if (user === null || user.status !== 'active') throw pendingGone();
  const { mode, device, methods, known, through = null } = half;
  if (through === null && !(await mayUsePassword(deps, user, audit))) throw pendingGone();
  const proven = through === null ? half.passwordRevision : null;
  // Of a version that did not keep it: begun up to five minutes before this one was there.
  if (proven === undefined) throw pendingGone();
  const how = { methods: [...methods, method, 'mfa'], through, passwordRevision: proven };
  const tokens = await finish(deps, user, { mode, device, ...how }, client, true, known);
  if (tokens === null) throw pendingGone();
  return tokens;
}

/** Whether their password lets them in. The answer to who it does not is that of a wrong one. */
async function mayUsePassword(
  deps: Pick<IdentityDeps, 'tenants'>,
  user: UserCredentials,
  audit: AuditNotes,
): Promise<boolean> {
  const settings = (await deps.tenants.find(user.tenant))?.settings;
  if (settings === undefined || settings.password_sign_in === 'everyone') return true;
  const counts = passwordCounts(settings, user.roles);
  audit.note(counts ? { password: 'of an owner' } : { reason: 'password_sign_in_is_off' });
  return counts;
}

async function finish(
  deps: IdentityDeps,
  user: UserCredentials,
  signIn: {
    readonly mode: Mode;
    readonly device: string | null;
    readonly methods: readonly string[];
    readonly through: Through | null;
    readonly passwordRevision: number | null;
  },
  client: ClientInfo,
  secondFactor: boolean,
  known: boolean,
): Promise<TokenAnswer | null> {
  const deviceToken = known ? null : await rememberDevice(deps, user, secondFactor);
  const secondFactorAt = secondFactor ? deps.clock.now() : null;
  return openSession(deps, { user, ...signIn, client, secondFactorAt, deviceToken });
}

/**
 * A device is known by what was proven on it, and as long as that is what counts: another password, or an
 * authenticator that was enrolled since, makes a stranger of it. Else whoever once had the password could
 * keep as many known devices as they like, each with guesses of its own at what the owner chose against them.
 */
interface KnownDevice {
  readonly text: string;
  /** A second factor was proven on it too. */
  readonly secondFactor: boolean;
}

async function rememberDevice(
  deps: IdentityDeps,
  user: UserCredentials,
  secondFactor: boolean,
): Promise<string> {
  const now = deps.clock.now();
  const { text, digest } = makeProofToken('cfd', deps.randomBytes);
  const value = {
    user: user.id,
    password_revision: user.passwordRevision,
    second_factor: secondFactor,
  };
  const content = { value, expiresAt: now + DEVICE_KNOWN_MS };
  // Nobody else can have its 256 random bits, so whatever is written over is our own repeat.
  await deps.records.put(deviceKey(user.tenant, digest), null, content);
  return text;
}

/** Null: the user has not signed in on it with what they sign in with now. */
async function knownDevice(
  deps: IdentityDeps,
  account: UserCredentials | null,
  token: string | null,
): Promise<KnownDevice | null> {
  if (token === null || account === null) return null;
  const found = await deps.records.get(deviceKey(account.tenant, digestOf(token)));
  if (found === null || !isJsonObject(found.value)) return null;
  const { user, password_revision, second_factor } = found.value;
  if (user !== account.id || password_revision !== account.passwordRevision) return null;
  return { text: token, secondFactor: second_factor === true };
}

function deviceKey(tenant: string, digest: Uint8Array): RecordKey {
  return { tenant, kind: 'known_device', id: Buffer.from(digest).toString('hex') };
}

function wrong(): CloudFlowError {
  return new CloudFlowError('CREDENTIALS_INVALID', 'tenant, address or password is wrong');
}

function pendingGone(): CloudFlowError {
  return new CloudFlowError('TOKEN_INVALID', 'this sign-in has expired; begin again');
}
