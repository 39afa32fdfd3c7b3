import type { Scope } from '#contract/permissions.ts';
import type { Body, Query, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ApiKeys, StoredApiKey } from '#ports/api-keys.ts';
import type { Clock } from '#ports/clock.ts';
import type { Mode } from '#ports/execution-store.ts';
import { createApiKey as create } from '../identity/create-api-key.ts';
import type { Principal } from '../identity/principal.ts';
import type { Cursors } from '../shared/cursor.ts';
import { iso, isoOrNull } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';
import { requireCovered } from './grantable.ts';

export interface ApiKeyDeps {
  readonly apiKeys: ApiKeys;
  readonly clock: Clock;
  readonly cursors: Cursors;
  readonly randomBytes: (count: number) => Uint8Array;
}

const DEFAULT_OVERLAP_SECONDS = 86_400;

export async function createApiKey(
  deps: ApiKeyDeps,
  principal: Principal,
  body: Body<'createApiKey'>,
): Promise<ResponseBody<'createApiKey'>> {
  requireMode(principal, body.mode);
  requireCovered(principal, body.scopes);
  const workflows = body.workflows ?? null;
  requireWorkflows(principal, workflows);
  const expiresAt = body.expires_at === undefined ? null : Date.parse(body.expires_at);
  requireEnd(principal, expiresAt);
  if (expiresAt !== null && expiresAt <= deps.clock.now()) {
    throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
      problems: [
        {
          code: 'REQUEST_INVALID',
          pointer: '/body/expires_at',
          message: 'is past',
          given: JSON.stringify(body.expires_at),
          allowed: 'an instant to come',
        },
      ],
    });
  }
  const { text, key } = await create(deps, {
    tenant: principal.tenant,
    mode: body.mode,
    name: body.name,
    scopes: body.scopes,
    workflows,
    requestsPerMinute: rateFor(principal, body.requests_per_minute ?? null),
    expiresAt,
  });
  return { api_key: text, key: present(key) };
}

export async function listApiKeys(
  deps: ApiKeyDeps,
  principal: Principal,
  query: Query<'listApiKeys'>,
): Promise<ResponseBody<'listApiKeys'>> {
  const scope = { principal, operation: 'listApiKeys' };
  const page = await deps.apiKeys.list(
    principal.tenant,
    { mode: principal.mode === 'test' ? 'test' : null, workflows: principal.workflows },
    deps.cursors.request(scope, query),
  );
  return deps.cursors.page(scope, query, page, present);
}

export async function getApiKey(
  deps: ApiKeyDeps,
  principal: Principal,
  keyId: string,
): Promise<ResponseBody<'getApiKey'>> {
  return present(await requireKey(deps, principal, keyId));
}

/** The new key may do what the old one may, which goes on for the overlap so that nothing stops. */
export async function rotateApiKey(
  deps: ApiKeyDeps,
  principal: Principal,
  keyId: string,
  body: Body<'rotateApiKey'>,
): Promise<ResponseBody<'rotateApiKey'>> {
  const old = await requireKey(deps, principal, keyId);
  const now = deps.clock.now();
  if (old.revokedAt !== null || (old.expiresAt !== null && old.expiresAt <= now)) {
    throw new CloudFlowError('CONFLICT', 'the key is over; create another');
  }
  requireCovered(principal, old.scopes);
  requireWorkflows(principal, old.workflows);
  requireRate(principal, old.requestsPerMinute);
  requireEnd(principal, old.expiresAt);
  const { text, key } = await create(deps, {
    tenant: old.tenant,
    mode: old.mode,
    name: old.name,
    // They were checked when the old key was made.
    scopes: old.scopes as readonly Scope[],
    workflows: old.workflows,
    requestsPerMinute: old.requestsPerMinute,
    expiresAt: old.expiresAt,
  });
  const overlap = (body.overlap_seconds ?? DEFAULT_OVERLAP_SECONDS) * 1_000;
  await deps.apiKeys.endBy(old.tenant, old.keyId, now + overlap);
  return { api_key: text, key: present(key) };
}

export async function revokeApiKey(
  deps: ApiKeyDeps,
  principal: Principal,
  keyId: string,
): Promise<void> {
  const key = await requireKey(deps, principal, keyId);
  await deps.apiKeys.revoke(key.tenant, key.keyId, deps.clock.now());
}

/** A credential of mode test sees no keys of mode live, one for certain workflows none for others. */
async function requireKey(
  deps: ApiKeyDeps,
  principal: Principal,
  keyId: string,
): Promise<StoredApiKey> {
  const key = await deps.apiKeys.get(principal.tenant, keyId);
  if (key === null || (principal.mode === 'test' && key.mode === 'live')) throw notFound('key');
  if (!mayMake(principal, key.workflows)) throw notFound('key');
  return key;
}

function requireMode(principal: Principal, mode: Mode): void {
  if (principal.mode === 'live' || mode === 'test') return;
  throw new CloudFlowError('PERMISSION_DENIED', 'a credential of mode test makes test keys only');
}

/** A key for some workflows makes keys for some of them. */
function requireWorkflows(principal: Principal, wanted: readonly string[] | null): void {
  if (mayMake(principal, wanted)) return;
  throw new CloudFlowError(
    'PERMISSION_DENIED',
    'this allows more workflows than you may touch yourself',
  );
}

function mayMake({ workflows }: Principal, wanted: readonly string[] | null): boolean {
  return workflows === null || wanted?.every((id) => workflows.includes(id)) === true;
}

/** A key with a limit of its own makes keys with no higher one; where none is named, with its own. */
function rateFor(principal: Principal, wanted: number | null): number | null {
  const rate = wanted ?? principal.admission.perMinute.caller;
  requireRate(principal, rate);
  return rate;
}

function requireRate({ admission }: Principal, wanted: number | null): void {
  const own = admission.perMinute.caller;
  if (own === null || (wanted !== null && wanted <= own)) return;
  throw new CloudFlowError(
    'PERMISSION_DENIED',
    `this allows ${wanted ?? 'any number of'} requests a minute, and you may make ${own} yourself`,
  );
}

/** A key that ends makes keys that end no later. */
function requireEnd({ endsAt }: Principal, wanted: number | null): void {
  if (endsAt === null || (wanted !== null && wanted <= endsAt)) return;
  throw new CloudFlowError(
    'PERMISSION_DENIED',
    `this would outlive you, who may call until ${iso(endsAt)}; name an end (expires_at) by then`,
  );
}

function present(key: StoredApiKey): ResponseBody<'getApiKey'> {
  return {
    key_id: key.keyId,
    name: key.name,
    mode: key.mode,
    scopes: [...key.scopes],
    workflows: key.workflows === null ? null : [...key.workflows],
    requests_per_minute: key.requestsPerMinute,
    created_at: iso(key.createdAt),
    expires_at: isoOrNull(key.expiresAt),
    last_used_at: isoOrNull(key.lastUsedAt),
    revoked_at: isoOrNull(key.revokedAt),
  };
}
