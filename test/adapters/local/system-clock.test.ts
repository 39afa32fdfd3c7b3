import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createSystemClock } from '#adapters/local/system-clock.ts';

describe('system clock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('chains a timer that is further away than Node can keep', () => {
    const clock = createSystemClock();
    const fired: number[] = [];
    const distance = 2 ** 31 * 3;
    clock.schedule(1_000_000 + distance, () => fired.push(clock.now()));
    vi.advanceTimersByTime(distance - 1);
    expect(fired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(fired).toEqual([1_000_000 + distance]);
  });

  it('waits on when the wall clock was set back meanwhile', () => {
    const clock = createSystemClock();
    let fired = 0;
    clock.schedule(1_000_100, () => {
      fired += 1;
    });
    vi.setSystemTime(999_950);
    vi.advanceTimersByTime(100);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(50);
    expect(fired).toBe(1);
  });

  it('cancels, also a chained timer and twice', () => {
    const clock = createSystemClock();
    const timer = clock.schedule(1_000_000 + 2 ** 32, () => {
      throw new Error('was cancelled');
    });
    vi.advanceTimersByTime(2 ** 31);
    timer.cancel();
    timer.cancel();
    vi.advanceTimersByTime(2 ** 32);
    expect(vi.getTimerCount()).toBe(0);
  });
});
