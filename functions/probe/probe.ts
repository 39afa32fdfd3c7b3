import { METRICS } from '#config/metrics.ts';
import type { Clock } from '#ports/clock.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';

/** Within the minute until the next one begins, and over before that. */
export const PROBE = { times: 6, everyMs: 10_000, waitMs: 5_000 } as const;

interface ProbeDeps {
  /** What must answer. */
  readonly url: string;
  /** A word; null: it answered. */
  readonly whyUnanswered: (url: string, ms: number) => Promise<string | null>;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly metrics: Metrics & { flush(): void };
  readonly log: Log;
}

/**
 * Asks several times and tells of each at once, so that an alarm need not wait for the end. It tells
 * only that there is no answer; whether a region is lost, a person says.
 */
export function createProbe({ url, whyUnanswered, clock, metrics, log }: ProbeDeps) {
  return async (): Promise<{ readonly asked: number; readonly unanswered: number }> => {
    const from = clock.monotonic();
    let unanswered = 0;
    for (let asked = 0; asked < PROBE.times; asked++) {
      await pause(clock, from + asked * PROBE.everyMs - clock.monotonic());
      const why = await whyUnanswered(url, PROBE.waitMs);
      if (why !== null) {
        unanswered++;
        log.warn('REGION_UNANSWERED', { reason: why });
      }
      metrics.add(METRICS.RegionUnanswered, {}, why === null ? 0 : 1);
      metrics.flush();
    }
    return { asked: PROBE.times, unanswered };
  };
}

function pause(clock: Pick<Clock, 'after'>, ms: number): Promise<void> {
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve) => clock.after(ms, resolve));
}
