/**
 * Which faults cost how much of a run: by what the target was called, which is told by a clock that no fault
 * moves. The time from one fault to the next is laid to the first of them.
 */

export interface Struck {
  readonly name: string;
  /** Real time in milliseconds. */
  readonly from: number;
  readonly until: number;
}

export interface Cost {
  readonly name: string;
  readonly times: number;
  /** Seconds of the calm rate that were missing between these faults and those after them. */
  readonly lostSeconds: number;
  /** The longest time without a single call, in milliseconds. */
  readonly standstillMs: number;
}

/**
 * `calls`: when each was answered; `calmRate`: of them in a second without faults; `end`: when the last fault had
 * its time. Faults that go on beside others are not named: those beside which they go on are laid them to.
 */
export function whereTimeGoes(
  calls: readonly number[],
  calmRate: number,
  faults: readonly Struck[],
  end: number,
): readonly Cost[] {
  const sorted = Float64Array.from(calls).sort();
  const struck = [...faults].sort((a, b) => a.from - b.from);
  const each = struck.map(({ name, from }, i) => {
    const to = struck[i + 1]?.from ?? end;
    const own = sorted.subarray(placeOf(sorted, from), placeOf(sorted, to));
    const lost = (to - from) / 1_000 - (calmRate === 0 ? 0 : own.length / calmRate);
    return { name, lost, standstillMs: longestGap(own, from, to) };
  });
  return [...Map.groupBy(each, ({ name }) => name)]
    .map(([name, own]) => ({
      name,
      times: own.length,
      lostSeconds: own.reduce((sum, { lost }) => sum + lost, 0),
      standstillMs: Math.max(...own.map(({ standstillMs }) => standstillMs)),
    }))
    .sort((a, b) => b.lostSeconds - a.lostSeconds);
}

/** Of the first that is not before `at`. */
function placeOf(sorted: Float64Array, at: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

function longestGap(times: Float64Array, from: number, to: number): number {
  let [last, longest] = [from, 0];
  for (const time of times) {
    longest = Math.max(longest, time - last);
    last = time;
  }
  return Math.max(longest, to - last);
}
