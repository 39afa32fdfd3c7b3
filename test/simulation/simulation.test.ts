import { describe, expect, it } from 'vitest';
import { MUTATIONS } from './mutations.ts';
import { comparable, simulate, simulateCalm } from './seeds.ts';

const SEEDS = 2_000;

describe('the simulated engine', () => {
  it(`keeps every invariant over ${SEEDS} seeds of crashes, take-overs and lost answers`, async () => {
    const seen = { crashes: 0, fenced: 0, COMPLETED: 0, FAILED: 0, CANCELLED: 0, PARTIAL: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { run, violations } = await simulate(seed);
      expect(violations, `npm run simulate -- --seed ${seed}`).toEqual([]);
      seen.crashes += run.crashes;
      if (run.timeline.some((line) => line.includes('fenced off'))) seen.fenced += 1;
      if (run.final.status in seen) seen[run.final.status as 'COMPLETED'] += 1;
      if (run.final.compensation === 'PARTIAL') seen.PARTIAL += 1;
    }
    // What never happened proves nothing.
    for (const [what, count] of Object.entries(seen)) {
      expect(count, what).toBeGreaterThan(SEEDS / 50);
    }
  });

  it('gives the same timeline for the same seed', async () => {
    for (const seed of [3, 14, 159]) {
      const [first, second] = [await simulate(seed), await simulate(seed)];
      expect(first.run.timeline).toEqual(second.run.timeline);
    }
  });
});

describe('a restart at every event', () => {
  it('changes neither the report nor the effects', async () => {
    let restarts = 0;
    for (let seed = 1; seed <= 120; seed++) {
      const whole = await simulateCalm(seed, null);
      expect(whole.violations, `seed ${seed}`).toEqual([]);
      const expected = comparable(whole.run);
      for (let event = 2; event <= whole.run.store.log.length; event++) {
        const restarted = await simulateCalm(seed, event);
        const name = `seed ${seed}, crash after event ${event}`;
        expect(restarted.violations, name).toEqual([]);
        expect(comparable(restarted.run), name).toEqual(expected);
        restarts += 1;
      }
    }
    expect(restarts).toBeGreaterThan(2_000);
  });
});

describe('planted bugs are caught', () => {
  it.each(Object.keys(MUTATIONS))('%s', async (bug) => {
    const core = MUTATIONS[bug]!;
    let caught: string | null = null;
    for (let seed = 1; seed <= 400 && caught === null; seed++) {
      caught = await complaint(seed, core);
    }
    expect(caught, 'no seed noticed').not.toBeNull();
  });
});

/** What a check says about a run with a planted bug; a throw of the core counts as noticing it. */
async function complaint(seed: number, core: (typeof MUTATIONS)[string]): Promise<string | null> {
  try {
    return (await simulate(seed, core)).violations[0] ?? null;
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}
