import { LRUCache } from 'lru-cache';

/**
 * How tenants behaved, and what follows from it. Pure bookkeeping: `now` is any clock in milliseconds.
 *
 * C1 A tenant is on probation after a strike: 5 s after the first, twice as long after each further
 *    one, 5 minutes at most. Ten minutes without a strike forget all of them.
 * C2 While a tenant in good standing is about, those on probation together take `PROBATION_SHARE` of
 *    one core; while none is, they are not held back.
 * C3 A tenant is proven after five quick runs in a row that ended by themselves, until one does not.
 * C4 What is remembered is bounded: tenants beyond it are forgotten, the longest untouched first.
 */
export interface Conduct {
  /** The tenant asks for something. */
  came(tenant: string, now: number): void;
  /** A quick run of the tenant is over; `ended` says whether by itself. */
  ran(tenant: string, ended: boolean): void;
  isProven(tenant: string): boolean;
  /** An expression of the tenant cost a process, or much time until a limit ended it. */
  strike(tenant: string, now: number): void;
  isOnProbation(tenant: string, now: number): boolean;
  /** Those on probation have used so much processor time. */
  spent(cpuMs: number, now: number): void;
  /** How long those on probation have to wait before they use more; asked anew after the wait. */
  holdMs(now: number): number;
  /** Whether anybody but this tenant asked for something lately. */
  othersAbout(tenant: string, now: number): boolean;
}

/** A tenant is about when it asked within this time. */
export const ABOUT_MS = 1_000;
export const PROBATION_SHARE = 0.1;
const FIRST_PROBATION_MS = 5_000;
const MAX_PROBATION_MS = 300_000;
const FORGOTTEN_AFTER_MS = 600_000;
const PROVEN_AFTER = 5;
const MAX_TENANTS = 10_000;

interface Record {
  readonly strikes: number;
  readonly lastStrike: number;
  readonly until: number;
}

export function createConduct(options: { readonly firstProbationMs?: number } = {}): Conduct {
  const firstMs = options.firstProbationMs ?? FIRST_PROBATION_MS;
  const longestMs = Math.max(firstMs, MAX_PROBATION_MS);
  const records = new LRUCache<string, Record>({ max: MAX_TENANTS });
  /** Quick runs in a row that ended by themselves. */
  const streaks = new LRUCache<string, number>({ max: MAX_TENANTS });
  /** The tenant that came last, and the last one other than that. */
  let latest = { tenant: '', at: Number.NEGATIVE_INFINITY };
  let before = latest;
  /** When a tenant in good standing came last. */
  let goodAt = Number.NEGATIVE_INFINITY;
  let paidUntil = Number.NEGATIVE_INFINITY;

  const isOnProbation = (tenant: string, now: number): boolean =>
    (records.get(tenant)?.until ?? now) > now;

  return {
    came(tenant, now) {
      if (tenant !== latest.tenant) before = latest;
      latest = { tenant, at: now };
      if (!isOnProbation(tenant, now)) goodAt = now;
    },
    ran(tenant, ended) {
      const streak = streaks.get(tenant) ?? 0;
      if (!ended) streaks.delete(tenant);
      else if (streak < PROVEN_AFTER) streaks.set(tenant, streak + 1);
    },
    isProven: (tenant) => (streaks.get(tenant) ?? 0) >= PROVEN_AFTER,
    strike(tenant, now) {
      const known = records.get(tenant);
      const remembered = known !== undefined && now - known.lastStrike < FORGOTTEN_AFTER_MS;
      const strikes = remembered ? known.strikes + 1 : 1;
      const term = Math.min(longestMs, firstMs * 2 ** (strikes - 1));
      records.set(tenant, { strikes, lastStrike: now, until: now + term });
    },
    isOnProbation,
    spent(cpuMs, now) {
      paidUntil = Math.max(paidUntil, now) + cpuMs / PROBATION_SHARE;
    },
    holdMs(now) {
      if (now - goodAt >= ABOUT_MS || paidUntil <= now) return 0;
      // nobody may be about any more long before it is paid
      return Math.min(paidUntil - now, ABOUT_MS);
    },
    othersAbout(tenant, now) {
      return now - (latest.tenant === tenant ? before.at : latest.at) < ABOUT_MS;
    },
  };
}
