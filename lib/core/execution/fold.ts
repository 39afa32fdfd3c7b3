import type { Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import { apply } from './apply.ts';
import type { RecordedEvent } from './events.ts';
import { restore } from './snapshot.ts';
import { type ExecutionState, initialState } from './state.ts';

/** What a store tells of one execution: its latest checkpoint, and the events behind it. */
export interface Stored {
  readonly header: { readonly id: string };
  readonly checkpoint: { readonly state: Json } | null;
  readonly tail: readonly RecordedEvent[];
}

/** Folds what was loaded. Null: the checkpoint has another form and the whole log is needed. */
export function foldStored(program: Program, stored: Stored): ExecutionState | null {
  const { header, checkpoint, tail } = stored;
  const from = checkpoint === null ? initialState(header) : restore(program, checkpoint.state);
  return from === null ? null : foldOn(program, from, tail);
}

/** Goes on from a state with the events that follow it. */
export function foldOn(
  program: Program,
  from: ExecutionState,
  tail: readonly RecordedEvent[],
): ExecutionState {
  let state = from;
  for (const recorded of tail) state = apply(program, state, recorded);
  return state;
}
