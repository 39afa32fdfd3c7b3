/**
 * The rows of one execution on their way into the store.
 *
 *  J1 rows are stored in the order in which they were added; those added while an append is under
 *     way go together in the next one.
 *  J2 after a failed or refused append nothing more is stored: what the store holds is unknown.
 */
import type { HistoryStore } from '#ports/history-store.ts';
import { type HistoryRow, storedRow } from './history.ts';

export interface JournalHost {
  readonly store: HistoryStore;
  readonly busy: <T>(work: Promise<T>) => Promise<T>;
  /** After each append, with what it held. */
  readonly onStored: (rows: readonly HistoryRow[]) => void;
  readonly onFault: (error: unknown) => void;
}

export class Journal {
  readonly #executionArn: string;
  readonly #host: JournalHost;
  #waiting: HistoryRow[] = [];
  #stored: number;
  #last: number;
  #flushing = false;
  #closed: string | null = null;
  #waiters: { readonly seq: number; readonly done: (error: Error | null) => void }[] = [];

  constructor(executionArn: string, stored: number, host: JournalHost) {
    this.#executionArn = executionArn;
    this.#stored = stored;
    this.#last = stored;
    this.#host = host;
  }

  /** The number of the last row that is durable. */
  get stored(): number {
    return this.#stored;
  }

  /** How many rows are not stored or being stored yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  add(row: HistoryRow): void {
    this.#waiting.push(row);
    this.#last = row.seq;
  }

  /** Begins to store what waits, unless that is under way. */
  flush(): void {
    if (this.#flushing || this.#closed !== null || this.#waiting.length === 0) return;
    this.#flushing = true;
    void this.#host.busy(this.#run());
  }

  /** Resolves when everything added so far is stored. */
  whenStored(): Promise<void> {
    const seq = this.#last;
    if (seq <= this.#stored) return Promise.resolve();
    if (this.#closed !== null) return Promise.reject(new Error(this.#closed));
    return new Promise((resolve, reject) => {
      const done = (error: Error | null): void => (error === null ? resolve() : reject(error));
      this.#waiters.push({ seq, done });
    });
  }

  close(reason: string): void {
    this.#closed ??= reason;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { done } of waiters) done(new Error(reason));
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && this.#closed === null) {
        const rows = this.#waiting;
        this.#waiting = [];
        const fits = await this.#host.store.append(this.#executionArn, rows.map(storedRow));
        if (!fits) throw new Error(`somebody else wrote the history of ${this.#executionArn}`);
        this.#stored += rows.length;
        const done = this.#waiters.filter(({ seq }) => seq <= this.#stored);
        this.#waiters = this.#waiters.filter(({ seq }) => seq > this.#stored);
        for (const waiter of done) waiter.done(null);
        this.#host.onStored(rows);
      }
      this.#flushing = false;
    } catch (error) {
      this.#host.onFault(error);
    }
  }
}
