/**
 * The only source of time, and it has two. Business time (`now`, `schedule`) is milliseconds since the
 * epoch and moves when a test or `POST /local/clock/advance` moves it: what definitions mean by
 * seconds. Real time (`monotonic`, `after`) never stands still and is never set: what leases, polls,
 * pauses, sockets and pools measure with. A pause in business time may never end.
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
  /** Calls back once when `ms` real milliseconds have passed; otherwise as `schedule`. */
  after(ms: number, callback: () => void): { cancel(): void };
}
