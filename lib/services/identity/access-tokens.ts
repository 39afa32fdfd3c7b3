import { createHash } from 'node:crypto';
import { importJWK, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { CloudFlowError } from '#core/errors.ts';
import type { Clock } from '#ports/clock.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { PublishedKey, SigningKeys } from '#ports/signing-keys.ts';

/**
 * Access tokens (RFC 9068). Fixed algorithm, issuer, audience and type; a key is found by `kid` among
 * our own and nowhere else, so whatever a header says of keys is not even read.
 */
export interface AccessTokens {
  issue(claims: TokenClaims): Promise<{ readonly text: string; readonly expiresIn: number }>;
  /** Throws UNAUTHENTICATED. What the token says may be older than what holds: see `authenticate`. */
  verify(text: string): Promise<VerifiedToken>;
}

export interface TokenClaims {
  readonly tenant: string;
  readonly mode: Mode;
  readonly user: string;
  readonly session: string;
  readonly email: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly methods: readonly string[];
  /** When the user last proved who they are. */
  readonly authenticatedAt: number;
}

export interface VerifiedToken {
  readonly tenant: string;
  readonly mode: Mode;
  readonly user: string;
  readonly session: string;
}

export const ACCESS_TOKEN_SECONDS = 900;
export const AUDIENCE = 'cloudflow-api';
const TYPE = 'at+jwt';
const ALGORITHM = 'RS256';
const MAX_BYTES = 8_192;
/** An unknown `kid` may be a new key of ours; floods of them must not make floods of look-ups. */
const REFRESH_KEYS_MS = 30_000;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const REFUSED_HEADERS = ['jwk', 'jku', 'x5u', 'x5c', 'crit'] as const;
const REQUIRED_CLAIMS = ['iss', 'aud', 'sub', 'jti', 'exp', 'iat', 'tenant_id', 'sid', 'mode'];

type PublicKey = Awaited<ReturnType<typeof importJWK>>;

export function createAccessTokens(deps: {
  readonly keys: SigningKeys;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly issuer: () => string;
}): AccessTokens {
  const known = new Map<string, PublicKey>();
  /** Tokens whose signature was checked, by digest: what is left to look at is their end. */
  const checked = new LRUCache<string, { readonly token: VerifiedToken; readonly until: number }>({
    max: 10_000,
  });
  /** In real time, and in business time, which a movable clock takes past a rotation in an instant. */
  let keysReadAt = { real: Number.NEGATIVE_INFINITY, business: 0 };
  let reading: Promise<void> | null = null;

  const readKeys = async (): Promise<void> => {
    const published = await deps.keys.published();
    known.clear();
    for (const key of published) known.set(key.kid, await toPublicKey(key));
    keysReadAt = { real: deps.clock.monotonic(), business: deps.clock.now() };
  };
  const keyOf = async (kid: string): Promise<PublicKey | null> => {
    const { real, business } = keysReadAt;
    if (
      deps.clock.monotonic() - real > REFRESH_KEYS_MS ||
      deps.clock.now() - business > REFRESH_KEYS_MS
    ) {
      reading ??= readKeys().finally(() => {
        reading = null;
      });
      await reading;
    }
    return known.get(kid) ?? null;
  };

  return {
    async issue(claims) {
      const key = await deps.keys.current();
      const now = Math.floor(deps.clock.now() / 1_000);
      const payload = {
        iss: deps.issuer(),
        aud: AUDIENCE,
        sub: claims.user,
        jti: deps.newId(),
        iat: now,
        exp: now + ACCESS_TOKEN_SECONDS,
        user_id: claims.user,
        email: claims.email,
        tenant_id: claims.tenant,
        mode: claims.mode,
        sid: claims.session,
        roles: claims.roles,
        permissions: claims.permissions,
        amr: claims.methods,
        auth_time: Math.floor(claims.authenticatedAt / 1_000),
      };
      const head = encode({ alg: ALGORITHM, typ: TYPE, kid: key.kid });
      const signed = `${head}.${encode(payload)}`;
      const signature = await key.sign(Buffer.from(signed));
      return {
        text: `${signed}.${Buffer.from(signature).toString('base64url')}`,
        expiresIn: ACCESS_TOKEN_SECONDS,
      };
    },

    async verify(text) {
      if (text.length > MAX_BYTES) throw refused();
      const digest = createHash('sha256').update(text).digest('base64url');
      const seen = checked.get(digest);
      if (seen !== undefined) {
        if (seen.until > deps.clock.now()) return seen.token;
        checked.delete(digest);
        throw refused();
      }
      if (!text.split('.').every(isCanonical)) throw refused();
      let payload: JWTPayload;
      try {
        const verified = await jwtVerify(
          text,
          async (header) => {
            if (REFUSED_HEADERS.some((name) => name in header)) throw refused();
            const key = typeof header.kid === 'string' ? await keyOf(header.kid) : null;
            if (key === null) throw refused();
            return key;
          },
          {
            algorithms: [ALGORITHM],
            typ: TYPE,
            issuer: deps.issuer(),
            audience: AUDIENCE,
            requiredClaims: REQUIRED_CLAIMS,
            currentDate: new Date(deps.clock.now()),
          },
        );
        payload = verified.payload;
      } catch (error) {
        // Ours to tell apart: a key store that is away is no forged token.
        if (isForgery(error)) throw refused();
        throw error;
      }
      const token = readClaims(payload);
      if (token === null) throw refused();
      checked.set(digest, { token, until: (payload.exp ?? 0) * 1_000 });
      return token;
    },
  };
}

/**
 * Whether a part is the one text of its bytes. Decoders take padding, the other alphabet and spare bits as
 * well, and a token that has many texts is one that nobody can find again.
 */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}

function isForgery(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  return (
    error.name === 'CloudFlowError' ||
    (error as { code?: string }).code?.startsWith('ERR_J') === true
  );
}

/** What was signed by us has these shapes; another shape is a bug or a forgery, and refused alike. */
function readClaims(payload: JWTPayload): VerifiedToken | null {
  const { tenant_id: tenant, sub: user, sid: session, mode, aud, jti } = payload;
  const ids = [tenant, user, session];
  if (!ids.every((id): id is string => typeof id === 'string' && UUID.test(id))) return null;
  if (mode !== 'live' && mode !== 'test') return null;
  if (aud !== AUDIENCE || typeof jti !== 'string') return null;
  return { tenant: tenant as string, user: user as string, session: session as string, mode };
}

function toPublicKey({ n, e }: PublishedKey): Promise<PublicKey> {
  return importJWK({ kty: 'RSA', n, e, alg: ALGORITHM, use: 'sig' }, ALGORITHM);
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function refused(): CloudFlowError {
  return new CloudFlowError('UNAUTHENTICATED', 'the access token is not valid');
}
