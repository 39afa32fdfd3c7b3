import type { Run } from '#evaluator/evaluator-process.ts';
import type { Priority } from '#evaluator/spawn-limited.ts';

/** Where a piece of work waits, and the processes that it waits for; see pool.ts. */
export type Lane = 'quick' | 'heavy' | 'probation';

export type ByLane<T> = { readonly [L in Lane]: T };

export const LANES: readonly Lane[] = ['quick', 'heavy', 'probation'];

/** Who waits for a quick answer must not wait for the processor; the others may. */
export const PRIORITIES: ByLane<Priority> = { quick: 'normal', heavy: 'low', probation: 'idle' };

/** Who helps where no process of a lane is up. */
export const STAND_IN: ByLane<Lane | null> = {
  quick: 'heavy',
  heavy: 'probation',
  probation: null,
};

/** Of the time of an expression: what a quick run may take; most take a hundredth of that. */
const QUICK_SHARE = 0.05;
/** Of the same: what a run of another lane takes before it gives way between two expressions. */
const LONG_SHARE = 0.2;
/** Of the same: what one call of a built-in may take on top before its process is ended; 85 of 250 ms. */
const GRACE_SHARE = 0.34;

/** How long work may go on in each lane, where one expression may take `limitMs`. */
export function runsOf(limitMs: number): ByLane<Run> {
  const quickMs = limitMs * QUICK_SHARE;
  const graceMs = limitMs * GRACE_SHARE;
  const long = { quick: false, limitMs, runMs: limitMs * LONG_SHARE, killMs: limitMs + graceMs };
  return {
    quick: { quick: true, limitMs, runMs: quickMs, killMs: quickMs + graceMs },
    heavy: long,
    probation: long,
  };
}
