import { CloudFlowError } from '#core/errors.ts';

/** A program on the same machine listens on whichever port is free (RFC 8252, 7.3); never by name. */
const LOOPBACK = /^http:\/\/(?:127\.0\.0\.1|\[::1\]):([1-9]\d{0,4})\/callback$/;

/**
 * Throws REQUEST_INVALID unless a code may be handed to this address: of this machine, or of a web client
 * of the platform or of the tenant. Compared as text, letter by letter: what two parsers may read
 * differently is not on the list.
 */
export function requireReturnTo(origins: readonly string[], address: string): void {
  const port = Number(LOOPBACK.exec(address)?.[1] ?? 0);
  if (port >= 1 && port <= 65_535) return;
  if (origins.some((origin) => address === `${origin}/callback`)) return;
  throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
    problems: [
      {
        code: 'REQUEST_INVALID',
        pointer: '/query/return_to',
        message: 'is no address that a code is handed to',
        given: JSON.stringify(address.slice(0, 64)),
        allowed:
          'http://127.0.0.1:<port>/callback, http://[::1]:<port>/callback, or /callback of an origin that may call',
      },
    ],
  });
}
