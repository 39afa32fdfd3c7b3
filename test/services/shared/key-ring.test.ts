import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PLATFORM_KEYS, platformKeyNames } from '#config/platform-keys.ts';
import {
  type KeyRing,
  keysOf,
  oneKey,
  readKeyRing,
  turnKeyRing,
  usedAt,
  writeKeyRing,
} from '#services/shared/key-ring.ts';

const DAY = 86_400_000;
const T0 = Date.parse('2026-01-01T00:00:00.000Z');
const POLICY = { usedMs: 90 * DAY, aheadMs: 10 * DAY, keptMs: 90 * DAY };
const turn = (ring: KeyRing, now: number, keptMs: number | null = POLICY.keptMs) =>
  turnKeyRing(ring, now, () => randomBytes(48), { ...POLICY, keptMs });
const begun = (): KeyRing => [{ key: randomBytes(48), from: T0 }];

describe('a ring of keys', () => {
  it('is one key as it was first made, and then JSON that says since when', () => {
    const text = randomBytes(48).toString('base64');
    const ring = readKeyRing(text, T0);
    expect(ring).toEqual([{ key: Buffer.from(text, 'base64'), from: T0 }]);
    expect(readKeyRing(writeKeyRing(ring), T0 + DAY)).toEqual(ring);
  });

  it('is refused in a sentence that holds nothing of it, where it is none', () => {
    const short = Buffer.from('secret').toString('base64');
    for (const wrong of [
      short,
      '{"keys": []}',
      '{"keys": [{"key": "c2VjcmV0", "from": "2026-01-01"}]}',
      `{"keys": [{"key": "${randomBytes(48).toString('base64')}", "from": "soon"}]}`,
      '{"keys": secret}',
      '{}',
    ]) {
      const refused = () => readKeyRing(wrong, T0);
      expect(refused).toThrow(TypeError);
      try {
        refused();
      } catch (error) {
        expect(String(error)).not.toMatch(/secret[^ ]|c2VjcmV0/);
      }
    }
    expect(() => oneKey(randomBytes(16))).toThrow('a key has 16 bytes; use at least 32');
  });

  it('K1, K2: gets its next key ten days before the ninetieth, and uses it from that day on', () => {
    const ring = begun();
    expect(turn(ring, T0 + 80 * DAY - 1)).toEqual({ ring, madeFor: null, dropped: 0 });
    const { ring: two, madeFor } = turn(ring, T0 + 80 * DAY);
    expect([two.length, madeFor]).toEqual([2, T0 + 90 * DAY]);
    expect(usedAt(two, T0 + 90 * DAY - 1)).toBe(two[0]);
    expect(usedAt(two, T0 + 90 * DAY)).toBe(two[1]);
    // Asked again every day, it makes no other.
    for (let day = 80; day < 170; day++) {
      expect(turn(two, T0 + day * DAY)).toEqual({ ring: two, madeFor: null, dropped: 0 });
    }
  });

  it('K2: where nobody looked for long, the next key is used a day later and not at once', () => {
    const { madeFor, ring } = turn(begun(), T0 + 400 * DAY);
    expect(madeFor).toBe(T0 + 401 * DAY);
    expect(usedAt(ring, T0 + 400 * DAY)).toBe(ring[0]);
  });

  it('K3: what was closed by a key of the ring is opened until the key is dropped, if ever', () => {
    let now = T0;
    const keys = keysOf(() => ring, { now: () => now });
    let ring = begun();
    let forever = ring;
    for (let day = 0; day <= 365; day++) {
      now = T0 + day * DAY;
      ring = turn(ring, now).ring;
      forever = turn(forever, now, null).ring;
      const used = usedAt(ring, now);
      expect(Buffer.from(keys.now())).toEqual(Buffer.from(used.key));
      expect(now - used.from).toBeLessThanOrEqual(90 * DAY);
      expect(keys.all().length).toBeLessThanOrEqual(4);
      // The one that was used a day ago is always there.
      expect(ring).toContain(usedAt(ring, now - DAY));
    }
    expect(forever).toHaveLength(5);
    expect(forever[0].from).toBe(T0);
    expect(keys.all()[0]).toBe(ring.at(-1)?.key);
  });

  it('holds keys of fifteen years and says when it is full', () => {
    let ring: KeyRing = begun();
    for (let day = 0; ring.length < 60; day += 90) ring = turn(ring, T0 + day * DAY, null).ring;
    const end = (ring.at(-1)?.from ?? 0) + 90 * DAY;
    expect(() => turn(ring, end, null)).toThrow('the ring has 60 keys');
  });

  it('every key of the platform is turned by the ninetieth day, and known a day before', () => {
    for (const name of platformKeyNames) {
      const { usedDays, aheadDays, keptDays } = PLATFORM_KEYS[name];
      expect([name, usedDays]).toEqual([name, 90]);
      expect(aheadDays).toBeGreaterThan(1);
      expect(keptDays === null || keptDays >= usedDays).toBe(true);
    }
  });
});
