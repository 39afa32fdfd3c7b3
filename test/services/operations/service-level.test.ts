import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundsOf, monthBefore, monthOf } from '#services/operations/service-level.ts';

const day = (number: number, requests: number, failed: number) => ({
  day: `2026-11-${String(number).padStart(2, '0')}`,
  requests,
  failed,
});

describe('the service level of a month', () => {
  it('is the share that did not fail by our fault, over all its days', () => {
    expect(monthOf('2026-11', [day(1, 600_000, 0), day(2, 400_000, 500)])).toEqual({
      month: '2026-11',
      requests: 1_000_000,
      failed: 500,
      percent: 99.95,
      objective: { percent: 99.9, met: true },
      budget: { failures: 1_000, spent_percent: 50 },
      agreed: { percent: 99.5, met: true, credit_percent: 0 },
      worst_days: [{ day: '2026-11-02', percent: 99.875, failed: 500 }],
    });
  });

  it('says what customers are owed when it is below what was agreed', () => {
    const { objective, agreed, budget } = monthOf('2026-11', [day(1, 1_000, 11)]);
    expect(objective.met).toBe(false);
    expect(agreed).toEqual({ percent: 99.5, met: false, credit_percent: 25 });
    expect(budget).toEqual({ failures: 1, spent_percent: 1_100 });
  });

  it('is neither met nor missed where nobody asked for anything', () => {
    expect(monthOf('2026-11', [])).toMatchObject({
      percent: null,
      objective: { met: null },
      budget: { failures: 0, spent_percent: 0 },
      agreed: { met: null, credit_percent: 0 },
    });
  });

  it('is never rounded to what it was not', () => {
    // 99.899999 % is no 99.9 %.
    expect(monthOf('2026-11', [day(1, 100_000_000, 100_001)])).toMatchObject({
      percent: 99.8999,
      objective: { met: false },
    });
    fc.assert(
      fc.property(fc.nat(1_000_000_000), fc.nat(1_000_000_000), (served, failed) => {
        const { percent, requests, budget } = monthOf('2026-11', [day(1, served + failed, failed)]);
        if (requests === 0) return percent === null;
        const real = (100 * served) / requests;
        // What floating point cannot tell apart is the same.
        return (
          percent !== null &&
          percent <= real + 1e-9 &&
          percent > real - 0.0002 &&
          budget.failures <= requests * 0.001 + 1e-6
        );
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it('begins and ends with the month in UTC', () => {
    expect(boundsOf('2026-02')).toEqual({
      from: Date.parse('2026-02-01T00:00:00Z'),
      to: Date.parse('2026-03-01T00:00:00Z'),
    });
    expect(boundsOf('2026-12')?.to).toBe(Date.parse('2027-01-01T00:00:00Z'));
    expect(['2026-13', '2026-00', '2026-1', 'x'].map(boundsOf)).toEqual([null, null, null, null]);
    expect(monthBefore(Date.parse('2027-01-01T00:00:00Z'))).toBe('2026-12');
    expect(monthBefore(Date.parse('2026-03-31T23:59:59Z'))).toBe('2026-02');
  });
});
