/**
 * A clock that moves only when it is told to.
 *
 * Owns business time of a local stack or a test; its real time is the machine's. `advance` goes timer by timer: before each timer
 * it lets the work that the previous one released come to rest, so that what this work schedules
 * still fires in its right place.
 *
 *  V1 time never goes back and never passes a timer that is due.
 *  V2 timers fire in order of their time, and in order of scheduling where times are equal.
 *  V3 moves are serial: a second `advance` begins when the first has ended.
 *  V4 a time is kept before anybody sees it, so that a process that was killed goes on no earlier
 *     than what it recorded.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterReal } from '#adapters/local/system-clock.ts';
import type { Clock } from '#ports/clock.ts';

/** Resolves when the work it stands for is at rest: only timers or the outside can wake it. */
export type Settler = () => Promise<void>;

export interface VirtualClock extends Clock {
  /**
   * Moves business time by `ms`, firing each due timer on the way, and resolves when all is quiet.
   * Never await it inside a settler: the clock would wait for itself.
   */
  advance(ms: number): Promise<void>;
  /** Moves to the earliest timer and fires all that are due there; false when there is none. */
  advanceToNext(): Promise<boolean>;
  /** Lets released work come to rest without moving time. */
  settle(): Promise<void>;
  /**
   * Adds something to wait for between timers, for work which leaves the process (a database, an
   * evaluator). In-process promises need none. The answer removes it again.
   */
  addSettler(settler: Settler): () => void;
  /** Timers that have not fired. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
  live: boolean;
}

export interface VirtualClockOptions {
  readonly start?: number;
  /** How many turns of the event loop a settle gives to work that is not a settler's. */
  readonly turns?: number;
  /** Keeps a time for the next start; awaited before time gets there. */
  readonly keep?: (time: number) => Promise<void>;
}

export function createVirtualClock(options: VirtualClockOptions = {}): VirtualClock {
  let now = options.start ?? 0;
  let kept = now;
  const turns = options.turns ?? 3;
  let order = 0;
  let pending = 0;
  let heap: Timer[] = [];
  const settlers = new Set<Settler>();
  let moves: Promise<unknown> = Promise.resolve();

  function fire(timer: Timer): void {
    if (!timer.live) return;
    timer.live = false;
    pending -= 1;
    timer.callback();
  }

  function earliest(): Timer | undefined {
    for (let timer = heap[0]; timer !== undefined; timer = heap[0]) {
      if (timer.live) return timer;
      popTimer(heap);
    }
    return undefined;
  }

  async function settle(): Promise<void> {
    // A settler may be quiet only until a turn runs, so turns and settlers alternate.
    for (let turn = 0; turn < turns; turn++) {
      await nextTurn();
      for (const settler of [...settlers]) await settler();
    }
  }

  async function moveTo(target: number): Promise<void> {
    await settle();
    for (;;) {
      const next = Math.min(earliest()?.at ?? target, target);
      if (options.keep !== undefined && next > kept) {
        await options.keep(next);
        kept = next;
      }
      const timer = earliest();
      if (timer !== undefined && timer.at < next) continue; // made while the time was being kept
      now = Math.max(now, next);
      if (timer !== undefined && timer.at <= next) {
        fire(timer);
        await settle();
      } else if (next === target) return;
    }
  }

  function serially<T>(move: () => Promise<T>): Promise<T> {
    const result = moves.then(move);
    // The caller hears of a failed move; the next move must still run.
    moves = result.catch(() => undefined);
    return result;
  }

  return {
    now: () => now,
    monotonic: () => performance.now(),
    schedule(at, callback) {
      if (!Number.isFinite(at)) throw new TypeError(`timer at ${at} is not a time`);
      const timer: Timer = { at, order: order++, callback, live: true };
      pending += 1;
      if (at <= now) queueMicrotask(() => fire(timer));
      else pushTimer(heap, timer);
      return {
        cancel() {
          if (!timer.live) return;
          timer.live = false;
          pending -= 1;
          // Cancelled timers leave when they reach the top, or here once they are the most.
          if (heap.length > 64 && heap.length > pending * 2) {
            const live = heap.filter((each) => each.live);
            heap = [];
            for (const each of live) pushTimer(heap, each);
          }
        },
      };
    },
    after: afterReal,
    advance(ms) {
      if (!(ms >= 0))
        return Promise.reject(new TypeError(`cannot advance by ${ms} ms; use 0 or more`));
      return serially(() => moveTo(now + ms));
    },
    advanceToNext() {
      return serially(async () => {
        await settle();
        const next = earliest();
        if (next === undefined) return false;
        await moveTo(next.at);
        return true;
      });
    },
    settle: () => serially(settle),
    addSettler(settler) {
      settlers.add(settler);
      return () => {
        settlers.delete(settler);
      };
    },
    get pending() {
      return pending;
    },
  };
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function pushTimer(heap: Timer[], timer: Timer): void {
  let at = heap.push(timer) - 1;
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up] as Timer;
    if (!before(timer, parent)) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = timer;
}

function popTimer(heap: Timer[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    const left = heap[child];
    if (left === undefined) break;
    const right = heap[child + 1];
    let least = left;
    if (right !== undefined && before(right, left)) {
      child += 1;
      least = right;
    }
    if (!before(least, last)) break;
    heap[at] = least;
    at = child;
  }
  heap[at] = last;
}
