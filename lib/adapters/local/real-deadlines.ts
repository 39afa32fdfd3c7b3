import type { Deadlines } from '#ports/deadlines.ts';

/** Deadlines on the machine's own timers. At most 2^31 - 1 ms, far above any attempt's limit. */
export function createRealDeadlines(): Deadlines {
  return {
    after(ms) {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), Math.min(ms, 2 ** 31 - 1));
      return { signal: controller.signal, clear: () => clearTimeout(timer) };
    },
  };
}
