/**
 * Group commit with natural batching: what arrives while a batch is being written forms the next.
 *
 *  B1 no timer: an idle batcher writes at once, a busy one as soon as a lane is free;
 *  B2 at most `lanes` writes at a time and `maxItems` (or `maxWeight`) in one;
 *  B3 a batch that fails is halved until the item which fails is alone: only its caller hears;
 *  B4 at most `maxWaiting` items wait: one more is refused rather than kept.
 */
export interface BatcherOptions<I, O> {
  readonly lanes: number;
  readonly maxItems: number;
  readonly maxWaiting: number;
  /** Counts towards `maxWeight`, e.g. bytes; absent: 1 each and no limit. */
  readonly weigh?: (item: I) => number;
  readonly maxWeight?: number;
  /** Answers one result per item, in order, or throws when nothing was written. */
  readonly write: (items: readonly I[]) => Promise<readonly O[]>;
  /**
   * Whether halving can help: false for a lost connection, where every half would fail too and
   * what was written is unknown.
   */
  readonly divisible: (error: unknown) => boolean;
  /** Items that share any of these keys never share a batch. */
  readonly exclusive?: (item: I) => readonly string[];
}

export interface Batcher<I, O> {
  add(item: I): Promise<O>;
  /** Resolves when nothing waits and nothing is being written. */
  drained(): Promise<void>;
  readonly waiting: number;
  /** Nothing waits and nothing is being written. */
  readonly idle: boolean;
}

export class BatcherFull extends Error {
  constructor(limit: number) {
    super(`more than ${limit} writes are waiting`);
    this.name = 'BatcherFull';
  }
}

interface Entry<I, O> {
  readonly item: I;
  readonly resolve: (answer: O) => void;
  readonly reject: (error: unknown) => void;
}

export function createBatcher<I, O>(options: BatcherOptions<I, O>): Batcher<I, O> {
  const { lanes, maxItems, maxWaiting, maxWeight = Number.POSITIVE_INFINITY } = options;
  let queue: Entry<I, O>[] = [];
  let busy = 0;
  let scheduled = false;
  let idle: (() => void)[] = [];

  function take(): Entry<I, O>[] {
    if (
      options.exclusive === undefined &&
      options.weigh === undefined &&
      queue.length <= maxItems
    ) {
      const all = queue;
      queue = [];
      return all;
    }
    const batch: Entry<I, O>[] = [];
    const later: Entry<I, O>[] = [];
    const seen = new Set<string>();
    let weight = 0;
    let at = 0;
    for (; at < queue.length && batch.length < maxItems; at++) {
      const entry = queue[at] as Entry<I, O>;
      const keys = options.exclusive?.(entry.item) ?? [];
      if (keys.some((key) => seen.has(key))) {
        later.push(entry);
        continue;
      }
      weight += options.weigh?.(entry.item) ?? 1;
      if (batch.length > 0 && weight > maxWeight) break;
      for (const key of keys) seen.add(key);
      batch.push(entry);
    }
    queue = later.length === 0 ? queue.slice(at) : [...later, ...queue.slice(at)];
    return batch;
  }

  async function write(batch: readonly Entry<I, O>[]): Promise<void> {
    let answers: readonly O[];
    try {
      answers = await options.write(batch.map((entry) => entry.item));
    } catch (error) {
      if (batch.length > 1 && options.divisible(error)) {
        const half = batch.length >> 1;
        await write(batch.slice(0, half));
        await write(batch.slice(half));
      } else {
        for (const entry of batch) entry.reject(error);
      }
      return;
    }
    for (let i = 0; i < batch.length; i++) {
      (batch[i] as Entry<I, O>).resolve(answers[i] as O);
    }
  }

  function pump(): void {
    scheduled = false;
    while (busy < lanes && queue.length > 0) {
      busy += 1;
      // `write` settles every entry and never rejects.
      void write(take()).then(() => {
        busy -= 1;
        if (queue.length > 0) pump();
        else if (busy === 0) {
          const waiters = idle;
          idle = [];
          for (const resolve of waiters) resolve();
        }
      });
    }
  }

  return {
    add(item) {
      if (queue.length >= maxWaiting) return Promise.reject(new BatcherFull(maxWaiting));
      return new Promise((resolve, reject) => {
        queue.push({ item, resolve, reject });
        if (busy < lanes && !scheduled) {
          // What the same turn of the loop brings goes together.
          scheduled = true;
          setImmediate(pump);
        }
      });
    },
    drained() {
      if (busy === 0 && queue.length === 0) return Promise.resolve();
      return new Promise((resolve) => idle.push(resolve));
    },
    get waiting() {
      return queue.length;
    },
    get idle() {
      return busy === 0 && queue.length === 0;
    },
  };
}
