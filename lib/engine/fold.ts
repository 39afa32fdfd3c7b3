import { apply } from '#core/execution/apply.ts';
import { restore } from '#core/execution/snapshot.ts';
import { type ExecutionState, initialState } from '#core/execution/state.ts';
import type { Program } from '#core/plan/program.ts';
import type { LoadedExecution } from '#ports/execution-store.ts';

/** Folds what was loaded. Null: the checkpoint has another form and the whole log is needed. */
export function foldLoaded(program: Program, loaded: LoadedExecution): ExecutionState | null {
  let state: ExecutionState | null = initialState({ id: loaded.header.id });
  if (loaded.checkpoint !== null) {
    state = restore(program, loaded.checkpoint.state);
    if (state === null) return null;
  }
  for (const recorded of loaded.tail) state = apply(program, state, recorded);
  return state;
}
