import type { Clock } from '#ports/clock.ts';

/**
 * How long an answer takes that must not tell whether an account exists: longer than making a token and
 * asking for a mail takes, which is about 20 ms on a quiet machine. Where PostgreSQL itself is slower
 * than that, everything is, and what is left is within its noise.
 */
const LEAST_MS = 200;

/** Does the work, and ends no sooner than whoever has less to do: by an error too. */
export async function noSooner(
  clock: Pick<Clock, 'after'>,
  work: () => Promise<void>,
): Promise<void> {
  const { promise: least, resolve } = Promise.withResolvers<void>();
  clock.after(LEAST_MS, resolve);
  try {
    await work();
  } finally {
    await least;
  }
}
