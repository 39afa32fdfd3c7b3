/**
 * The only source of time. `now` is business time in milliseconds since the epoch and moves when a
 * test or `POST /local/clock/advance` moves it; `monotonic` is real and is what sockets, leases and
 * pools measure with.
 */
export interface Clock {
  now(): number;
  /** Real elapsed milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /**
   * Calls back once when `now() >= at` (business time). Cancelling twice is harmless. The callback
   * must not throw.
   */
  schedule(at: number, callback: () => void): { cancel(): void };
}
