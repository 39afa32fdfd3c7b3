import { LRUCache } from 'lru-cache';
import * as client from 'openid-client';
import type { OidcProtocol } from '#core/identity-providers.ts';
import type { Json } from '#core/json.ts';
import type { Clock } from '#ports/clock.ts';
import type { Http } from '#ports/http.ts';
import type { Proven, SignInAt, SignInProtocol } from '#ports/identity-providers.ts';
import { answered, Refused } from './failure.ts';
import { providerFetch, REQUEST_SECONDS } from './provider-fetch.ts';

export interface OpenIdDeps {
  /** Behind the egress guard. */
  readonly http: Http;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Hosts and ports that the operator opened, where http will do. */
  readonly mayBePlain: (url: URL) => boolean;
}

/** How long a discovery document is taken from memory. */
const DISCOVERED_MS = 600_000;
const MOST_DISCOVERED = 200;
const TOLERANCE_SECONDS = 30;
/** How recent a second factor must be that counts here, in seconds. */
const MFA_MAX_AGE = 1_800;
const DEFAULT_SCOPES = ['openid', 'email', 'profile'];

interface Discovered {
  readonly metadata: client.ServerMetadata;
  readonly at: number;
  keys: ReturnType<typeof client.getJwksCache>;
}

/**
 * OpenID Connect by discovery: authorization code with PKCE (S256), state, nonce and the issuer of the
 * answer (RFC 9207), and an ID token whose signature is checked besides, by the one algorithm that the
 * tenant named.
 */
export function createOidc(deps: OpenIdDeps): SignInProtocol<'oidc'> {
  const discovered = new LRUCache<string, Discovered>({ max: MOST_DISCOVERED });

  async function discover(at: SignInAt<'oidc'>): Promise<Discovered> {
    const { issuer } = at.protocol;
    const key = `${at.tenant} ${issuer}`;
    const now = deps.clock.monotonic();
    const known = discovered.get(key);
    if (known !== undefined && now - known.at < DISCOVERED_MS) return known;
    const found = await client.discovery(
      new URL(issuer),
      at.protocol.client_id,
      undefined,
      undefined,
      {
        [client.customFetch]: providerFetch(deps.http, at.tenant),
        timeout: REQUEST_SECONDS,
        execute: deps.mayBePlain(new URL(issuer)) ? [client.allowInsecureRequests] : [],
      },
    );
    const metadata = soundMetadata(found.serverMetadata(), issuer);
    requireReachable(deps, metadata.authorization_endpoint);
    const fresh = { metadata, at: now, keys: undefined };
    discovered.set(key, fresh);
    return fresh;
  }

  async function configure(at: SignInAt<'oidc'>) {
    const { protocol, secret } = at;
    const found = await discover(at);
    const config = new client.Configuration(
      found.metadata,
      protocol.client_id,
      {
        id_token_signed_response_alg: protocol.id_token_alg ?? 'RS256',
        // The library reads the time of the machine: it is told how far ours is from it.
        [client.clockSkew]: Math.round((deps.clock.now() - Date.now()) / 1_000),
        [client.clockTolerance]: TOLERANCE_SECONDS,
      },
      clientAuth(protocol.client_auth, secret?.reveal()),
    );
    config[client.customFetch] = providerFetch(deps.http, at.tenant);
    config.timeout = REQUEST_SECONDS;
    if (deps.mayBePlain(new URL(protocol.issuer))) client.allowInsecureRequests(config);
    client.enableNonRepudiationChecks(config);
    if (found.keys !== undefined) client.setJwksCache(config, found.keys);
    const keepKeys = () => {
      found.keys = client.getJwksCache(config);
    };
    return { config, keepKeys };
  }

  return {
    begin: (at) =>
      answered(async () => {
        const { config } = await configure(at);
        const verifier = random(deps);
        const nonce = random(deps);
        const location = client.buildAuthorizationUrl(config, {
          response_type: 'code',
          redirect_uri: at.callbackUrl,
          scope: scopesOf(at.protocol).join(' '),
          state: at.state,
          nonce,
          code_challenge: await client.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
          ...(at.trustsMfa ? { max_age: String(MFA_MAX_AGE) } : {}),
        });
        return { kind: 'begun', location: location.href, kept: { verifier, nonce } };
      }),

    finish: (at, kept, answer) =>
      answered(async () => {
        const { config, keepKeys } = await configure(at);
        const tokens = await client.authorizationCodeGrant(config, returned(at, answer), {
          expectedState: at.state,
          expectedNonce: kept['nonce'] ?? '',
          pkceCodeVerifier: kept['verifier'] ?? '',
          idTokenExpected: true,
          ...(at.trustsMfa ? { maxAge: MFA_MAX_AGE } : {}),
        });
        keepKeys();
        const claims = tokens.claims();
        if (claims === undefined) throw new Refused('no_id_token');
        // The library asks only where there are several audiences.
        if (claims.azp !== undefined && claims.azp !== at.protocol.client_id) {
          throw new Refused('authorized_party_differs');
        }
        const asks = claims['email'] === undefined && config.serverMetadata().userinfo_endpoint;
        const more = asks
          ? await client.fetchUserInfo(config, tokens.access_token, claims.sub)
          : undefined;
        // JSON, under a type of the library's own.
        return proven(at.protocol, claims as Claims, (more ?? {}) as Claims);
      }),
  };
}

