import { createHash, timingSafeEqual } from 'node:crypto';
import type { Body, Params, Query, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { IdentityProviderRecord, SignInProtocol } from '#ports/identity-providers.ts';
import type { ClientInfo } from '#ports/sessions.ts';
import type { AuditNotes } from '../audit/auditor.ts';
import { requireFreshFactor } from '../identity/authorize.ts';
import { signInBegun } from '../identity/guesses.ts';
import { askSecondFactor } from '../identity/half-sign-in.ts';
import { type Principal, signedIn } from '../identity/principal.ts';
import { digestOf } from '../identity/proof-token.ts';
import { openSession } from '../identity/sessions.ts';
import { notFound } from '../shared/problems.ts';
import { browserCookie } from './browser.ts';
import type { SsoDeps } from './deps.ts';
import { gone, providerOf, type Redirect, secretOf, signInAt } from './finish-sign-in.ts';
import { requireReturnTo } from './return-to.ts';
import { refused, requireUsable, signInExternally } from './sign-in-externally.ts';
import { keep, newToken, take } from './under-way.ts';

/**
 * A sign-in elsewhere, from its beginning to tokens:
 *
 *  F1 `state` is good once, for ten minutes, in the browser that began, at the address of the provider
 *     that it was for; what came back is proven by the adapter of its kind;
 *  F2 what became of it is kept under a code that the browser carries to who began, which is one of a few
 *     addresses; the code is good once, for a minute, with the verifier that only who began has. So no
 *     token ever stands in an address, and the browser learns nothing;
 *  F3 a code that comes again ends the session that it was traded for.
 */
const BEGUN_MS = 600_000;
const USED_MS = 600_000;

export async function beginSignIn(
  deps: SsoDeps,
  params: Params<'beginSignIn'>,
  query: Query<'beginSignIn'>,
  client: ClientInfo,
): Promise<Redirect> {
  const provider = await providerOf(deps, params);
  if (provider === null) throw notFound('identity provider');
  const { tenant } = provider;
  const settings = (await deps.tenants.find(tenant))?.settings;
  const origins = [...deps.allowedOrigins, ...(settings?.allowed_origins ?? [])];
  requireReturnTo(origins, query.return_to);
  await signInBegun(deps, client.source);
  const state = newToken(deps, 'cfs');
  const browser = newToken(deps, 'cfb');
  // The table is typed kind by kind; here the kind is only known as one of them.
  const protocol = deps.protocols[provider.protocol.kind] as Pick<SignInProtocol, 'begin'>;
  const secret = await secretOf(deps, provider);
  const at = signInAt(deps, params.tenant, provider, { secret, state: state.text });
  const begun = await protocol.begin(at);
  if (begun.kind !== 'begun') {
    throw away(deps, provider, begun.reason);
  }
  const content = {
    kept: begun.kept,
    returnTo: query.return_to,
    challenge: query.code_challenge,
    clientState: query.state ?? null,
    browser: Buffer.from(browser.digest).toString('hex'),
  };
  await keep(deps, { tenant, provider: provider.id }, 'begun', content, state, BEGUN_MS);
  return {
    location: begun.location,
    cookie: browserCookie(state.digest, browser.text, provider.protocol.kind, BEGUN_MS),
  };
}

export async function exchangeSignIn(
  deps: SsoDeps,
  body: Body<'exchangeSignIn'>,
  client: ClientInfo,
  audit: AuditNotes,
): Promise<ResponseBody<'exchangeSignIn'>> {
  const mode: Mode = body.mode ?? 'live';
  const { provider, identity } = await trade(deps, body, null, audit);
  audit.know({ mode });
  const user = await signInExternally(deps, provider, identity, audit);
  const now = deps.clock.now();
  const proven =
    provider.trustsMfa && identity.methods.includes('mfa') ? identity.authenticatedAt : null;
  const methods = [provider.protocol.kind, ...(proven === null ? [] : ['mfa'])];
  const through = { provider: provider.id, revision: provider.revision };
  const how = { methods, through, passwordRevision: null };
  const signIn = { mode, device: body.device ?? null, ...how };
  if (user.secondFactor && proven === null) {
    audit.note({ second_factor: 'asked for' });
    return askSecondFactor(deps, user, { ...signIn, knownDevice: null, known: true });
  }
  const secondFactorAt = proven === null ? null : Math.min(proven, now);
  const tokens = await openSession(deps, {
    user,
    ...signIn,
    client,
    secondFactorAt,
    deviceToken: null,
  });
  if (tokens === null) throw refused(audit, 'user_not_active');
  const of = { tenant: user.tenant, provider: provider.id };
  const used = { text: body.code, digest: digestOf(body.code) };
  await keep(deps, of, 'used', { session: tokens.session_id }, used, USED_MS);
  return tokens;
}

/** For who is signed in here: from now on they may come as whoever the code says, too. */
export async function linkIdentity(
  deps: SsoDeps,
  principal: Principal,
  body: Body<'linkIdentity'>,
  audit: AuditNotes,
): Promise<ResponseBody<'linkIdentity'>> {
  const user = signedIn(principal);
  requireFreshFactor(user, deps.clock.now());
  const { provider, identity } = await trade(deps, body, principal.tenant, audit);
  requireUsable(identity, audit);
  const { tenant } = provider;
  const linked = await deps.identities.link({
    tenant,
    provider: provider.id,
    subject: identity.subject,
    user: user.id,
    now: deps.clock.now(),
  });
  const whose = await deps.identities.find(tenant, provider.id, identity.subject);
  if (linked === 'taken' && whose !== user.id) {
    throw new CloudFlowError('CONFLICT', 'this identity is of another user');
  }
  audit.note({ identity: 'linked', provider: provider.name });
  return { provider: provider.name, kind: provider.protocol.kind };
}

/**
 * Uses a code up (F2, F3). `of`: the tenant of whoever calls, where that is known: a code of another is as
 * good as none, and nothing of the call is told there. Throws TOKEN_INVALID, SIGN_IN_REFUSED or
 * IDENTITY_PROVIDER_AWAY.
 */
async function trade(
  deps: SsoDeps,
  { code, code_verifier }: Body<'linkIdentity'>,
  of: string | null,
  audit: AuditNotes,
) {
  const signIn = await take(deps, 'answered', code);
  if (signIn === null) {
    await endIfUsed(deps, code, of, audit);
    throw gone();
  }
  if (of !== null && signIn.tenant !== of) throw gone();
  const { provider: name, challenge, result } = signIn.content;
  audit.know({ tenant: signIn.tenant });
  audit.note({ provider: name });
  const verified = createHash('sha256').update(code_verifier).digest();
  if (!timingSafeEqual(verified, Buffer.from(challenge, 'base64url'))) throw gone();
  const provider = await deps.providers.find(signIn.tenant, name);
  if (provider?.id !== signIn.provider || !provider.enabled) throw gone();
  if (result.kind === 'proven') return { provider, identity: result.identity };
  if (result.kind === 'refused') throw refused(audit, result.reason);
  audit.note({ reason: result.reason });
  throw away(deps, provider, result.reason);
}

async function endIfUsed(
  deps: SsoDeps,
  code: string,
  of: string | null,
  audit: AuditNotes,
): Promise<void> {
  const used = await take(deps, 'used', code);
  if (used === null || (of !== null && used.tenant !== of)) return;
  const { session } = used.content;
  audit.know({ tenant: used.tenant, target: `session:${session}` });
  audit.note({ code: 'reused', session: 'ended' });
  await deps.sessions.end(used.tenant, session, 'code_reused', deps.clock.now());
}

function away(
  { log }: Pick<SsoDeps, 'log'>,
  { tenant, protocol }: IdentityProviderRecord,
  reason: string,
): CloudFlowError {
  log.warn('IDENTITY_PROVIDER_AWAY', { tenant, kind: protocol.kind, reason });
  return new CloudFlowError(
    'IDENTITY_PROVIDER_AWAY',
    'the identity provider does not answer as it should; try again later',
  );
}
