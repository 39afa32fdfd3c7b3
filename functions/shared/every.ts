import type { Clock } from '#ports/clock.ts';

/**
 * Does something again and again, `pauseMs` of real time after it ended, first at once. Answers how to stop: resolves
 * when the turn under way has ended. `act` must not reject: what can fail logs for itself.
 */
export function every(
  clock: Clock,
  pauseMs: number,
  act: () => Promise<void>,
): () => Promise<void> {
  let stopped = false;
  let timer: { cancel(): void } | null = null;
  let turn: Promise<void> = Promise.resolve();
  const next = (): void => {
    turn = act().finally(() => {
      if (!stopped) timer = clock.after(pauseMs, next);
    });
  };
  next();
  return async () => {
    stopped = true;
    timer?.cancel();
    await turn;
  };
}
