import { createSystemClock } from '#adapters/local/system-clock.ts';
import type { Clock } from '#ports/clock.ts';

/**
 * A clock whose two times stand still until a test moves them, so that what is said to hold within a time
 * is seen at that time, however slow the machine is. Timers are the machine's.
 */
export interface HeldClock extends Clock {
  /** Business time and real time alike. */
  pass(ms: number): void;
}

export function createHeldClock(): HeldClock {
  const system = createSystemClock();
  let now = system.now();
  let monotonic = system.monotonic();
  return {
    ...system,
    now: () => now,
    monotonic: () => monotonic,
    pass(ms) {
      now += ms;
      monotonic += ms;
    },
  };
}
