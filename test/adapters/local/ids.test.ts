import { describe, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { lowestIdAt, timeOfId } from '#core/ids.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NOW = Date.parse('2026-11-22T12:00:00.123Z');

describe('ids', () => {
  it('are UUID v7 that carry their time and grow, also within one millisecond', () => {
    const ids = createIds();
    const made = Array.from({ length: 10_000 }, (_, i) => ids.next(NOW + Math.floor(i / 6_000)));
    expect(made.filter((id) => !UUID_V7.test(id))).toEqual([]);
    expect([...made].sort()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
    expect(timeOfId(made[0]!)).toBe(NOW);
  });

  it('follow a clock that is set back, so that an id names its own month', () => {
    const ids = createIds();
    ids.next(NOW);
    expect(timeOfId(ids.next(NOW - 86_400_000))).toBe(NOW - 86_400_000);
  });

  it('know the least id of a time', () => {
    const ids = createIds();
    expect(lowestIdAt(NOW) <= ids.next(NOW)).toBe(true);
    expect(lowestIdAt(NOW) > createIds().next(NOW - 1)).toBe(true);
    expect(() => ids.next(Number.NaN)).toThrow(TypeError);
  });
});
