import { timingSafeEqual } from 'node:crypto';
import type { Params } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Secret } from '#core/secret.ts';
import type {
  IdentityProviderRecord,
  Kept,
  Proven,
  ProviderAnswer,
  SignInAt,
  SignInFailure,
} from '#ports/identity-providers.ts';
import type { AuditNotes } from '../audit/auditor.ts';
import { digestOf } from '../identity/proof-token.ts';
import { notFound } from '../shared/problems.ts';
import { cookieOf, forgetCookie } from './browser.ts';
import { callbackUrl, type FinishDeps, type SamlDeps, type SsoDeps } from './deps.ts';
import { keep, newToken, take } from './under-way.ts';

/**
 * What came back from a provider, by a query or by the form of SAML (flow.ts says how it goes on). Each kind
 * is taken at its own address alone.
 */
const ANSWERED_MS = 60_000;

export interface Redirect {
  readonly location: string;
  readonly cookie: string;
}

/** `cookies`: the header, as the browser sent it. */
export function finishSignIn(
  deps: FinishDeps & Pick<SsoDeps, 'protocols' | 'secrets'>,
  params: Params<'finishSignIn'>,
  answer: ProviderAnswer,
  cookies: string | null,
  audit: AuditNotes,
): Promise<Redirect> {
  return finish(deps, params, answer, cookies, audit, async (provider, state, kept) => {
    const { protocol: spec } = provider;
    if (spec.kind === 'saml') throw gone();
    const secret = await secretOf(deps, provider);
    const at = signInAt(deps, params.tenant, provider, { secret, state });
    return deps.protocols[spec.kind].finish(at as never, kept, answer);
  });
}

/** The same for the form that a browser posts. */
export function finishSamlSignIn(
  deps: SamlDeps,
  params: Params<'finishSamlSignIn'>,
  answer: ProviderAnswer,
  cookies: string | null,
  audit: AuditNotes,
): Promise<Redirect> {
  return finish(deps, params, answer, cookies, audit, async (provider, state, kept) => {
    const { protocol } = provider;
    if (protocol.kind !== 'saml') throw gone();
    const at = signInAt(deps, params.tenant, provider, { secret: null, state });
    return deps.saml.finish({ ...at, protocol }, kept, answer);
  });
}

/** For whoever sets a provider up: what it reads to know us. */
export async function getSamlMetadata(
  deps: Pick<SamlDeps, 'tenants' | 'providers' | 'issuer' | 'saml'>,
  params: Params<'getSamlMetadata'>,
): Promise<string> {
  const provider = await providerOf(deps, params);
  if (provider?.protocol.kind !== 'saml') throw notFound('identity provider');
  return deps.saml.metadata(callbackUrl(deps, params.tenant, provider));
}

async function finish(
  deps: FinishDeps,
  params: Params<'finishSignIn'>,
  { state = '' }: ProviderAnswer,
  cookies: string | null,
  audit: AuditNotes,
  prove: (
    provider: IdentityProviderRecord,
    state: string,
    kept: Kept,
  ) => Promise<Proven | SignInFailure>,
): Promise<Redirect> {
  const signIn = await take(deps, 'begun', state);
  if (signIn === null) throw gone();
  audit.know({ tenant: signIn.tenant });
  const provider = await providerOf(deps, params);
  if (provider?.id !== signIn.provider || provider.tenant !== signIn.tenant) throw gone();
  const { kept, returnTo, challenge, clientState, browser } = signIn.content;
  const digest = digestOf(state);
  const shown = digestOf(cookieOf(digest, cookies) ?? '');
  if (!timingSafeEqual(shown, Buffer.from(browser, 'hex'))) throw gone();

  const result = await prove(provider, state, kept);
  audit.note({ provider: provider.name, sign_in: result.kind });
  if (result.kind !== 'proven') audit.note({ reason: result.reason });
  const code = newToken(deps, 'cfo');
  const of = { tenant: provider.tenant, provider: provider.id };
  const content = { provider: provider.name, challenge, result };
  await keep(deps, of, 'answered', content, code, ANSWERED_MS);
  const target = new URL(returnTo);
  target.searchParams.set('code', code.text);
  if (clientState !== null) target.searchParams.set('state', clientState);
  return { location: target.href, cookie: forgetCookie(digest, provider.protocol.kind) };
}

/** Null: no such tenant, no such provider, or nobody signs in through it now. */
export async function providerOf(
  deps: Pick<SsoDeps, 'tenants' | 'providers'>,
  params: Params<'beginSignIn'>,
): Promise<IdentityProviderRecord | null> {
  const tenant = await deps.tenants.findBySlug(params.tenant);
  const found = tenant === null ? null : await deps.providers.find(tenant, params.provider);
  return found?.enabled === true ? found : null;
}

/** Null: it has none. */
export async function secretOf(
  deps: Pick<SsoDeps, 'secrets'>,
  { tenant, secret }: IdentityProviderRecord,
): Promise<Secret | null> {
  return secret === null ? null : deps.secrets.get({ tenant, mode: 'live', name: secret });
}

export function signInAt(
  deps: Pick<SsoDeps, 'issuer'>,
  slug: string,
  provider: IdentityProviderRecord,
  { secret, state }: Pick<SignInAt, 'secret' | 'state'>,
): SignInAt {
  const { tenant, protocol, trustsMfa } = provider;
  const back = callbackUrl(deps, slug, provider);
  return { tenant, protocol, secret, callbackUrl: back, state, trustsMfa };
}

export function gone(): CloudFlowError {
  return new CloudFlowError('TOKEN_INVALID', 'this sign-in has expired or was used; begin again');
}
