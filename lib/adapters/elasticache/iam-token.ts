import { Sha256 } from '@smithy/core/checksum';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4, type SignatureV4Init } from '@smithy/signature-v4';

/** ElastiCache takes a token for no longer. */
const TOKEN_SECONDS = 900;

/**
 * Passwords that IAM signs, for a cache of ElastiCache and one of its users. Each is a request to connect
 * that is never sent: the cache looks at it when a connection begins, and ends every connection after
 * twelve hours. So every connection asks for its own. Signed here, without a request to anybody.
 */
export function createCacheToken(settings: {
  /** Id of the replication group, in small letters. */
  readonly cache: string;
  /** Id of the user, which is also its name. */
  readonly user: string;
  /** Default: where the process runs. */
  readonly region?: string;
  readonly credentials: SignatureV4Init['credentials'];
}): () => Promise<string> {
  const { cache, user, credentials, region = process.env['AWS_REGION'] ?? '' } = settings;
  const signer = new SignatureV4({ service: 'elasticache', region, credentials, sha256: Sha256 });
  return async () => {
    const { query } = await signer.presign(
      new HttpRequest({
        method: 'GET',
        protocol: 'http:',
        hostname: cache,
        path: '/',
        query: { Action: 'connect', User: user },
        headers: { host: cache },
      }),
      { expiresIn: TOKEN_SECONDS },
    );
    const parameters = Object.entries(query ?? {}).map(
      ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
    );
    return `${cache}/?${parameters.join('&')}`;
  };
}
