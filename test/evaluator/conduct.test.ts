import { describe, expect, it } from 'vitest';
import { ABOUT_MS, createConduct, PROBATION_SHARE } from '#evaluator/conduct.ts';

describe('the conduct of tenants', () => {
  it('C1: is on probation for twice as long after each strike, up to five minutes', () => {
    const conduct = createConduct();
    let now = 0;
    const terms: number[] = [];
    for (let i = 0; i < 9; i++) {
      conduct.strike('a', now);
      let term = 0;
      while (conduct.isOnProbation('a', now + term)) term += 1_000;
      terms.push(term / 1_000);
      now += term;
    }
    expect(terms).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
    expect(conduct.isOnProbation('b', now)).toBe(false);
  });

  it('C1: forgets strikes after ten minutes without one', () => {
    const conduct = createConduct();
    conduct.strike('a', 0);
    conduct.strike('a', 599_999);
    expect(conduct.isOnProbation('a', 599_999 + 9_999)).toBe(true);
    conduct.strike('a', 1_200_000);
    expect(conduct.isOnProbation('a', 1_200_000 + 5_000)).toBe(false);
  });

  it('C2: lets those on probation have a small share while others are about', () => {
    const conduct = createConduct();
    conduct.strike('a', 0);
    conduct.came('good', 0);
    let used = 0;
    let now = 0;
    for (; now < 60_000; now += 100) {
      conduct.came('good', now);
      conduct.came('a', now);
      if (conduct.holdMs(now) > 0) continue;
      conduct.spent(100, now);
      used += 100;
    }
    expect(used / now).toBeGreaterThan(PROBATION_SHARE * 0.9);
    expect(used / now).toBeLessThan(PROBATION_SHARE * 1.1);
  });

  it('C2: holds nobody back while only those on probation are about', () => {
    const conduct = createConduct();
    conduct.came('good', 0);
    conduct.strike('a', 0);
    conduct.strike('b', 0);
    conduct.spent(10_000, 0);
    expect(conduct.holdMs(0)).toBe(ABOUT_MS);
    for (let now = 0; now <= ABOUT_MS; now += 50) {
      conduct.came('a', now);
      conduct.came('b', now);
    }
    expect(conduct.holdMs(ABOUT_MS)).toBe(0);
    conduct.came('good', ABOUT_MS + 1);
    expect(conduct.holdMs(ABOUT_MS + 1)).toBeGreaterThan(0);
  });

  it('C3: is proven by five quick runs in a row', () => {
    const conduct = createConduct();
    for (let i = 0; i < 4; i++) conduct.ran('a', true);
    conduct.ran('a', false);
    for (let i = 0; i < 4; i++) conduct.ran('a', true);
    expect(conduct.isProven('a')).toBe(false);
    conduct.ran('a', true);
    expect(conduct.isProven('a')).toBe(true);
    expect(conduct.isProven('b')).toBe(false);
  });

  it('C4: remembers ten thousand tenants, those that came last', () => {
    const conduct = createConduct();
    for (let i = 0; i < 10_001; i++) conduct.strike(`t${i}`, 0);
    expect(conduct.isOnProbation('t0', 1)).toBe(false);
    expect(conduct.isOnProbation('t1', 1)).toBe(true);
  });

  it('tells whether somebody else was about lately', () => {
    const conduct = createConduct();
    conduct.came('a', 0);
    conduct.came('a', 10);
    expect(conduct.othersAbout('a', 10)).toBe(false);
    expect(conduct.othersAbout('b', 10)).toBe(true);
    conduct.came('b', 20);
    expect(conduct.othersAbout('b', 20)).toBe(true);
    expect(conduct.othersAbout('b', 10 + ABOUT_MS)).toBe(false);
  });
});
