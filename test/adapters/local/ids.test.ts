import { describe, expect, it } from 'vitest';
import {
  createIds,
  deriveId,
  deriveIdAt,
  isUuidV7,
  lowestIdAt,
  timeOfId,
} from '#adapters/local/ids.ts';

const NOW = Date.parse('2026-11-22T12:00:00.123Z');

describe('ids', () => {
  it('are UUID v7 that carry their time and grow, also within one millisecond', () => {
    const ids = createIds();
    const made = Array.from({ length: 10_000 }, (_, i) => ids.next(NOW + Math.floor(i / 6_000)));
    expect(made.every(isUuidV7)).toBe(true);
    expect([...made].sort()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
    expect(timeOfId(made[0]!)).toBe(NOW);
  });

  it('follow a clock that is set back, so that an id names its own month', () => {
    const ids = createIds();
    ids.next(NOW);
    expect(timeOfId(ids.next(NOW - 86_400_000))).toBe(NOW - 86_400_000);
  });

  it('derive the same from the same, with the time of what they come from', () => {
    const parent = createIds().next(NOW);
    const child = deriveId(parent, 'step[3]');
    expect(deriveId(parent, 'step[3]')).toBe(child);
    expect(deriveId(parent, 'step[4]')).not.toBe(child);
    expect([isUuidV7(child), timeOfId(child)]).toEqual([true, NOW]);
    expect(timeOfId(deriveIdAt(NOW + 5, 'fire'))).toBe(NOW + 5);
  });

  it('know the least id of a time', () => {
    const ids = createIds();
    expect(lowestIdAt(NOW) <= ids.next(NOW)).toBe(true);
    expect(lowestIdAt(NOW) > createIds().next(NOW - 1)).toBe(true);
    expect(() => ids.next(Number.NaN)).toThrow(TypeError);
  });
});
