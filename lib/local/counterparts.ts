import type { FunctionName, StartedBy } from '#config/functions.ts';
import { every } from '#functions/shared/every.ts';
import type { Clock } from '#ports/clock.ts';

/** Something that is done again and again, `everyMs` of real time after it ended. */
export interface Turn {
  readonly everyMs: number;
  /** Must not reject: what can fail logs for itself. */
  act(): Promise<void>;
}

/**
 * What this process does in the place of each deployed function that no request starts: a function of
 * the registry without a line does not compile, nor does a line without a function. The API is served
 * whole, and tasks of machines go to the step runner's own code.
 */
export type Counterparts = {
  readonly [Name in Exclude<
    FunctionName,
    StartedBy<'http'> | StartedBy<'machine-task' | 'platform-task'>
  >]:
    | readonly Turn[]
    /** Why there is nothing to do here. */
    | string;
};

/** Starts all of them; answers how to stop: resolves when the turns under way have ended. */
export function startCounterparts(clock: Clock, counterparts: Counterparts): () => Promise<void> {
  const turns = Object.values(counterparts).flatMap((each) =>
    typeof each === 'string' ? [] : each,
  );
  const stops = turns.map(({ everyMs, act }) => every(clock, everyMs, act));
  return async () => {
    await Promise.all(stops.map((stop) => stop()));
  };
}
