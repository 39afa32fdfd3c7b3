/**
 * The limiter of a process, with windows that all processes share where they can be had.
 *
 *  F1 Whoever has used up their limit in this process is refused, whatever the shared windows say: they
 *     may have been emptied a moment ago.
 *  F2 Without an answer of the shared windows those of this process count alone. Nobody is refused because
 *     the cache is away, none is let through uncounted, and none waits longer than a command may take.
 */
import type { Breaker } from '#adapters/breaker/breaker.ts';
import type { LocalRateLimiter } from '#adapters/local/rate-limiter.ts';
import { METRICS } from '#config/metrics.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { RateAnswer, RateLimiter, WindowState } from '#ports/rate-limiter.ts';

export function createBackedRateLimiter({
  local,
  shared,
  breaker,
  metrics,
}: {
  readonly local: LocalRateLimiter;
  /** Null: there is none, or none yet. */
  readonly shared: () => RateLimiter | null;
  readonly breaker: Breaker;
  readonly metrics: Metrics;
}): RateLimiter {
  return {
    async take(request) {
      const own = local.reserve(request);
      const limiter = shared();
      if (!own.allowed || limiter === null) return own;
      let answer: RateAnswer;
      try {
        answer = await breaker.run(() => limiter.take(request));
      } catch {
        // Told by the breaker, by the connection, and here.
        metrics.add(METRICS.RateLimitsAlone, {});
        return own;
      }
      if (!answer.allowed) own.giveBack();
      return {
        allowed: answer.allowed,
        windows: {
          caller: fuller(own.windows.caller, answer.windows.caller),
          tenant: fuller(own.windows.tenant, answer.windows.tenant),
        },
      };
    },
  };
}

function fuller(a: WindowState, b: WindowState): WindowState {
  return a.remaining < b.remaining ? a : b;
}
