import { randomBytes, randomUUID } from 'node:crypto';
import { uuidV7 } from '#core/ids.ts';
import type { Ids } from '#ports/ids.ts';

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
      let ms = Math.floor(at);
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
      return uuidV7(ms, counter, random(8).toString('hex'));
    },
    random: () => randomUUID(),
  };
}
