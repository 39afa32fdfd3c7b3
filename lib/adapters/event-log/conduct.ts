import type { Clock } from '#ports/clock.ts';
import type { LogBatch, LogMessage, LogReader } from '#ports/event-log.ts';
import type { Log } from '#ports/log.ts';

/** Real milliseconds before what was not handled comes again; each time twice as long. */
const PAUSE_MS = 100;
const MOST_PAUSE_MS = 5_000;

/** A wait in real time that ends early when its owner closes. */
export interface Pauses {
  readonly closed: boolean;
  wait(ms: number): Promise<void>;
  close(): void;
}

export function createPauses(clock: Clock): Pauses {
  const waiting = new Set<() => void>();
  let closed = false;
  return {
    get closed() {
      return closed;
    },
    wait(ms) {
      if (closed) return Promise.resolve();
      return new Promise((resolve) => {
        const done = (): void => {
          timer.cancel();
          waiting.delete(done);
          resolve();
        };
        const timer = clock.after(ms, done);
        waiting.add(done);
      });
    },
    close() {
      closed = true;
      for (const done of waiting) done();
    },
  };
}

/**
 * Has a reader handle one batch of one partition, as often as it takes. `commit` is told the last message
 * that was handled; `ours` says whether the partition is still this reader's. Ends early, with what is left
 * uncommitted, when it is not or when its owner closes.
 */
export async function conduct(
  reader: LogReader,
  batch: LogBatch,
  deps: {
    readonly pauses: Pauses;
    readonly log: Log;
    readonly ours: () => boolean;
    readonly commit: (last: LogMessage) => Promise<void>;
  },
): Promise<void> {
  const { group, topic } = reader;
  let left = batch.messages;
  for (let failures = 0; left.length > 0; failures++) {
    if (!deps.ours()) return;
    let done = 0;
    try {
      done = Math.max(0, Math.min(left.length, await reader.handle({ ...batch, messages: left })));
    } catch (error) {
      deps.log.warn('EVENTS_NOT_HANDLED', { group, topic, count: left.length, error });
    }
    const last = left[done - 1];
    if (last !== undefined) {
      await deps.commit(last);
      left = left.slice(done);
      failures = 0;
    }
    if (left.length === 0 || deps.pauses.closed) return;
    await deps.pauses.wait(Math.min(MOST_PAUSE_MS, PAUSE_MS * 2 ** Math.min(failures, 10)));
    if (deps.pauses.closed) return;
  }
}
