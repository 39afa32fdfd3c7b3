import type { UnreportedRecord } from '#core/asl/payload.ts';
import { applyNext } from '#core/execution/apply.ts';
import type { ExecutionEvent, StepKey } from '#core/execution/events.ts';
import { isFinal } from '#core/execution/events.ts';
import {
  findPlace,
  indexOf,
  type Place,
  type ProgramIndex,
} from '#core/execution/program-index.ts';
import {
  type ExecutionState,
  isTerminal,
  QUEUED_STEP,
  type StepState,
  stepAt,
} from '#core/execution/state.ts';
import type { Program } from '#core/plan/program.ts';

/**
 * What one task adds to the log, decided under the execution's lock.
 *
 *  D1 The state is the fold of the stored events and of those added here.
 *  D2 The first record of a step stands: whatever comes for a terminal step is dropped.
 *  D3 After the end of the execution nothing is added.
 */
export interface Draft {
  readonly index: ProgramIndex;
  readonly now: number;
  state: ExecutionState;
  readonly events: ExecutionEvent[];
}

/** `state` is that of the stored events, all of them. */
export function newDraft(program: Program, state: ExecutionState, now: number): Draft {
  return { index: indexOf(program), now: Math.max(now, state.at), state, events: [] };
}

export function add(draft: Draft, event: ExecutionEvent): void {
  if (isFinal(draft.state.status)) return;
  draft.state = applyNext(draft.index, draft.state, event, draft.now);
  draft.events.push(event);
}

export function addStarted(draft: Draft): void {
  if (draft.state.status === 'PENDING') add(draft, { type: 'execution_started' });
}

/** The step as it stands, with its place; a key the program does not know is a fault of the machine. */
export function stepOf(draft: Draft, key: StepKey): { place: Place; step: StepState } {
  const place = findPlace(draft.index, key);
  if (place === null) throw new TypeError(`the program has no step '${key}'`);
  return { place, step: stepAt(draft.state, place) ?? QUEUED_STEP };
}

/** Adds what happened inside the machine since the last task that came this way. */
export function addRecords(draft: Draft, records: readonly UnreportedRecord[] | undefined): void {
  for (const { step: key, record } of records ?? []) {
    if (record === null) continue;
    const { step } = stepOf(draft, key);
    if (isTerminal(step)) continue;
    const { v } = record;
    if (v.status === 'SKIPPED') {
      add(draft, {
        type: 'step_skipped',
        step: key,
        class: record.k === 'U' ? 'U' : 'K',
        // The machine writes only the words of SKIP_REASONS.
        reason: (record.why ?? 'RULE_NOT_MET') as Extract<
          ExecutionEvent,
          { type: 'step_skipped' }
        >['reason'],
      });
      continue;
    }
    if (step.status === 'QUEUED' && v.attempts > 0) {
      add(draft, { type: 'step_started', step: key, config: null });
    }
    add(
      draft,
      v.status === 'SUCCESS'
        ? {
            type: 'step_succeeded',
            step: key,
            output: v.output,
            attempts: v.attempts,
            compensation: null,
          }
        : {
            type: 'step_failed',
            step: key,
            error: v.error ?? { code: 'CloudFlow.Internal', message: 'the machine gave no error' },
            attempts: v.attempts,
          },
    );
  }
}
