import type { Outcome } from '#core/execution/commands.ts';
import type { Clock } from '#ports/clock.ts';
import type { Work } from './perform.ts';

/** What one execution has going on outside, by the id of its command: each at most once at a time. */
export interface Undertakings {
  readonly size: number;
  has(id: string): boolean;
  start(work: Work): void;
  /** Its result no longer matters. */
  abandon(id: string): void;
  abandonAllBut(ids: ReadonlySet<string>): void;
}

export interface UndertakingsHost {
  readonly clock: Clock;
  /** `wait`: not now. `leave`: not here, the next owner gets it from the log. */
  permission(): 'go' | 'wait' | 'leave';
  perform(work: Work, signal: AbortSignal): Promise<Outcome | null>;
  /** A part of ours was away; it is tried again. */
  failed(id: string, error: unknown): void;
  /** Null: it is over and there is nothing to tell. */
  done(outcome: Outcome | null): void;
}

/** Between tries of a command for which a part of ours was away. */
const REPEAT_DELAYS_MS = [50, 200, 1_000, 5_000];

export function createUndertakings(host: UndertakingsHost): Undertakings {
  const running = new Map<string, AbortController>();

  /** Repeats until the outside has answered, or nobody wants the answer any more. */
  async function pursue(work: Work, signal: AbortSignal): Promise<void> {
    for (let tries = 0; !signal.aborted; tries++) {
      const permission = host.permission();
      if (permission === 'leave') {
        running.delete(work.id);
        host.done(null);
        return;
      }
      if (permission === 'go') {
        try {
          const outcome = await host.perform(work, signal);
          if (signal.aborted) return;
          running.delete(work.id);
          host.done(outcome);
          return;
        } catch (error) {
          if (signal.aborted) return;
          host.failed(work.id, error);
        }
      }
      const delay = REPEAT_DELAYS_MS[Math.min(tries, REPEAT_DELAYS_MS.length - 1)] as number;
      await new Promise<void>((resolve) => {
        host.clock.after(delay, resolve);
      });
    }
  }

  function abandon(id: string): void {
    running.get(id)?.abort();
    running.delete(id);
  }

  return {
    get size() {
      return running.size;
    },
    has: (id) => running.has(id),
    start(work) {
      if (running.has(work.id)) return;
      const controller = new AbortController();
      running.set(work.id, controller);
      void pursue(work, controller.signal);
    },
    abandon,
    abandonAllBut(ids) {
      for (const id of [...running.keys()]) if (!ids.has(id)) abandon(id);
    },
  };
}
