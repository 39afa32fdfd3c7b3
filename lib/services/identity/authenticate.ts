import { LRUCache } from 'lru-cache';
import { CloudFlowError } from '#core/errors.ts';
import type { ApiKeys, StoredApiKey } from '#ports/api-keys.ts';
import type { Clock } from '#ports/clock.ts';
import { parseApiKey, sameDigest } from './api-key.ts';
import type { Principal } from './principal.ts';

/** A revoked key stops working everywhere within this time. */
const RECHECK_MS = 5_000;
const BEARER = /^Bearer ([\x21-\x7e]{1,256})$/i;

export type Authenticate = (authorization: string | undefined) => Promise<Principal>;

/** Turns the Authorization header into a principal, or throws UNAUTHENTICATED. */
export function createAuthenticate(deps: {
  readonly apiKeys: ApiKeys;
  readonly clock: Clock;
}): Authenticate {
  const known = new LRUCache<string, { readonly key: StoredApiKey; readonly readAt: number }>({
    max: 1_000,
  });
  const read = async (keyId: string): Promise<StoredApiKey | null> => {
    const cached = known.get(keyId);
    const now = deps.clock.monotonic();
    if (cached !== undefined && now - cached.readAt < RECHECK_MS) return cached.key;
    const key = await deps.apiKeys.find(keyId);
    if (key === null) known.delete(keyId);
    else known.set(keyId, { key, readAt: now });
    return key;
  };
  return async (authorization) => {
    if (authorization === undefined) {
      throw unauthenticated('send an API key: Authorization: Bearer cfk_...');
    }
    const given = parseApiKey(BEARER.exec(authorization)?.[1] ?? '');
    if (given === null) throw unauthenticated('the credential is not an API key');
    const stored = await read(given.keyId);
    // One answer for unknown, wrong, revoked and expired: none of them is the caller's to know.
    if (stored === null || !sameDigest(stored.digest, given.digest)) throw refused();
    if (stored.mode !== given.mode || stored.revokedAt !== null) throw refused();
    if (stored.expiresAt !== null && stored.expiresAt <= deps.clock.now()) throw refused();
    return {
      tenant: stored.tenant,
      mode: stored.mode,
      subject: `key:${stored.keyId}`,
      permissions: stored.scopes,
    };
  };
}

function refused(): CloudFlowError {
  return unauthenticated('the API key is not valid');
}

function unauthenticated(message: string): CloudFlowError {
  return new CloudFlowError('UNAUTHENTICATED', message);
}
