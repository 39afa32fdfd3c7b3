import * as client from 'openid-client';
import type { OAuth2Protocol } from '#core/identity-providers.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import type { SignInAt, SignInProtocol } from '#ports/identity-providers.ts';
import { answered, Refused } from './failure.ts';
import { clientAuth, type OpenIdDeps, random, requireReachable, returned, textOf } from './oidc.ts';
import { providerFetch, REQUEST_SECONDS } from './provider-fetch.ts';

/** Stands for the issuer of a provider that has none; nothing compares it with what is sent. */
const NO_ISSUER = 'https://no-issuer.invalid';

/**
 * OAuth 2.0 as a way of signing in: authorization code with PKCE (S256) and state, and a question with the
 * access token about whose it is. That this provider was asked, and no other, is the address it sends
 * people back to (RFC 9700, 4.4.2), and its issuer where it has one.
 */
export function createOAuth2(deps: OpenIdDeps): SignInProtocol<'oauth2'> {
  function configure({ tenant, protocol, secret }: SignInAt<'oauth2'>): client.Configuration {
    const config = new client.Configuration(
      {
        issuer: protocol.issuer ?? NO_ISSUER,
        authorization_endpoint: protocol.authorize_url,
        token_endpoint: protocol.token_url,
      },
      protocol.client_id,
      undefined,
      clientAuth(protocol.client_auth, secret?.reveal()),
    );
    config[client.customFetch] = providerFetch(deps.http, tenant);
    config.timeout = REQUEST_SECONDS;
    if (deps.mayBePlain(new URL(protocol.token_url))) client.allowInsecureRequests(config);
    return config;
  }

  return {
    begin: (at) =>
      answered(async () => {
        const config = configure(at);
        requireReachable(deps, at.protocol.authorize_url);
        const verifier = random(deps);
        const { scopes = [] } = at.protocol;
        const location = client.buildAuthorizationUrl(config, {
          response_type: 'code',
          redirect_uri: at.callbackUrl,
          ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
          state: at.state,
          code_challenge: await client.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
        });
        return { kind: 'begun', location: location.href, kept: { verifier } };
      }),

    finish: (at, kept, answer) =>
      answered(async () => {
        const config = configure(at);
        const { iss, ...others } = answer;
        const judged = at.protocol.issuer === undefined || iss === undefined ? others : answer;
        const tokens = await client.authorizationCodeGrant(config, returned(at, judged), {
          expectedState: at.state,
          pkceCodeVerifier: kept['verifier'] ?? '',
        });
        const ask = asking(deps, at.tenant, tokens.access_token);
        const user = await ask(at.protocol.user_info_url);
        const { email, verified } = await addressOf(at.protocol, user, ask);
        return {
          kind: 'proven',
          identity: {
            subject: subjectOf(at.protocol, user),
            email,
            emailVerified: verified,
            name: textOf(valueAt(user, at.protocol.name)),
            methods: [],
            authenticatedAt: null,
          },
        };
      }),
  };
}

type Ask = (url: string) => Promise<Json>;

function asking({ http }: OpenIdDeps, tenant: string, accessToken: string): Ask {
  const fetch = providerFetch(http, tenant);
  return async (url) => {
    const response = await fetch(url, {
      method: 'GET',
      headers: {
        authorization: `Bearer ${accessToken}`,
        accept: 'application/json',
        'user-agent': 'cloudflow',
      },
      body: undefined,
      redirect: 'manual',
    });
    if (response.status !== 200) throw new Refused('user_info_refused');
    try {
      return (await response.json()) as Json;
    } catch {
      throw new Refused('user_info_unreadable'); // SyntaxError: what it holds is not for the log
    }
  };
}

/** A number is an id as GitHub has it; beyond what JSON keeps exactly, two would be one. */
function subjectOf({ subject }: OAuth2Protocol, user: Json): string {
  const value = valueAt(user, subject);
  if (typeof value === 'string' && value !== '') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  throw new Refused('no_subject');
}

async function addressOf(
  protocol: OAuth2Protocol,
  user: Json,
  ask: Ask,
): Promise<{ readonly email: string | null; readonly verified: boolean }> {
  if (protocol.emails_url === undefined) {
    return {
      email: textOf(valueAt(user, protocol.email)),
      verified: valueAt(user, protocol.email_verified) === true,
    };
  }
  const list = await ask(protocol.emails_url);
  const entries = Array.isArray(list) ? list.slice(0, 100) : [];
  const primary = entries.find((each) => isJsonObject(each) && each['primary'] === true);
  if (!isJsonObject(primary ?? null)) return { email: null, verified: false };
  const { email, verified } = primary as { readonly email?: Json; readonly verified?: Json };
  return { email: textOf(email), verified: verified === true };
}

/** The value at a JSON Pointer, through objects alone. */
function valueAt(root: Json, pointer: string | undefined): Json | undefined {
  if (pointer === undefined) return undefined;
  let at: Json | undefined = root;
  for (const part of pointer.slice(1).split('/')) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (at === undefined || !isJsonObject(at) || !Object.hasOwn(at, name)) return undefined;
    at = at[name];
  }
  return at;
}
