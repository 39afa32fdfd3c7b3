import { expect, it } from 'vitest';
import { whereTimeGoes } from './where-time-goes.ts';

/** Calls at an even rate: so many in each second from one time to another. */
function even(from: number, to: number, aSecond: number): number[] {
  return Array.from(
    { length: ((to - from) / 1_000) * aSecond },
    (_, i) => from + (i * 1_000) / aSecond,
  );
}

it('lays what was not done between two faults to the first of them, and tells how long nothing was', () => {
  const calls = [...even(0, 10_000, 10), ...even(14_000, 20_000, 10), ...even(20_000, 30_000, 5)];
  const costs = whereTimeGoes(
    calls,
    10,
    [
      { name: 'slow', from: 20_000, until: 21_000 },
      { name: 'dead', from: 10_000, until: 15_000 },
    ],
    30_000,
  );
  expect(costs.map(({ name, times }) => [name, times])).toEqual([
    ['slow', 1],
    ['dead', 1],
  ]);
  expect(costs[0]?.lostSeconds).toBeCloseTo(5);
  expect(costs[1]?.lostSeconds).toBeCloseTo(4);
  expect(costs[1]?.standstillMs).toBe(4_000);
  expect(costs[0]?.standstillMs).toBeLessThanOrEqual(200);
});

it('adds up faults of one kind, and faults after which nothing came', () => {
  const [cost] = whereTimeGoes(
    [],
    10,
    [
      { name: 'dead', from: 0, until: 1_000 },
      { name: 'dead', from: 2_000, until: 3_000 },
    ],
    5_000,
  );
  expect(cost).toEqual({ name: 'dead', times: 2, lostSeconds: 5, standstillMs: 3_000 });
});
