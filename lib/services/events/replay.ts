import type { Clock } from '#ports/clock.ts';
import type { EventLog, LogBatch } from '#ports/event-log.ts';

export interface ReplayRequest {
  readonly topic: string;
  /** A group of nobody's, made for this once. */
  readonly group: string;
  /** Milliseconds; 0: from the earliest that the log still has. */
  readonly from: number;
  readonly most: number;
}

export interface Replayed {
  readonly read: number;
  /** Messages that could not be handled at the moment: the replay stopped before them. */
  readonly left: boolean;
}

/** So long without a message, and there are no more. */
const QUIET_MS = 3_000;

/**
 * Reads a topic again from a time to its end and hands it to a reader, beside whoever reads it anyway.
 * What the reader has made something of it knows by its id, so only what it has missed has an effect.
 */
export async function replay(
  deps: { readonly log: EventLog; readonly clock: Clock },
  request: ReplayRequest,
  handle: (batch: LogBatch) => Promise<number>,
): Promise<Replayed> {
  const { log, clock } = deps;
  const { topic, group, most } = request;
  const began = clock.now();
  await log.seek(group, topic, request.from);
  let read = 0;
  let left = false;
  await new Promise<void>((resolve) => {
    let timer: { cancel(): void } | null = null;
    const subscription = log.subscribe({
      group,
      topic,
      most,
      async handle(batch) {
        timer?.cancel();
        if (left) return 0;
        // What came since is for those who read the topic anyway.
        const old = batch.messages.filter(({ at }) => at <= began);
        const done = old.length === 0 ? 0 : await handle({ ...batch, messages: old });
        read += done;
        left = done < old.length;
        arm();
        return left ? done : batch.messages.length;
      },
    });
    let closing = false;
    function arm(): void {
      timer?.cancel();
      timer = clock.after(left ? 0 : QUIET_MS, () => {
        if (closing) return;
        closing = true;
        void subscription.close().then(resolve);
      });
    }
    arm();
  });
  return { read, left };
}
