import { METRICS } from '#config/metrics.ts';
import type { Clock } from '#ports/clock.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';

/** Work that is repeated for as long as the process runs: once at a time, failures logged. */
export interface Loop {
  start(): void;
  /** Runs at once, or again right after the run that is under way. */
  soon(): void;
  /** Resolves when no run is under way and none will follow. */
  stop(): Promise<void>;
}

export function createLoop(
  clock: Clock,
  everyMs: number,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
  name: string,
  work: () => Promise<void>,
): Loop {
  let timer: { cancel(): void } | null = null;
  let current: Promise<void> | null = null;
  let again = false;
  let stopped = true;

  function arm(ms: number): void {
    timer?.cancel();
    timer = stopped ? null : clock.after(ms, run);
  }

  function run(): void {
    timer = null;
    if (stopped || current !== null) return;
    again = false;
    current = work()
      .catch((error: unknown) => {
        log.error('ENGINE_LOOP_FAILED', { part: name, error });
        metrics.add(METRICS.EngineFailures, { Reason: name });
      })
      .then(() => {
        current = null;
        if (again) run();
        else arm(everyMs);
      });
  }

  return {
    start() {
      stopped = false;
      arm(0);
    },
    soon() {
      if (stopped) return;
      if (current !== null) again = true;
      else arm(0);
    },
    async stop() {
      stopped = true;
      timer?.cancel();
      timer = null;
      await current;
    },
  };
}
