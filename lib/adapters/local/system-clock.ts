import type { Clock } from '#ports/clock.ts';

/** The longest delay that Node's timers keep; a longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** The clock of the machine. Distant timers are chained, and early ones are armed again. */
export function createSystemClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    schedule(at, callback) {
      if (!Number.isFinite(at)) throw new TypeError(`timer at ${at} is not a time`);
      let handle: NodeJS.Timeout;
      const arm = (): void => {
        // setTimeout keeps monotonic time and wall time may have been set back: look again.
        const delay = Math.min(Math.max(at - Date.now(), 0), LONGEST_DELAY_MS);
        handle = setTimeout(() => {
          if (Date.now() >= at) callback();
          else arm();
        }, delay);
      };
      arm();
      return { cancel: () => clearTimeout(handle) };
    },
    after: afterReal,
  };
}

/** The `after` of every clock outside tests: Node's timers run in monotonic time. */
export function afterReal(ms: number, callback: () => void): { cancel(): void } {
  if (!(ms <= LONGEST_DELAY_MS)) throw new TypeError(`a pause of ${ms} ms is too long`);
  const handle = setTimeout(callback, ms);
  return { cancel: () => clearTimeout(handle) };
}
