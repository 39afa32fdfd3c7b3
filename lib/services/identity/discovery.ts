import type { ResponseBody } from '#contract/routes.ts';
import type { SigningKeys } from '#ports/signing-keys.ts';
import type { Tagged } from '../shared/tagged.ts';

/** What others check our access tokens with. */
export async function jwks(keys: SigningKeys): Promise<Tagged<ResponseBody<'getJwks'>>> {
  const published = await keys.published();
  return {
    etag: published.map(({ kid }) => kid).join('.'),
    body: {
      keys: published.map(({ kid, n, e }) => ({
        kty: 'RSA' as const,
        use: 'sig' as const,
        alg: 'RS256' as const,
        kid,
        n,
        e,
      })),
    },
  };
}

export function discovery(issuer: string): ResponseBody<'getDiscovery'> {
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
  };
}
