import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Ids } from '#ports/ids.ts';

/** 48 bits of milliseconds end in the year 10889. */
const LATEST_MS = 2 ** 48 - 1;
/** Bits after the time that count up within one millisecond: 12 of `rand_a`. */
const COUNTER_MAX = 0xfff;
const POOL_BYTES = 4_096;

/**
 * UUID v7 that grow: within one millisecond a counter in `rand_a` counts up from a random start, and
 * when it is used up the time bits run ahead by one (RFC 9562 section 6.2, method 1). When business
 * time goes back so do the ids: an id names the month of its own time.
 */
export function createIds(): Ids {
  let last = -1;
  let counter = 0;
  let pool = Buffer.alloc(0);
  let used = 0;

  function random(bytes: number): Buffer {
    if (used + bytes > pool.length) {
      pool = randomBytes(POOL_BYTES);
      used = 0;
    }
    used += bytes;
    return pool.subarray(used - bytes, used);
  }

  return {
    next(at) {
      let ms = checkTime(at);
      if (ms === last || (ms < last && last - ms <= 16)) {
        // The same millisecond, or just before where the counter ran ahead to.
        ms = last;
        counter += 1;
        if (counter > COUNTER_MAX) {
          ms += 1;
          counter = 0;
        }
      } else {
        counter = random(2).readUInt16BE(0) & 0x7ff;
      }
      last = ms;
      return formatV7(ms, counter, random(8));
    },
    random: () => randomUUID(),
  };
}

/**
 * An id that follows from a parent's (or any id's) and a name: time bits of the parent, the rest
 * from a hash. The same child, fire or approval gets the same id however often it is asked for.
 */
export function deriveId(parentId: string, name: string): string {
  return deriveIdAt(timeOfId(parentId), `${parentId}/${name}`);
}

/** The same with a time of its own: fires (their due time), ids given by clients (when they came). */
export function deriveIdAt(at: number, name: string): string {
  const hash = createHash('sha256').update(name).digest();
  return formatV7(checkTime(at), hash.readUInt16BE(0) & COUNTER_MAX, hash.subarray(2, 10));
}

/** Milliseconds in the time bits of a UUID v7. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The smallest id of a time: `[floor(from), floor(to))` are the ids made in between. */
export function lowestIdAt(at: number): string {
  const time = checkTime(at).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function isUuidV7(text: string): boolean {
  return UUID_V7.test(text);
}

function checkTime(at: number): number {
  const ms = Math.floor(at);
  if (!(ms >= 0 && ms <= LATEST_MS)) throw new TypeError(`${at} is no time that an id can carry`);
  return ms;
}

function formatV7(ms: number, randA: number, rest: Uint8Array): string {
  const time = ms.toString(16).padStart(12, '0');
  const tail = Buffer.from(rest).toString('hex');
  // Variant bits 10 in front of 62 bits of `rand_b`.
  const variant = ((Number.parseInt(tail.slice(0, 2), 16) & 0x3f) | 0x80).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randA.toString(16).padStart(3, '0')}-${variant}${tail.slice(2, 4)}-${tail.slice(4)}`;
}
