/** How large a run is: minutes for evidence, and one that every change can afford. */
import type { RunOptions } from './run.ts';

type Common = Pick<RunOptions, 'seed' | 'root' | 'keep' | 'say'>;

const LEAST_OF_HALF_AN_HOUR = 51_000;

/** A fault every ten seconds of its second half. */
export function longRun(common: Common, minutes: number): RunOptions {
  const phaseMs = (minutes * 60_000) / 2;
  return {
    ...common,
    phaseMs,
    afterMs: 30_000,
    faults: Math.max(8, Math.round(phaseMs / 10_000)),
    leastStarts: Math.round((LEAST_OF_HALF_AN_HOUR * minutes) / 30),
    only: null,
    engines: 2,
    kafka: true,
    diskMb: 12_000,
    places: 24,
    mostActive: 400,
    pauseMs: minutes >= 10 ? 40_000 : 9_000,
    brokerDownMs: minutes >= 10 ? 120_000 : 10_000,
    takeOverBoundMs: 60_000,
    healMs: 300_000,
    readyBoundMs: 30_000,
    rateFloor: 0.5,
  };
}

/**
 * Says nothing of speed: its bounds are for a machine that others keep busy. Its faults are those which
 * need nothing that a machine may lack.
 */
export function shortRun(common: Common): RunOptions {
  return {
    ...longRun(common, 1),
    phaseMs: 5_000,
    leastStarts: 0,
    afterMs: 3_000,
    faults: 5,
    only: ['engine-kill', 'engine-pause', 'postgres-stop', 'lost-answers', 'clock-jump'],
    kafka: false,
    diskMb: null,
    places: 4,
    mostActive: 60,
    pauseMs: 7_000,
    brokerDownMs: 5_000,
    takeOverBoundMs: 180_000,
    readyBoundMs: 120_000,
    rateFloor: 0,
  };
}
