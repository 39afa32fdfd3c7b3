/** What every limiter must do, whoever keeps its windows. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MOST_REQUESTS_PER_MINUTE, RATE_WINDOW_SECONDS } from '#core/rate-limits.ts';
import type { RateLimiter } from '#ports/rate-limiter.ts';

/** A limiter whose time is `clock.ms`, in real milliseconds. */
export interface TimedLimiter {
  readonly limiter: RateLimiter;
  readonly clock: { ms: number };
}

let tenants = 0;
/** Nobody has called for it yet. */
function freshTenant(): string {
  tenants += 1;
  return `tenant-${tenants}`;
}

const WINDOW_MS = RATE_WINDOW_SECONDS * 1_000;
const MOST = MOST_REQUESTS_PER_MINUTE;

export function rateLimiterContract(
  name: string,
  make: () => Promise<TimedLimiter>,
  { runs, seed }: { readonly runs: number; readonly seed: number },
): void {
  describe(`${name}, as every limiter`, () => {
    let timed: TimedLimiter;
    beforeAll(async () => {
      timed = await make();
    });

    const take = (tenant: string, caller: string, ofCaller = MOST, ofTenant = MOST) =>
      timed.limiter.take({ tenant, caller, limits: { caller: ofCaller, tenant: ofTenant } });

    it('lets a caller through until the limit is used up, and says how much is left', async () => {
      const tenant = freshTenant();
      const answers = [];
      for (let i = 0; i < 4; i++) answers.push(await take(tenant, 'key:a', 3, 100));
      expect(answers.map(({ allowed }) => allowed)).toEqual([true, true, true, false]);
      expect(answers.map(({ windows }) => windows.caller.remaining)).toEqual([2, 1, 0, 0]);
      // The refused one is in neither window.
      expect(answers.map(({ windows }) => windows.tenant.remaining)).toEqual([99, 98, 97, 97]);
    });

    it('counts callers by themselves, and all of a tenant together', async () => {
      const tenant = freshTenant();
      for (const caller of ['key:a', 'key:b', 'user:c']) {
        expect((await take(tenant, caller, 2, 3)).allowed).toBe(true);
      }
      const fourth = await take(tenant, 'key:d', 2, 3);
      expect(fourth).toMatchObject({ allowed: false, windows: { caller: { remaining: 2 } } });
      expect(fourth.windows.tenant.remaining).toBe(0);
      expect((await take(freshTenant(), 'key:a', 1, 1)).allowed).toBe(true);
    });

    it('takes any text for a caller, and confuses none with another', async () => {
      const tenant = freshTenant();
      const callers = ['a', 'a ', ' a', 'a}', '{a}', 'a\r\nb', 'ä', '*', `${tenant} a`, ''];
      for (const caller of callers) expect((await take(tenant, caller, 1)).allowed).toBe(true);
      for (const caller of callers) expect((await take(tenant, caller, 1)).allowed).toBe(false);
    });

    it('obeys a limit that was changed from the next request on', async () => {
      const tenant = freshTenant();
      for (let i = 0; i < 3; i++) await take(tenant, 'a', 3);
      expect((await take(tenant, 'a', 3)).allowed).toBe(false);
      expect((await take(tenant, 'a', 4)).allowed).toBe(true);
      expect((await take(tenant, 'a', 2)).windows.caller.remaining).toBe(0);
    });

    it('lets no more through than the limit when all ask at once', async () => {
      const tenant = freshTenant();
      const answers = await Promise.all(Array.from({ length: 50 }, () => take(tenant, 'a', 20)));
      expect(answers.filter(({ allowed }) => allowed)).toHaveLength(20);
    });

    it('forgets what is over, and has room when it said so', async () => {
      const tenant = freshTenant();
      timed.clock.ms += 500;
      for (let i = 0; i < 2; i++) await take(tenant, 'a', 2);
      const { windows } = await take(tenant, 'a', 2);
      expect(windows.caller.freeInSeconds).toBe(RATE_WINDOW_SECONDS + 1);
      timed.clock.ms += (windows.caller.freeInSeconds - 1) * 1_000;
      expect((await take(tenant, 'a', 2)).windows.caller.freeInSeconds).toBe(1);
      timed.clock.ms += 1_000;
      expect(await take(tenant, 'a', 2)).toMatchObject({
        allowed: true,
        windows: { caller: { remaining: 1, freeInSeconds: RATE_WINDOW_SECONDS + 1 } },
      });
    });

    it('is never looser than an exact log of 60 seconds, nor stricter than one of 61 (W1, W2)', async () => {
      const request = fc.record({
        // Bursts, paces, and pauses in which windows empty.
        afterMs: fc.oneof(
          fc.constant(0),
          fc.integer({ min: 1, max: 1_500 }),
          fc.integer({ min: 1_500, max: 70_000 }),
        ),
        caller: fc.constantFrom('a', 'b', 'c'),
      });
      const limits = {
        caller: fc.integer({ min: 1, max: 6 }),
        tenant: fc.integer({ min: 1, max: 9 }),
      };
      let refused = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(request, { minLength: 1, maxLength: 60 }),
          fc.record(limits),
          fc.integer({ min: 0, max: 999 }),
          async (requests, limit, offset) => {
            const tenant = freshTenant();
            const log: { readonly at: number; readonly caller: string }[] = [];
            timed.clock.ms += offset;
            for (const { afterMs, caller } of requests) {
              timed.clock.ms += afterMs;
              const now = timed.clock.ms;
              const answer = await take(tenant, caller, limit.caller, limit.tenant);
              const within = (ms: number) => {
                const counted = log.filter(({ at }) => at > now - ms);
                const own = counted.filter((one) => one.caller === caller);
                return { caller: own.length, tenant: counted.length };
              };
              const exact = within(WINDOW_MS);
              const longer = within(WINDOW_MS + 1_000);
              if (answer.allowed) {
                log.push({ at: now, caller });
                expect(exact.caller).toBeLessThan(limit.caller);
                expect(exact.tenant).toBeLessThan(limit.tenant);
              } else {
                refused += 1;
                const full = longer.caller >= limit.caller || longer.tenant >= limit.tenant;
                expect(full).toBe(true);
              }
              const mine = answer.allowed ? 1 : 0;
              for (const which of ['caller', 'tenant'] as const) {
                const { remaining, freeInSeconds } = answer.windows[which];
                expect(remaining).toBeGreaterThanOrEqual(limit[which] - longer[which] - mine);
                expect(remaining).toBeLessThanOrEqual(
                  Math.max(limit[which] - exact[which] - mine, 0),
                );
                expect(freeInSeconds).toBeGreaterThanOrEqual(1);
                expect(freeInSeconds).toBeLessThanOrEqual(RATE_WINDOW_SECONDS + 1);
              }
            }
          },
        ),
        { numRuns: runs, seed },
      );
      // Else it would have shown nothing of W2.
      expect(refused).toBeGreaterThan(runs);
    });
  });
}
