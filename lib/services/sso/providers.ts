import { X509Certificate } from 'node:crypto';
import type { Body, Query, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError, type Problem } from '#core/errors.ts';
import { addressesOf, authorityOf, needsSecret, type Protocol } from '#core/identity-providers.ts';
import { Secret } from '#core/secret.ts';
import type { IdentityProviderRecord } from '#ports/identity-providers.ts';
import type { Principal } from '../identity/principal.ts';
import type { Cursors } from '../shared/cursor.ts';
import { changed, etagOf, requireMatch } from '../shared/etag.ts';
import { iso, presentAge } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import type { Tagged } from '../shared/tagged.ts';
import { requireGrantable } from '../users/grantable.ts';
import { callbackUrl, type SsoDeps } from './deps.ts';
import { administer } from './sign-in-externally.ts';

export interface ProviderDeps extends SsoDeps {
  readonly cursors: Cursors;
}

const MIN_RSA_BITS = 2_048;

type ProviderBody = ResponseBody<'getIdentityProvider'>;

export async function createIdentityProvider(
  deps: ProviderDeps,
  principal: Principal,
  body: Body<'createIdentityProvider'>,
): Promise<Tagged<ProviderBody>> {
  const { tenant } = principal;
  await requireSound(deps, principal, body);
  if ((await deps.providers.find(tenant, body.name)) !== null) throw taken(body.name);
  const secret = await keepSecret(deps, tenant, body, null);
  const now = deps.clock.now();
  const provider = { tenant, id: deps.ids.next(now), name: body.name, ...settingsOf(body), secret };
  const made = await deps.providers.create(provider, now);
  if (made === 'taken') throw taken(body.name);
  return present(deps, made);
}

export async function listIdentityProviders(
  deps: ProviderDeps,
  principal: Principal,
  query: Query<'listIdentityProviders'>,
): Promise<ResponseBody<'listIdentityProviders'>> {
  const scope = { principal, operation: 'listIdentityProviders' };
  const page = await deps.providers.list(principal.tenant, deps.cursors.request(scope, query));
  const slug = await slugOf(deps, principal.tenant);
  return deps.cursors.page(scope, query, page, (record) => bodyOf(deps, slug, record));
}

export async function getIdentityProvider(
  deps: ProviderDeps,
  principal: Principal,
  name: string,
): Promise<Tagged<ProviderBody>> {
  return present(deps, await requireProvider(deps, principal, name));
}

export async function updateIdentityProvider(
  deps: ProviderDeps,
  principal: Principal,
  name: string,
  body: Body<'updateIdentityProvider'>,
  ifMatch: string | null,
): Promise<Tagged<ProviderBody>> {
  const current = await requireProvider(deps, principal, name);
  requireMatch(ifMatch, etagOf(current));
  if (body.protocol.kind !== current.protocol.kind) {
    throw new CloudFlowError(
      'CONFLICT',
      `identity provider '${name}' is of kind ${current.protocol.kind}; make another one for ${body.protocol.kind}`,
    );
  }
  await requireSound(deps, principal, body);
  const secret = await keepSecret(deps, principal.tenant, body, current);
  const answer = await deps.providers.replace(
    { tenant: current.tenant, id: current.id, name, ...settingsOf(body), secret },
    current.revision,
    authorityOf(body.protocol) !== authorityOf(current.protocol),
    deps.clock.now(),
  );
  if (answer.kind === 'replaced') return present(deps, answer.record);
  throw answer.kind === 'changed' ? changed() : notFound('identity provider');
}

export async function deleteIdentityProvider(
  deps: ProviderDeps,
  principal: Principal,
  name: string,
  ifMatch: string | null,
): Promise<void> {
  const current = await requireProvider(deps, principal, name);
  requireMatch(ifMatch, etagOf(current));
  const { tenant, id, revision } = current;
  const answer = await deps.providers.remove(tenant, id, revision, deps.clock.now());
  if (answer === 'not_found') throw notFound('identity provider');
  if (answer === 'changed') throw changed();
}

function settingsOf(body: Body<'updateIdentityProvider'>) {
  return {
    enabled: body.enabled,
    protocol: body.protocol,
    emailDomains: body.email_domains,
    defaultRoles: body.default_roles,
    trustsMfa: body.trusts_mfa,
  };
}

/** What the shapes cannot say. Throws IDENTITY_PROVIDER_INVALID, ROLE_INVALID or PERMISSION_DENIED. */
async function requireSound(
  deps: ProviderDeps,
  principal: Principal,
  body: Body<'updateIdentityProvider'>,
): Promise<void> {
  const roles = body.default_roles ?? [];
  await requireGrantable(deps, principal, roles, '/body/default_roles');
  const administering = (await administer(deps, principal.tenant, roles)) ? [ADMINISTERING] : [];
  const { protocol } = body;
  refuse([...administering, ...addressProblems(deps, protocol), ...certificateProblems(protocol)]);
}

