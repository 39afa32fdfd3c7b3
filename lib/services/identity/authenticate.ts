import { LRUCache } from 'lru-cache';
import { CloudFlowError } from '#core/errors.ts';
import type { ApiKeys, CallingKey } from '#ports/api-keys.ts';
import type { Clock } from '#ports/clock.ts';
import type { SessionState, SessionStore } from '#ports/sessions.ts';
import type { TenantSettings } from '#ports/users.ts';
import type { AccessTokens } from './access-tokens.ts';
import { parseApiKey, sameDigest } from './api-key.ts';
import { permissionsOf } from './permissions-of.ts';
import type { Admission, Principal } from './principal.ts';
import { isGood, isGoodKey } from './ways-in.ts';

/** What was revoked, ended or taken away stops working everywhere within this time. */
const RECHECK_MS = 1_500;
/** When a key was last used is kept to the minute. */
const USED_EVERY_MS = 60_000;
const BEARER = /^Bearer ([\x21-\x7e]{1,8192})$/i;

/** `anew`: what is remembered of the caller for a moment is passed over. */
export type Authenticate = (
  authorization: string | undefined,
  how?: { readonly anew: boolean },
) => Promise<Principal>;

export interface AuthenticateDeps {
  readonly apiKeys: Pick<ApiKeys, 'find' | 'used'>;
  readonly sessions: Pick<SessionStore, 'state'>;
  readonly accessTokens: Pick<AccessTokens, 'verify'>;
  readonly clock: Clock;
}

/** Turns the Authorization header into a principal, or throws UNAUTHENTICATED. */
export function createAuthenticate(deps: AuthenticateDeps): Authenticate {
  const { clock } = deps;
  const keys = createRecheck(clock, (keyId) => deps.apiKeys.find(keyId));
  const sessions = createRecheck(clock, (key) => {
    const [tenant, session] = key.split(' ') as [string, string];
    return deps.sessions.state(tenant, session);
  });
  return async (authorization, { anew } = { anew: false }) => {
    if (authorization === undefined) {
      throw unauthenticated('send an API key or an access token: Authorization: Bearer ...');
    }
    const text = BEARER.exec(authorization)?.[1];
    if (text === undefined) throw unauthenticated('the credential is not a bearer token');
    // Keys have an underscore and no dot, tokens two dots.
    if (text.includes('.')) return withToken(deps, sessions, text, anew);
    return withKey(deps, keys, text, anew);
  };
}

async function withKey(
  { apiKeys, clock }: AuthenticateDeps,
  read: Recheck<CallingKey>,
  text: string,
  anew: boolean,
): Promise<Principal> {
  const given = parseApiKey(text);
  if (given === null) throw unauthenticated('the credential is neither an API key nor a token');
  const stored = await read(given.keyId, anew);
  // The digest is of the whole text, the mode in it too.
  // One answer for unknown, wrong, revoked and expired: none of them is the caller's to know.
  if (stored === null || !sameDigest(stored.digest, given.digest)) throw refused();
  const now = clock.now();
  if (!isGoodKey(stored, now)) throw refused();
  if (stored.lastUsedAt === null || now - stored.lastUsedAt >= USED_EVERY_MS) {
    await apiKeys.used(stored.tenant, stored.keyId, now);
    read.note(stored.keyId, { ...stored, lastUsedAt: now });
  }
  return {
    tenant: stored.tenant,
    mode: stored.mode,
    subject: `key:${stored.keyId}`,
    permissions: stored.scopes,
    workflows: stored.workflows,
    endsAt: stored.expiresAt,
    user: null,
    admission: admissionBy(stored.settings, stored.requestsPerMinute),
  };
}

async function withToken(
  { accessTokens, clock }: AuthenticateDeps,
  read: Recheck<SessionState>,
  text: string,
  anew: boolean,
): Promise<Principal> {
  const token = await accessTokens.verify(text);
  // The token says who signed in; what they may do is what holds now.
  const state = await read(`${token.tenant} ${token.session}`, anew);
  if (state === null || !isGood(state, clock.now())) throw refused();
  if (state.user !== token.user || state.mode !== token.mode) throw refused();
  return {
    tenant: token.tenant,
    mode: token.mode,
    subject: `user:${token.user}`,
    permissions: permissionsOf(state.roles, state.scopes),
    workflows: null,
    endsAt: null,
    user: {
      id: token.user,
      session: token.session,
      roles: state.roles,
      secondFactorAt: state.secondFactorAt,
      newest: state.newest,
      mfa: state.settings.mfa,
    },
    admission: admissionBy(state.settings, null),
  };
}

function admissionBy(settings: TenantSettings, caller: number | null): Admission {
  const { requests_per_minute, allowed_origins } = settings;
  return { perMinute: { caller, tenant: requests_per_minute }, origins: allowed_origins };
}

interface Recheck<T> {
  (key: string, anew: boolean): Promise<T | null>;
  note(key: string, value: T): void;
}

/** Reads at most once per key and RECHECK_MS, unless `anew`; callers at the same moment share a read. */
function createRecheck<T>(clock: Clock, find: (key: string) => Promise<T | null>): Recheck<T> {
  const known = new LRUCache<string, { readonly value: T; readonly readAt: number }>({
    max: 5_000,
  });
  const reading = new Map<string, Promise<T | null>>();
  const read = (key: string, anew: boolean): Promise<T | null> => {
    const cached = known.get(key);
    if (!anew && cached !== undefined && clock.monotonic() - cached.readAt < RECHECK_MS) {
      return Promise.resolve(cached.value);
    }
    let promise = reading.get(key);
    // One under way may have begun before what the caller has just been given.
    if (anew || promise === undefined) {
      const readAt = clock.monotonic();
      promise = find(key)
        .then((value) => {
          // What a later reading has seen stays.
          if ((known.get(key)?.readAt ?? readAt) > readAt) return value;
          if (value === null) known.delete(key);
          else known.set(key, { value, readAt });
          return value;
        })
        .finally(() => reading.delete(key));
      reading.set(key, promise);
    }
    return promise;
  };
  return Object.assign(read, {
    note(key: string, value: T) {
      const readAt = known.get(key)?.readAt;
      if (readAt !== undefined) known.set(key, { value, readAt });
    },
  });
}

function refused(): CloudFlowError {
  return unauthenticated('the credential is not valid');
}

function unauthenticated(message: string): CloudFlowError {
  return new CloudFlowError('UNAUTHENTICATED', message);
}
