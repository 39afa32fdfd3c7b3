import type { Command, Outcome } from '#core/execution/commands.ts';
import { decide } from '#core/execution/decide.ts';
import type { ExecutionEvent, RecordedEvent } from '#core/execution/events.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import type { Program } from '#core/plan/program.ts';

/** Something that happened, and the signal that told of it, if one did. */
export interface Item {
  readonly outcome: Outcome;
  readonly signalId: string | null;
}

/** What follows from several outcomes together: one append, if it is to be written at all. */
export interface Turn {
  /** The first of the inbox: those which were decided. */
  readonly taken: readonly Item[];
  readonly events: readonly ExecutionEvent[];
  readonly recorded: readonly RecordedEvent[];
  readonly commands: readonly Command[];
  readonly consumedSignals: readonly string[];
  readonly next: ExecutionState;
  readonly now: number;
}

/** Outcomes decided together before they are written: bounds the size of one append. */
const MAX_OUTCOMES = 64;
const MAX_EVENTS = 400;

export function decideTogether(
  program: Program,
  state: ExecutionState,
  inbox: readonly Item[],
  at: number,
): Turn {
  const taken: Item[] = [];
  const events: ExecutionEvent[] = [];
  const recorded: RecordedEvent[] = [];
  const commands: Command[] = [];
  let next = state;
  let now = at;
  while (taken.length < MAX_OUTCOMES && events.length < MAX_EVENTS) {
    const item = inbox[taken.length];
    if (item === undefined) break;
    taken.push(item);
    // Time never goes back along a log.
    now = Math.max(now, next.at);
    const decision = decide(program, next, item.outcome, now);
    let seq = next.seq;
    for (const event of decision.events) {
      seq += 1;
      events.push(event);
      recorded.push({ seq, at: now, event });
    }
    commands.push(...decision.commands);
    next = decision.state;
  }
  const consumedSignals = taken.flatMap((item) => item.signalId ?? []);
  return { taken, events, recorded, commands, consumedSignals, next, now };
}
