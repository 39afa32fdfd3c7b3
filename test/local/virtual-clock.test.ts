import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '#local/virtual-clock.ts';

describe('virtual clock', () => {
  it('stands still until it is advanced', async () => {
    const clock = createVirtualClock({ start: 1000 });
    let fired = false;
    clock.schedule(1001, () => {
      fired = true;
    });
    await clock.settle();
    expect([clock.now(), fired, clock.pending]).toEqual([1000, false, 1]);
    await clock.advance(1);
    expect([clock.now(), fired, clock.pending]).toEqual([1001, true, 0]);
  });

  it('fires in order of time, then of scheduling, each at its own time', async () => {
    const clock = createVirtualClock();
    const fired: string[] = [];
    for (const [name, at] of Object.entries({ c: 30, a: 10, d: 30, b: 20 })) {
      clock.schedule(at, () => fired.push(`${name}@${clock.now()}`));
    }
    await clock.advance(25);
    expect(fired).toEqual(['a@10', 'b@20']);
    expect(clock.now()).toBe(25);
    await clock.advance(25);
    expect(fired).toEqual(['a@10', 'b@20', 'c@30', 'd@30']);
    expect(clock.now()).toBe(50);
  });

  it('fires what released work schedules inside the same move in its right place', async () => {
    const clock = createVirtualClock();
    const fired: string[] = [];
    clock.schedule(10, () => {
      void Promise.resolve()
        .then(() => undefined)
        .then(() => clock.schedule(clock.now() + 5, () => fired.push(`inner@${clock.now()}`)));
    });
    clock.schedule(20, () => fired.push(`outer@${clock.now()}`));
    await clock.advance(100);
    expect(fired).toEqual(['inner@15', 'outer@20']);
  });

  it('calls back for a time that has come without being advanced, but not synchronously', async () => {
    const clock = createVirtualClock({ start: 50 });
    const fired: number[] = [];
    clock.schedule(50, () => fired.push(clock.now()));
    expect(fired).toEqual([]);
    await Promise.resolve();
    expect(fired).toEqual([50]);
  });

  it('does not fire what was cancelled, also twice or when due', async () => {
    const clock = createVirtualClock();
    const fired: string[] = [];
    const later = clock.schedule(10, () => fired.push('later'));
    const due = clock.schedule(0, () => fired.push('due'));
    later.cancel();
    later.cancel();
    due.cancel();
    await clock.advance(20);
    expect(fired).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('waits for settlers between timers', async () => {
    const clock = createVirtualClock();
    let open: Promise<void> = Promise.resolve();
    const seen: string[] = [];
    const remove = clock.addSettler(() => open);
    clock.schedule(1, () => {
      open = new Promise((resolve) => {
        setTimeout(() => {
          seen.push('work');
          resolve();
        }, 5);
      });
    });
    clock.schedule(2, () => seen.push('second'));
    await clock.advance(10);
    expect(seen).toEqual(['work', 'second']);
    remove();
  });

  it('serialises moves', async () => {
    const clock = createVirtualClock();
    await Promise.all([clock.advance(10), clock.advance(5)]);
    expect(clock.now()).toBe(15);
  });

  it('moves to the next timer and says when there is none', async () => {
    const clock = createVirtualClock();
    clock.schedule(7, () => undefined);
    expect(await clock.advanceToNext()).toBe(true);
    expect(clock.now()).toBe(7);
    expect(await clock.advanceToNext()).toBe(false);
    expect(clock.now()).toBe(7);
  });

  it('keeps order and count over many timers, half of them cancelled', async () => {
    const clock = createVirtualClock();
    const fired: number[] = [];
    let seed = 1;
    for (let i = 0; i < 500; i++) {
      seed = (seed * 48271) % 2147483647;
      const at = 1 + (seed % 97);
      const timer = clock.schedule(at, () => fired.push(at));
      if (i % 2 === 0) timer.cancel();
    }
    expect(clock.pending).toBe(250);
    await clock.advance(100);
    expect(fired).toHaveLength(250);
    expect(fired).toEqual([...fired].sort((a, b) => a - b));
  });

  it('refuses to go back and refuses times that are none', async () => {
    const clock = createVirtualClock();
    await expect(clock.advance(-1)).rejects.toThrow(/cannot advance/);
    await expect(clock.advance(Number.NaN)).rejects.toThrow(/cannot advance/);
    expect(() => clock.schedule(Number.NaN, () => undefined)).toThrow(/not a time/);
  });

  it('keeps each time before anybody sees it, and none that it passes over', async () => {
    const seen: string[] = [];
    const clock = createVirtualClock({
      start: 5,
      keep: async (time) => {
        seen.push(`kept ${time} at ${clock.now()}`);
        // Made while the time is on its way into the store: still in its right place.
        if (time === 20) clock.schedule(15, () => seen.push(`fired at ${clock.now()}`));
      },
    });
    clock.schedule(20, () => seen.push(`fired at ${clock.now()}`));
    await clock.advance(25);
    expect(seen).toEqual(['kept 20 at 5', 'fired at 15', 'fired at 20', 'kept 30 at 20']);
    expect(clock.now()).toBe(30);
  });

  it('a time that cannot be kept is not reached', async () => {
    const clock = createVirtualClock({ keep: () => Promise.reject(new Error('disk full')) });
    await expect(clock.advance(10)).rejects.toThrow('disk full');
    expect(clock.now()).toBe(0);
  });
});
