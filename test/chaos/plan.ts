/** What happens to a run, and when: fixed by its seed. */
import type { Dice } from './dice.ts';
import { EVENT_FAULTS } from './faults/events.ts';
import type { Fault } from './faults/fault.ts';
import { PROCESS_FAULTS } from './faults/processes.ts';
import { STORE_FAULTS } from './faults/stores.ts';

export const FAULTS: { readonly [name: string]: Fault } = {
  ...PROCESS_FAULTS,
  ...STORE_FAULTS,
  ...EVENT_FAULTS,
};

/** How often each is drawn, against the others. */
const WEIGHTS: { readonly [name in keyof typeof FAULTS]: number } = {
  'engine-kill': 6,
  'engines-kill': 2,
  'engine-pause': 2,
  'engine-pause-in-transaction': 1,
  'rolling-restart': 1,
  'platform-kill': 2,
  'platform-restart': 1,
  'postgres-stop': 4,
  'lost-answers': 6,
  'lost-effects': 2,
  'held-statement': 2,
  'redis-kill': 2,
  'redis-flush': 2,
  'disk-full': 1,
  'clock-jump': 4,
  'broker-kill': 3,
  'broker-down': 0,
  duplicates: 4,
  rebalance: 3,
  replay: 2,
  poison: 2,
};

/** `count` of those which this machine can do; each kind at least once where there is room for all. */
export function planFaults(
  dice: Dice,
  count: number,
  can: (name: string) => boolean,
): readonly string[] {
  const names = Object.keys(FAULTS).filter(can);
  const each = dice.shuffled(names).slice(0, count);
  const bag = names.flatMap((name) => Array.from({ length: WEIGHTS[name] ?? 0 }, () => name));
  while (each.length < count && bag.length > 0) each.push(dice.pick(bag));
  return dice.shuffled(each);
}
