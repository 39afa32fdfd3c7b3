import { expect, it } from 'vitest';
import { BUGS, planted } from './bugs.ts';
import { FAULTS } from './plan.ts';

// Whether a run notices them is what `npm run chaos -- --planted` asks; here, that there is something to plant.
it('every bug can still be planted, breaks something by name, and is brought to light by faults that there are', () => {
  for (const bug of BUGS) {
    expect(planted(bug).size).toBeGreaterThan(0);
    expect(bug.breaks.length).toBeGreaterThan(0);
    for (const fault of bug.faults) expect(Object.keys(FAULTS)).toContain(fault);
  }
  expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
  expect(BUGS.length).toBeGreaterThanOrEqual(10);
});
