/**
 * Real time limits of calls that are under way. Sockets and statements run in real time also where
 * business time is virtual, so these are not the `Clock`'s timers.
 */
export interface Deadlines {
  /** The signal aborts after `ms` real milliseconds, unless cleared. Clearing twice is harmless. */
  after(ms: number): { readonly signal: AbortSignal; clear(): void };
}
