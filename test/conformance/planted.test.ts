import { expect, it } from 'vitest';
import { compareRuntimes } from './compare-runtimes.ts';
import { generate } from './generator.ts';
import { PLANTED_FAULTS } from './planted.ts';
import { FIRST_SEED, SEEDS } from './seeds.ts';

/** A fault of meaning on one side is noticed by the fixed seeds of the differential suite. */
it('there are at least ten', () => {
  expect(PLANTED_FAULTS.length).toBeGreaterThanOrEqual(10);
  expect(new Set(PLANTED_FAULTS.map(({ on }) => on)).size).toBe(2);
});

it.each(PLANTED_FAULTS.map((fault) => [fault.name, fault] as const))('%s', async (_, fault) => {
  let caughtBy: number | null = null;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS && caughtBy === null; seed++) {
    const { problems } = await compareRuntimes(generate(seed), { [fault.on]: fault.seams });
    if (problems.length > 0) caughtBy = seed;
  }
  expect(caughtBy).not.toBeNull();
});
