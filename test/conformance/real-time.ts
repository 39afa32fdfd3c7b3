import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '#ports/clock.ts';

/**
 * "Real" time of a test: it stands still while work is under way and is moved by the harness, so that
 * polls and leases run in their order without anybody waiting for them.
 */
export interface TestRealTime extends Pick<Clock, 'monotonic' | 'after'> {
  /** Fires what is due within `ms`, in order. */
  advance(ms: number): Promise<void>;
  /** Resolves when nothing is due at once. */
  quiet(): Promise<void>;
}

/** What is due this soon is due at once: nobody means to wait so short a time. */
const AT_ONCE_MS = 5;

interface Timer {
  readonly at: number;
  readonly callback: () => void;
  live: boolean;
}

export function createTestRealTime(): TestRealTime {
  let now = 0;
  let soon = 0;
  let timers: Timer[] = [];

  async function quiet(): Promise<void> {
    await nextTurn();
    while (soon > 0) await nextTurn();
  }

  return {
    monotonic: () => now,
    after(ms, callback) {
      const timer: Timer = { at: now + ms, callback, live: true };
      const fire = (): void => {
        if (!timer.live) return;
        timer.live = false;
        callback();
      };
      if (ms <= AT_ONCE_MS) {
        soon += 1;
        setImmediate(() => {
          soon -= 1;
          fire();
        });
      } else {
        timers.push(timer);
      }
      return {
        cancel() {
          timer.live = false;
        },
      };
    },
    async advance(ms) {
      const target = now + ms;
      for (;;) {
        timers = timers.filter(({ live }) => live);
        const due = timers.filter(({ at }) => at <= target).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        now = Math.max(now, due.at);
        due.live = false;
        due.callback();
        await quiet();
      }
      now = target;
    },
    quiet,
  };
}
