/** How an origin must be written, for people. */
export const ORIGIN_FORM =
  'https://host or https://host:port, or http://localhost:port, exactly as browsers send it';

/**
 * Whether a text is the origin of a web page, as browsers send it: over https, or of the caller's own
 * machine. What browsers would write in another way (capitals, the port that is meant anyway, a path, a
 * name of a user) is none, for it would never be met.
 */
export function isWebOrigin(text: string): boolean {
  if (text.length > 255) return false;
  const url = URL.parse(text);
  if (url === null || url.origin !== text) return false;
  // A page of a wildcard there is not: `*` is a letter of a host to URL.
  if (!/^https?:\/\/[a-z0-9.:[\]-]+$/.test(text)) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && url.hostname === 'localhost');
}
