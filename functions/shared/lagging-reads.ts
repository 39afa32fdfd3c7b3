import { METRICS } from '#config/metrics.ts';
import type { Clock } from '#ports/clock.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import { within } from './within.ts';

/** How long a reader may take before the writer is asked instead, in real milliseconds. */
const ANSWER_MS = 2_000;
/** Readers that did not answer are left alone for so long. */
const REST_MS = 10_000;

/**
 * Asks readers of the database, and the writer where they do not answer, or refuse: they may not have
 * heard yet of what the caller has just made, so only the writer says that something is not there.
 */
export type LaggingReads = <T>(reader: () => Promise<T>, writer: () => Promise<T>) => Promise<T>;

export function createLaggingReads({
  clock,
  log,
  metrics,
}: {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}): LaggingReads {
  let restUntil = Number.NEGATIVE_INFINITY;

  return async (reader, writer) => {
    if (clock.monotonic() < restUntil) return writer();
    try {
      // The database ends what takes too long.
      return await within(clock, ANSWER_MS, reader(), unanswered);
    } catch (error) {
      if (!isRefusal(error)) {
        metrics.add(METRICS.ReadersUnanswered, {});
        if (clock.monotonic() >= restUntil) log.warn('READERS_AWAY', { error });
        restUntil = clock.monotonic() + REST_MS;
      }
    }
    return writer();
  };
}

function unanswered(): Error {
  return new Error(`a reader of the database has not answered within ${ANSWER_MS} ms`);
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'CloudFlowError';
}
