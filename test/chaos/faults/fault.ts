import type { Dice } from '../dice.ts';
import type { World } from '../world/world.ts';

/** What a fault leaves for the checker to know, besides whether it came about. */
export interface Notes {
  readonly outages: { readonly from: number; readonly to: number }[];
  readonly absences: { readonly from: number; readonly to: number }[];
  readonly takeOvers: {
    readonly fault: string;
    readonly ms: number | null;
    readonly had: number;
  }[];
  /** Keys of records that no reader can use. */
  readonly poisoned: string[];
}

export interface FaultTimes {
  /** How long a process is stopped: longer than its lease. */
  readonly pauseMs: number;
  readonly brokerDownMs: number;
  readonly takeOverBoundMs: number;
}

export interface FaultContext {
  readonly world: World;
  readonly dice: Dice;
  readonly times: FaultTimes;
  readonly notes: Notes;
}

/** Whether it really came about, and how that is known. */
export interface FaultResult {
  readonly hit: boolean;
  readonly evidence: string;
}

export interface Fault {
  /** What it takes; where that is not there it is not planned. */
  readonly needs?: 'kafka' | 'redis' | 'disk';
  /** It goes on beside the faults after it. */
  readonly beside?: true;
  run(context: FaultContext): Promise<FaultResult>;
}

export const hit = (evidence: string): FaultResult => ({ hit: true, evidence });
export const missed = (evidence: string): FaultResult => ({ hit: false, evidence });
