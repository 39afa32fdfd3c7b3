import { sha256Hex } from './hash.ts';

/**
 * A UUID v7 that follows from another id and a name: always the same for the same two. Its time bits
 * are the parent's, so that it is found in the same month's partition; the rest is a hash of both.
 * The same ids as `deriveId` of adapters/local, for rooms that must not import an adapter.
 */
export function derivedId(parentId: string, name: string): string {
  const time = parentId.replaceAll('-', '').slice(0, 12);
  if (!/^[0-9a-f]{12}$/.test(time)) throw new TypeError(`not a UUID: ${parentId}`);
  const hash = sha256Hex(`${parentId}/${name}`);
  const variant = ((Number.parseInt(hash.slice(4, 6), 16) & 0x3f) | 0x80).toString(16);
  return [
    time.slice(0, 8),
    time.slice(8),
    `7${hash.slice(1, 4)}`,
    `${variant}${hash.slice(6, 8)}`,
    hash.slice(8, 20),
  ].join('-');
}
