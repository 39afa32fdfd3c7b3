/**
 * What a month's service was, held against what was promised. Pure.
 *
 *  L1 rounding never makes it better than it was.
 *  L2 a month without a request is neither met nor missed.
 */
import { creditOf, SERVICE_LEVEL } from '#config/service-level.ts';

export interface Day {
  /** `2026-11-30`, in UTC. */
  readonly day: string;
  readonly requests: number;
  /** By our fault. */
  readonly failed: number;
}

const DECIMALS = 10_000;
/** Of floating point: what 99.9 leaves of 100 is 0.1. */
const BUDGET_PERCENT = Math.round((100 - SERVICE_LEVEL.objectivePercent) * 1_000) / 1_000;

/** Null: of no request there is no share. */
function percentOf({ requests, failed }: Pick<Day, 'requests' | 'failed'>): number | null {
  if (requests <= 0) return null;
  return Math.floor((100 * (requests - failed) * DECIMALS) / requests) / DECIMALS;
}

/** What is written down of a month, and said of it. */
export function monthOf(month: string, days: readonly Day[]) {
  const requests = days.reduce((sum, each) => sum + each.requests, 0);
  const failed = days.reduce((sum, each) => sum + each.failed, 0);
  const percent = percentOf({ requests, failed });
  const { objectivePercent, agreedPercent } = SERVICE_LEVEL;
  const allowed = (requests * BUDGET_PERCENT) / 100;
  const spent = requests === 0 ? 0 : (100 * failed) / allowed;
  const worst = days
    .flatMap((each) => {
      const of = percentOf(each);
      return of === null ? [] : [{ day: each.day, percent: of, failed: each.failed }];
    })
    .sort((a, b) => a.percent - b.percent || a.day.localeCompare(b.day))
    .slice(0, 3)
    .filter((each) => each.failed > 0);
  return {
    month,
    requests,
    failed,
    percent,
    objective: {
      percent: objectivePercent,
      met: percent === null ? null : percent >= objectivePercent,
    },
    budget: { failures: Math.floor(allowed), spent_percent: Math.ceil(spent * 100) / 100 },
    agreed: {
      percent: agreedPercent,
      met: percent === null ? null : percent >= agreedPercent,
      credit_percent: percent === null ? 0 : creditOf(percent),
    },
    worst_days: worst,
  };
}

/** From the first instant of a month to before the first of the next; null: that is no month. */
export function boundsOf(month: string): { readonly from: number; readonly to: number } | null {
  const [, year = '', number = ''] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(month) ?? [];
  if (year === '') return null;
  const at = (index: number) => Date.UTC(Number(year), index, 1);
  return { from: at(Number(number) - 1), to: at(Number(number)) };
}

/** The one that was over last. */
export function monthBefore(now: number): string {
  const at = new Date(now);
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - 1, 1))
    .toISOString()
    .slice(0, 'yyyy-mm'.length);
}
