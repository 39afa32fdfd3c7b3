/**
 * Stops asking what has stopped answering.
 *
 *  B1 An open breaker means nothing of its own: it fails as the call failed that opened it, so that whoever
 *     asks goes on as if it had asked, and sooner.
 *  B2 Only failures that `counts` tells of open it; any other answer shows that somebody is there.
 *  B3 One call at a time tries whether somebody is there again.
 *
 * Our own and not a library (cockatiel, opossum): both read the clock themselves, so that neither can be
 * tested without waiting, answer with an error of their own (B1), and are larger than what is left of a
 * function's megabyte.
 */
import { BREAKERS, type BreakerName } from '#config/breakers.ts';
import { METRICS } from '#config/metrics.ts';
import type { Clock } from '#ports/clock.ts';
import type { Metrics } from '#ports/metrics.ts';

export interface Breaker {
  run<T>(call: () => Promise<T>): Promise<T>;
  readonly isOpen: boolean;
}

export function createBreaker(
  name: BreakerName,
  {
    clock,
    metrics,
    counts = () => true,
  }: {
    readonly clock: Pick<Clock, 'monotonic'>;
    readonly metrics: Metrics;
    /** Default: every failure. */
    readonly counts?: (error: unknown) => boolean;
  },
): Breaker {
  const { failures, openMs } = BREAKERS[name];
  const Dependency = name;
  let inARow = 0;
  let last: unknown;
  /** Null: closed. */
  let openUntil: number | null = null;
  let isTrying = false;

  function failed(error: unknown, wasTrial: boolean): void {
    inARow += 1;
    last = error;
    if (!wasTrial && (openUntil !== null || inARow < failures)) return;
    if (!wasTrial) metrics.add(METRICS.BreakersOpened, { Dependency });
    openUntil = clock.monotonic() + openMs;
  }

  function answered(): void {
    inARow = 0;
    openUntil = null;
  }

  return {
    get isOpen() {
      return openUntil !== null;
    },
    async run(call) {
      if (openUntil !== null && (isTrying || clock.monotonic() < openUntil)) {
        metrics.add(METRICS.BreakerRefusals, { Dependency });
        throw last;
      }
      const isTrial = openUntil !== null;
      isTrying ||= isTrial;
      try {
        const value = await call();
        answered();
        return value;
      } catch (error) {
        if (counts(error)) failed(error, isTrial);
        else answered();
        throw error;
      } finally {
        if (isTrial) isTrying = false;
      }
    },
  };
}
