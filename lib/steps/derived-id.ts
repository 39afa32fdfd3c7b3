/**
 * A UUID v7 that is always the same for the same cause: its time bits are those of the id it comes
 * from (so it is found in the same month's partition), the rest is a hash of both.
 */
export async function derivedId(from: string, cause: string): Promise<string> {
  const time = from.replaceAll('-', '').slice(0, 12);
  if (!/^[0-9a-f]{12}$/.test(time)) throw new TypeError(`not a UUID: ${from}`);
  const digest = await crypto.subtle.digest(
    'SHA-256',
    new TextEncoder().encode(`${from}\n${cause}`),
  );
  const hash = [...new Uint8Array(digest.slice(0, 10))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
  const variant = ((Number.parseInt(hash[3] as string, 16) & 3) | 8).toString(16);
  return [
    time.slice(0, 8),
    time.slice(8),
    `7${hash.slice(0, 3)}`,
    `${variant}${hash.slice(4, 7)}`,
    hash.slice(7, 19),
  ].join('-');
}
