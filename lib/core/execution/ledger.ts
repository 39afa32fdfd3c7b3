import type { StepKey } from './events.ts';
import type { Place, ProgramIndex } from './program-index.ts';
import { iterates, placeOf } from './program-index.ts';

/**
 * The order of completion that compensation reverses (rule 30).
 *
 * L1 If one step precedes another by dependencies, it is earlier here: times never go back along
 *    the log, and equal times are told apart by topological number, outermost scope first.
 */
export function byCompletion(
  index: ProgramIndex,
): (a: { step: StepKey; at: number }, b: { step: StepKey; at: number }) => number {
  return (a, b) => {
    if (a.at !== b.at) return a.at - b.at;
    return comparePlaces(placeOf(index, a.step), placeOf(index, b.step));
  };
}

/** Topological order over scopes: by step of the outermost scope, then iteration, then inwards. */
export function comparePlaces(a: Place, b: Place): number {
  const [left, right] = [coordinates(a), coordinates(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  // One holds the other: a container completes after what is inside it.
  return right.length - left.length;
}

function coordinates(place: Place): number[] {
  const numbers: number[] = [];
  let used = 0;
  for (const info of [...place.info.ancestors, place.info]) {
    numbers.push(info.step.no);
    if (info !== place.info && iterates(info.step)) numbers.push(place.indices[used++] as number);
  }
  return numbers;
}