/** Of a discovery document, what is used and no more: the rest of it is nothing to the library. */
function soundMetadata(
  found: Readonly<Record<string, unknown>>,
  issuer: string,
): client.ServerMetadata {
  // Letter by letter, where the library forgives a slash or a placeholder.
  if (found['issuer'] !== issuer) throw new Refused('issuer_differs');
  const text = (name: string): string => {
    const value = found[name];
    if (typeof value !== 'string') throw new Refused('discovery_unsound');
    return value;
  };
  const says = found['authorization_response_iss_parameter_supported'] === true;
  return {
    issuer,
    authorization_endpoint: text('authorization_endpoint'),
    token_endpoint: text('token_endpoint'),
    jwks_uri: text('jwks_uri'),
    ...(found['userinfo_endpoint'] === undefined
      ? {}
      : { userinfo_endpoint: text('userinfo_endpoint') }),
    ...(says ? { authorization_response_iss_parameter_supported: true } : {}),
  };
}

/** What came back, at the address that it came back to. */
export function returned(
  { callbackUrl }: Pick<SignInAt, 'callbackUrl'>,
  answer: Readonly<Record<string, string>>,
): URL {
  const url = new URL(callbackUrl);
  for (const [name, value] of Object.entries(answer)) url.searchParams.append(name, value);
  return url;
}

export function clientAuth(
  how: OidcProtocol['client_auth'],
  secret: string | undefined,
): client.ClientAuth {
  if (how === 'none') return client.None();
  if (secret === undefined) throw new Refused('client_secret_gone');
  return how === 'client_secret_basic'
    ? client.ClientSecretBasic(secret)
    : client.ClientSecretPost(secret);
}

/** 256 random bits, as PKCE wants its verifier. */
export function random({ randomBytes }: Pick<OpenIdDeps, 'randomBytes'>): string {
  return Buffer.from(randomBytes(32)).toString('base64url');
}

/** A browser is sent there: to a web address over TLS, and never to a script. */
export function requireReachable(
  { mayBePlain }: Pick<OpenIdDeps, 'mayBePlain'>,
  address: string | undefined,
): void {
  const url = address === undefined ? null : URL.parse(address);
  if (url === null || !(url.protocol === 'https:' || mayBePlain(url))) {
    throw new Refused('authorization_endpoint_unsound');
  }
}

function scopesOf({ scopes }: OidcProtocol): readonly string[] {
  return [...new Set(['openid', ...(scopes ?? DEFAULT_SCOPES)])];
}

type Claims = Readonly<Record<string, Json | undefined>>;

/**
 * `claims`: of the ID token, which alone says when and how. `more`: of the user-info endpoint, asked where
 * the token names no address; whether one is verified is then for that answer to say, and not for the token.
 */
function proven(protocol: OidcProtocol, claims: Claims, more: Claims): Proven {
  const { amr, auth_time } = claims;
  const about = claims['email'] === undefined ? more : claims;
  return {
    kind: 'proven',
    identity: {
      subject: String(claims['sub']),
      email: textOf(about['email']),
      emailVerified: about['email_verified'] === true || isVerifiedByEntra(protocol, about),
      name: textOf(claims['name']) ?? textOf(more['name']),
      methods: Array.isArray(amr) ? amr.filter((each) => typeof each === 'string') : [],
      authenticatedAt: typeof auth_time === 'number' ? auth_time * 1_000 : null,
    },
  };
}

/** Entra has a claim of its own for it, which a tenant must ask for: whether the domain's owner is verified. */
function isVerifiedByEntra({ issuer }: OidcProtocol, claims: Claims): boolean {
  const verified = claims['xms_edov'];
  return (
    issuer.startsWith('https://login.microsoftonline.com/') &&
    (verified === true || verified === 1 || verified === '1' || verified === 'true')
  );
}

export function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
