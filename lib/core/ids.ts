import { sha256Hex } from './hash.ts';

/**
 * UUID v7 (RFC 9562): 48 bits of milliseconds, then 74 bits that tell ids of one time apart. An id alone
 * finds the partition of its month, and ids sort by time.
 */

/** 48 bits of milliseconds end in the year 10889. */
const LATEST_MS = 2 ** 48 - 1;

/**
 * An id that follows from another id and a name: time bits of the parent, the rest from a hash. The same
 * child, approval or notification gets the same id however often it is asked for.
 */
export function derivedId(parentId: string, name: string): string {
  return derivedIdAt(timeOfId(parentId), `${parentId}/${name}`);
}

/** The same with a time of its own, in milliseconds. */
export function derivedIdAt(at: number, name: string): string {
  const hash = sha256Hex(name);
  return uuidV7(at, Number.parseInt(hash.slice(0, 4), 16) & 0xfff, hash.slice(4, 20));
}

/** Milliseconds in the time bits of a UUID v7. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The smallest id of a time: `[floor(from), floor(to))` are the ids made in between. */
export function lowestIdAt(at: number): string {
  const time = timeBits(at);
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

/** `randA`: 12 bits behind the time. `rest`: 16 hex digits, of which two bits become the variant. */
export function uuidV7(at: number, randA: number, rest: string): string {
  const time = timeBits(at);
  const variant = ((Number.parseInt(rest.slice(0, 2), 16) & 0x3f) | 0x80).toString(16);
  return [
    time.slice(0, 8),
    time.slice(8),
    `7${randA.toString(16).padStart(3, '0')}`,
    `${variant}${rest.slice(2, 4)}`,
    rest.slice(4),
  ].join('-');
}

/** Throws `TypeError` for what is no time, also for an id that is none. */
function timeBits(at: number): string {
  const ms = Math.floor(at);
  if (!(ms >= 0 && ms <= LATEST_MS)) throw new TypeError(`${at} is no time that an id can carry`);
  return ms.toString(16).padStart(12, '0');
}
