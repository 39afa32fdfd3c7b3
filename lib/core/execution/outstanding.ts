import type { Program } from '#core/plan/program.ts';
import { behaviourOf } from './behaviour.ts';
import type { Command } from './commands.ts';
import { pursueShaping } from './complete.ts';
import { workflowDeadline } from './deadlines.ts';
import type { Decision } from './decision.ts';
import { COMMAND_ID, command, newDecision } from './decision.ts';
import { pursueEnd } from './ending.ts';
import { isFinal } from './events.ts';
import type { Place } from './program-index.ts';
import { keyOf } from './program-index.ts';
import type { ExecutionState, Visit } from './state.ts';
import { dependenciesDone, walk } from './state.ts';
import { BEHAVIOURS, startStep } from './step-start.ts';

/**
 * What a host that has just loaded an execution must be doing: the commands that are needed and may
 * not have been carried out, under the ids they had.
 */
export function outstanding(program: Program, state: ExecutionState): Command[] {
  if (isFinal(state.status) || state.status === 'PENDING') return [];
  const decision = newDecision(program, state, state.at);
  const end = workflowDeadline(program, state);
  if (end !== null) {
    command(decision, { kind: 'timer', id: COMMAND_ID.workflowTimeout, dueAt: end });
  }
  if (state.yielded) {
    command(decision, { kind: 'timer', id: COMMAND_ID.yielded, dueAt: state.at });
  }
  for (const visit of walk(decision.index, state, true)) {
    const { place, step, scope } = visit;
    if (step.status === 'EXECUTING') pursue(decision, visit);
    else if (dependenciesDone(place.info, scope)) pursueStart(decision, place);
  }
  pursueEnd(decision);
  return decision.commands;
}

/** A start that waits for the evaluator. One that waits for a yielded decision is left to that. */
function pursueStart(decision: Decision, place: Place): void {
  const scratch: Decision = { ...decision, events: [], commands: [], work: [] };
  startStep(scratch, place, null);
  if (scratch.events.length === 0) decision.commands.push(...scratch.commands);
}

/** Issues what an EXECUTING step needs to have going on outside. */
function pursue(decision: Decision, { place, step: current }: Visit): void {
  if (current.answer !== null || current.shaped !== null) {
    pursueShaping(decision, place, current);
    return;
  }
  const { step } = place.info;
  behaviourOf(BEHAVIOURS, step).pursue?.(decision, place, step as never, current);
}

/** Names of everything that is going on outside for a step. */
export function outstandingIds(decision: Decision, visit: Visit): string[] {
  const scratch = { ...decision, commands: [] as Command[] };
  pursue(scratch, visit);
  const ids = scratch.commands.map(({ id }) => id);
  if (visit.step.childId !== null) ids.push(COMMAND_ID.child(keyOf(visit.place)));
  return ids;
}
