import type { Clock } from '#ports/clock.ts';

/**
 * What `work` comes to, or else, after so many real milliseconds, a rejection with what `late` makes.
 * Work that is late goes on for nobody: it must be harmless to leave alone.
 */
export function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  late: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => reject(late()));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