const ADMINISTERING = problem(
  '/body/default_roles',
  'let whoever the provider brings along change who may do what, and no provider makes an administrator',
  'roles without permissions that are administrative (GET /api/v1/permissions); give those to users by name',
);

function addressProblems(deps: ProviderDeps, protocol: Protocol): Problem[] {
  return addressesOf(protocol).flatMap(([name, text]) => {
    const url = URL.parse(text);
    if (url !== null && (url.protocol === 'https:' || deps.mayBePlain(url))) return [];
    return [
      problem(`/body/protocol/${name}`, 'is no address that is reached over TLS', 'https://...'),
    ];
  });
}

/** What signs answers of SAML must be able to, whether its time has come or not. */
function certificateProblems(protocol: Protocol): Problem[] {
  if (protocol.kind !== 'saml') return [];
  return protocol.certificates.flatMap((pem, at) => {
    if (isSigningCertificate(pem)) return [];
    const pointer = `/body/protocol/certificates/${at}`;
    return [problem(pointer, 'cannot sign answers', 'a certificate of RSA with 2048 bits or more')];
  });
}

function isSigningCertificate(pem: string): boolean {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = new X509Certificate(pem)
      .publicKey;
    return type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS;
  } catch {
    return false; // not a certificate at all
  }
}

/**
 * Stores the secret that was given, under a name that is used once and was announced before, as secrets
 * of connections are; answers where the one in force is kept.
 */
async function keepSecret(
  deps: ProviderDeps,
  tenant: string,
  { protocol, client_secret: given }: Body<'updateIdentityProvider'>,
  before: IdentityProviderRecord | null,
): Promise<string | null> {
  if (!needsSecret(protocol)) {
    if (given === undefined) return null;
    refuse([problem('/body/client_secret', 'is not sent to this provider', 'no secret')]);
  }
  if (given === undefined) {
    const stays = before?.secret ?? null;
    if (before !== null && stays !== null) {
      if (authorityOf(before.protocol) === authorityOf(protocol)) return stays;
    }
    refuse([
      problem('/body/client_secret', 'is missing: it was given for nobody yet, or for another'),
    ]);
  }
  const now = deps.clock.now();
  const name = `s-${deps.ids.next(now)}`;
  await deps.providers.announceSecret(tenant, name, now);
  await deps.secrets.put({ tenant, mode: 'live', name }, new Secret(given as string));
  return name;
}

function problem(pointer: string, message: string, allowed?: string): Problem {
  const code = 'IDENTITY_PROVIDER_INVALID';
  return { code, pointer, message, ...(allowed === undefined ? {} : { allowed }) };
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  throw new CloudFlowError('IDENTITY_PROVIDER_INVALID', 'the identity provider is not sound', {
    problems,
  });
}

async function requireProvider(
  deps: ProviderDeps,
  { tenant }: Principal,
  name: string,
): Promise<IdentityProviderRecord> {
  const found = await deps.providers.find(tenant, name);
  if (found === null) throw notFound('identity provider');
  return found;
}

function taken(name: string): CloudFlowError {
  return new CloudFlowError('CONFLICT', `identity provider '${name}' exists`);
}

async function slugOf(deps: ProviderDeps, tenant: string): Promise<string> {
  const found = await deps.tenants.find(tenant);
  if (found === null) throw new TypeError('the tenant of a caller is gone');
  return found.slug;
}

async function present(
  deps: ProviderDeps,
  record: IdentityProviderRecord,
): Promise<Tagged<ProviderBody>> {
  return { etag: etagOf(record), body: bodyOf(deps, await slugOf(deps, record.tenant), record) };
}

function bodyOf(deps: ProviderDeps, slug: string, record: IdentityProviderRecord): ProviderBody {
  const age = presentAge(record.secret ?? undefined);
  return {
    provider_id: record.id,
    name: record.name,
    enabled: record.enabled,
    protocol: record.protocol,
    email_domains: [...record.emailDomains],
    default_roles: record.defaultRoles === null ? null : [...record.defaultRoles],
    trusts_mfa: record.trustsMfa,
    has_secret: record.secret !== null,
    secret_set_at: age.set_at,
    secret_turn_by: age.turn_by,
    callback_url: callbackUrl(deps, slug, record),
    created_at: iso(record.createdAt),
    updated_at: iso(record.updatedAt),
  };
}
