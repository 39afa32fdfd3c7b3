import type { Clock } from '#ports/clock.ts';

/** The timers of one execution, with one timer of the clock for the earliest. */
export interface Alarm {
  /** A timer of the same name is replaced. */
  set(id: string, dueAt: number): void;
  clear(id: string): void;
  clearAll(): void;
  /** Call after changes. */
  arm(): void;
  /** When the earliest is due; null: none. */
  readonly next: number | null;
}

/** `ring` is told at what time it was that something was due. */
export function createAlarm(clock: Clock, ring: (at: number) => void): Alarm {
  const timers = new Map<string, number>();
  let armed: { readonly at: number; cancel(): void } | null = null;

  function arm(): void {
    let at = Number.POSITIVE_INFINITY;
    for (const dueAt of timers.values()) at = Math.min(at, dueAt);
    if (armed !== null && armed.at === at) return;
    armed?.cancel();
    armed = null;
    if (at === Number.POSITIVE_INFINITY) return;
    const timer = clock.schedule(at, () => {
      armed = null;
      const now = Math.max(at, clock.now());
      for (const [id, dueAt] of timers) if (dueAt <= now) timers.delete(id);
      arm();
      ring(now);
    });
    armed = { at, cancel: () => timer.cancel() };
  }

  return {
    set: (id, dueAt) => {
      timers.set(id, dueAt);
    },
    clear: (id) => {
      timers.delete(id);
    },
    clearAll() {
      timers.clear();
      arm();
    },
    arm,
    get next() {
      return armed?.at ?? null;
    },
  };
}
