/** What is asked of a run, and what came of it. */
export const INVARIANTS = {
  I1: 'no acknowledged execution is lost: each is in the store and the API answers it',
  I2: 'every execution goes back to one request or one step of a parent',
  I3: 'a key starts one execution, every repeat answers the same one, another body is refused',
  I4: 'the log of an execution is 1..n without a gap or a repeat, and time never goes back along it',
  I5: 'the epoch never falls along a log',
  I6: 'only transitions that are allowed, and nothing after an end',
  I7: 'folding the log gives the rows and what the API answers',
  I8: 'a recorded result is one that the target answered, and never changes',
  I9: 'no step begins before what it depends on has ended and its condition holds',
  I10: 'no more calls than attempts, save where ownership changed; no two at once',
  I11: 'no call comes after its success was recorded, save what was under way',
  I12: 'a database step took effect exactly once',
  I13: 'joins fire once, and loops over items have each item once and in order',
  I14: 'what was done is undone in reverse order, and nothing else is',
  I15: 'nothing begins after a cancel was recorded, and an acknowledged cancel is one',
  I17: 'what was to be published was published, in order by key, and the outbox is empty',
  I18: 'an event that is delivered n times has the effect of one',
  I20: 'what nobody could use is laid aside once, with its cause',
  I21: 'nothing of one tenant stands where another’s is, or in a log',
  I22: 'the chain of audit verifies, and tells of every request that changed or was refused',
  I23: 'limits hold at every instant, and no place is lost',
  I24: 'an execution ends on the version it began with',
  L1: 'what a dead process had is taken over in time',
  L2: 'everything ends',
  L3: 'nothing waits in the outbox, for readers or for the seal',
  L4: 'what was done in a second before the faults is done again after them',
  L5: 'nothing leaks: handles, sessions, memory, keys without an end',
  L6: 'readiness follows the database down and up, and liveness never fails',
} as const;

export type Invariant = keyof typeof INVARIANTS;
export const invariants = Object.keys(INVARIANTS) as Invariant[];

const MOST_TOLD = 10;

export interface Tally {
  looked(id: Invariant, at?: number): void;
  wrong(id: Invariant, what: string): void;
}

export interface Verdict {
  readonly id: Invariant;
  /** Executions, rows, calls or records that were looked at. */
  readonly looked: number;
  readonly violations: number;
  /** The first of them. */
  readonly told: readonly string[];
}

export function createTally(): Tally & { readonly wrongs: number; verdicts(): readonly Verdict[] } {
  const looked = new Map<Invariant, number>();
  const wrong = new Map<Invariant, string[]>();
  let wrongs = 0;
  return {
    get wrongs() {
      return wrongs;
    },
    looked: (id, at = 1) => void looked.set(id, (looked.get(id) ?? 0) + at),
    wrong(id, what) {
      wrongs += 1;
      const told = wrong.get(id) ?? [];
      told.push(what);
      wrong.set(id, told);
    },
    verdicts: () =>
      invariants.map((id) => ({
        id,
        looked: looked.get(id) ?? 0,
        violations: wrong.get(id)?.length ?? 0,
        told: (wrong.get(id) ?? []).slice(0, MOST_TOLD),
      })),
  };
}
