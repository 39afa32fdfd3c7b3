import { RUNNER_UNAVAILABLE } from '#core/asl/payload.ts';
import type { Clock } from '#ports/clock.ts';
import { RunsOnEngine } from './failure.ts';

/**
 * Real milliseconds between tries: in all less than the second that a Task has beside its step's own
 * time (`backstopSeconds`).
 */
const PAUSES_MS = [50, 200, 500];

/**
 * Tries again what a part of ours failed at: a session that was lost (a process that stands still for
 * 700 ms inside a transaction loses it), a server that restarts. What is tried must be right to repeat.
 * Whoever is given up here is repeated by the machine, after seconds of the machine's own time and
 * with the call that may have been made already.
 */
export async function patiently<T>(clock: Clock, act: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await act();
    } catch (error) {
      const pause = PAUSES_MS[tries];
      // Misuse of ours, the end of this process and what the log says do not pass.
      const lasts =
        error instanceof TypeError ||
        error instanceof RunsOnEngine ||
        (error as Error).name === RUNNER_UNAVAILABLE;
      if (pause === undefined || lasts) throw error;
      await new Promise<void>((resolve) => clock.after(pause, resolve));
    }
  }
}
