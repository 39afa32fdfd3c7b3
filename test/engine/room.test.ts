import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRoom, GREED } from '#engine/room.ts';

/** Takes for a tenant until it is given no more. */
function fill(room: ReturnType<typeof createRoom>, tenant: string): number {
  let count = 0;
  while (room.leftOf(tenant) > 0) {
    room.take(tenant);
    count += 1;
  }
  return count;
}

describe('room of a process', () => {
  it('one tenant has four fifths of all, two that want everything four ninths each', () => {
    const alone = createRoom(20_000);
    expect(fill(alone, 'greedy')).toBe(16_000);
    const two = createRoom(900);
    for (let i = 0; i < 900; i++) for (const one of ['a', 'b']) if (two.leftOf(one)) two.take(one);
    expect(two.free).toBe(100);
  });

  it('places that become free go to whoever has fewest, until all that want them have as many', () => {
    const room = createRoom(1_000);
    const names = ['first', 'second', 'third', 'fourth'];
    const had = new Map(names.map((name) => [name, fill(room, name)]));
    expect(had.get('fourth')).toBeGreaterThan(0);
    // Each turn one of the fullest ends, and all ask again.
    for (let turn = 0; turn < 2_000; turn++) {
      const [fullest = ''] = [...had].sort(([, a], [, b]) => b - a)[0] ?? [];
      room.give(fullest);
      had.set(fullest, (had.get(fullest) ?? 0) - 1);
      for (const name of names) had.set(name, (had.get(name) ?? 0) + fill(room, name));
    }
    const counts = [...had.values()];
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(5);
    expect(room.free).toBeGreaterThan(50);
  });

  it('what one gives back another may have', () => {
    const room = createRoom(100);
    const had = fill(room, 'greedy');
    const small = fill(room, 'small');
    room.give('greedy', had);
    expect(fill(room, 'small')).toBeGreaterThan(small);
    expect(room.below(1_000).map(([tenant]) => tenant)).toEqual(['small']);
  });

  it('a batch of as many as are left is what one after the other would have been given', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 40 }))),
        (size, asks) => {
          const room = createRoom(size);
          const taken = new Map<string, number>();
          for (const [tenant, wanted] of asks) {
            const left = room.leftOf(tenant);
            const batch = Math.min(left, wanted);
            for (let i = 0; i < batch; i++) {
              expect(room.leftOf(tenant)).toBeGreaterThan(0);
              expect(taken.get(tenant) ?? 0).toBeLessThan(GREED * room.free);
              room.take(tenant);
              taken.set(tenant, (taken.get(tenant) ?? 0) + 1);
            }
            if (batch === left) expect(room.leftOf(tenant)).toBe(0);
            expect(room.free).toBeGreaterThanOrEqual(0);
          }
          for (const [tenant, count] of taken) room.give(tenant, count);
          expect(room.free).toBe(size);
          expect(room.below(Number.POSITIVE_INFINITY)).toEqual([]);
        },
      ),
      { seed: 11, numRuns: 500 },
    );
  });
});
