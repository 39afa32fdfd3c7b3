/**
 * Windows of one process, by the monotonic clock.
 *
 *  L1 a request is counted before anybody else is asked, and given back where they refuse it: parallel
 *     requests cannot all see the same room.
 *  L2 at most MOST_WINDOWS are kept. Beyond that the one that was used longest ago is forgotten, with
 *     what it counted.
 */
import { LRUCache } from 'lru-cache';
import { RATE_WINDOW_SECONDS } from '#core/rate-limits.ts';
import type { Clock } from '#ports/clock.ts';
import type { RateAnswer, RateLimiter, RateRequest, WindowState } from '#ports/rate-limiter.ts';

const MOST_WINDOWS = 20_000;
/** The second that runs, and those before it that count. */
const SECONDS = RATE_WINDOW_SECONDS + 1;

export interface LocalRateLimiter extends RateLimiter {
  /** As `take`, at once; `giveBack` uncounts it. */
  reserve(request: RateRequest): RateAnswer & { giveBack(): void };
}

interface Window {
  /** Requests of second s at `s % SECONDS`. */
  readonly counts: Uint32Array;
  total: number;
  /** The latest that was looked at. */
  second: number;
}

export function createLocalRateLimiter(clock: Pick<Clock, 'monotonic'>): LocalRateLimiter {
  const windows = new LRUCache<string, Window>({ max: MOST_WINDOWS });

  function windowAt(key: string, second: number): Window {
    let window = windows.get(key);
    if (window === undefined) {
      window = { counts: new Uint32Array(SECONDS), total: 0, second };
      windows.set(key, window);
    }
    const { counts } = window;
    for (let s = Math.max(window.second, second - SECONDS) + 1; s <= second; s++) {
      window.total -= counts[s % SECONDS] as number;
      counts[s % SECONDS] = 0;
    }
    window.second = second;
    return window;
  }

  function reserve(request: RateRequest): ReturnType<LocalRateLimiter['reserve']> {
    const { tenant, caller, limits } = request;
    const second = Math.floor(clock.monotonic() / 1_000);
    // No id of a tenant has a blank.
    const ofCaller = windowAt(`${tenant} ${caller}`, second);
    const ofTenant = windowAt(tenant, second);
    const both = [ofCaller, ofTenant];
    const allowed = ofCaller.total < limits.caller && ofTenant.total < limits.tenant;
    if (allowed) for (const window of both) add(window, second, 1);
    return {
      allowed,
      windows: {
        caller: stateOf(ofCaller, limits.caller),
        tenant: stateOf(ofTenant, limits.tenant),
      },
      giveBack() {
        if (!allowed) return;
        for (const window of both) if (window.second - second < SECONDS) add(window, second, -1);
      },
    };
  }

  return { reserve, take: async (request) => reserve(request) };
}

function add(window: Window, second: number, count: 1 | -1): void {
  window.counts[second % SECONDS] = (window.counts[second % SECONDS] as number) + count;
  window.total += count;
}

function stateOf({ counts, total, second }: Window, limit: number): WindowState {
  let oldest = second;
  if (total > 0) {
    oldest = second - RATE_WINDOW_SECONDS;
    // The clock begins at no second in particular, so one may be below zero.
    while (counts[(oldest + SECONDS) % SECONDS] === 0) oldest += 1;
  }
  return { remaining: Math.max(limit - total, 0), freeInSeconds: oldest + SECONDS - second };
}
