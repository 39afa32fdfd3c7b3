/** What a lane does next, by where it stands and by the type of its state. */
import type { Json } from '#core/json.ts';
import type { Filled } from './evaluate.ts';
import { type Execution, isTask, type Lane, type Position } from './execution.ts';
import { RUNTIME_ERROR } from './failure.ts';
import type { Failure } from './history.ts';
import type { StateOf, StateType, TaskState } from './machine.ts';
import { isTimestamp } from './parse-state.ts';
import {
  allValues,
  ask,
  type Draft,
  draft,
  type Env,
  evaluationFailed,
  failed,
  leaveState,
  prefixed,
  rows,
  statesOf,
  UNTRUNCATED,
  type Visit,
  type Work,
  wrongType,
} from './work.ts';
import {
  endLane,
  joinChildren,
  raise,
  startIteration,
  startMap,
  startParallel,
} from './work-containers.ts';
import {
  awaitTask,
  fieldOf,
  isSeconds,
  performTask,
  scheduleTask,
  taskStarted,
  taskTimedOut,
} from './work-task.ts';

export function nextWork(execution: Execution, lane: Lane, env: Env): Work {
  const { position } = lane;
  switch (position.at) {
    case 'starting':
      return enter(lane, position.state, position.input);
    case 'iterating':
      return startIteration(execution, lane);
    case 'ended':
      return endLane(lane, position.output);
    case 'children':
      return { kind: 'idle' };
    default:
      return visitWork({ execution, lane, frame: position.frame }, position, env);
  }
}

type Visiting = Exclude<Position, { at: 'starting' | 'iterating' | 'ended' | 'children' }>;

function visitWork(visit: Visit, position: Visiting, env: Env): Work {
  const { state } = position.frame;
  switch (position.at) {
    case 'entered':
      if (position.notBefore > env.now) return { kind: 'idle' };
      // The table's entry for a type takes that type's states and no others.
      return (ENTERED[state.type] as Entered<StateType>)(visit, state, env);
    case 'scheduled':
      return rows(taskStarted(visit, state as TaskState));
    case 'started':
      return performTask(state as TaskState, position.task);
    case 'submitted':
      return awaitTask(position.task);
    case 'waiting':
      if (position.until > env.now) return { kind: 'idle' };
      return leaveState(visit, state as StateOf<'Wait'>, visit.frame.input, statesOf(visit));
    case 'joined':
      return joinChildren(visit, position.outputs, env);
    case 'result': {
      const { result } = position;
      const exit = state as StateOf<'Task' | 'Parallel' | 'Map'>;
      return leaveState(visit, exit, result, statesOf(visit, { result }));
    }
    case 'caught':
      return leaveCaught(visit, position.catcher, position.failure);
    case 'raising':
      return raise(visit.execution, visit.lane, position.frame, position.failure, env);
  }
}

/** The rows of a time limit that has passed, whatever the lane is doing; else null. */
export function expire(execution: Execution, lane: Lane, env: Env): Draft | null {
  const { position } = lane;
  if (!isTask(position)) return null;
  const visit: Visit = { execution, lane, frame: position.frame };
  return taskTimedOut(visit, position.frame.state as TaskState, position.task, env);
}

/** When time alone will give the lane something to do. */
export function dueAt(lane: Lane): number | null {
  const { position } = lane;
  if (position.at === 'waiting') return position.until;
  if (position.at === 'entered') return position.notBefore;
  if (!isTask(position)) return null;
  const { deadline, heartbeatDeadline } = position.task;
  if (deadline === null || heartbeatDeadline === null) return deadline ?? heartbeatDeadline;
  return Math.min(deadline, heartbeatDeadline);
}

function enter(lane: Lane, name: string, input: Json): Work {
  const state = lane.scope.states.get(name);
  if (state === undefined) throw new Error(`no state '${name}'; parseMachine lets none through`);
  const details = { name, input: JSON.stringify(input), inputDetails: UNTRUNCATED };
  return rows(draft(lane, `${state.type}StateEntered`, { stateEnteredEventDetails: details }));
}

/** A Catcher's Assign and Output run instead of the state's; a Cause that is absent reads ''. */
function leaveCaught(visit: Visit, index: number, failure: Failure): Work {
  const state = visit.frame.state as StateOf<'Task' | 'Parallel' | 'Map'>;
  const catcher = state.catch[index];
  if (catcher === undefined) throw new Error(`no Catcher ${index} in state '${state.name}'`);
  const errorOutput = { Error: failure.error ?? '', Cause: failure.cause ?? '' };
  return leaveState(visit, catcher, errorOutput, statesOf(visit, { errorOutput }), index);
}

type Entered<T extends StateType> = (visit: Visit, state: StateOf<T>, env: Env) => Work;

const ENTERED: { readonly [T in StateType]: Entered<T> } = {
  Pass: (visit, state) => leaveState(visit, state, visit.frame.input, statesOf(visit)),
  Task: scheduleTask,
  Parallel: startParallel,
  Map: startMap,
  Choice: choose,
  Wait: beginWait,
  Succeed: (visit, state) =>
    leaveState(
      visit,
      { assign: null, output: state.output, next: null },
      visit.frame.input,
      statesOf(visit),
    ),
  Fail: (visit, state) =>
    ask(visit, [state.error, state.cause], statesOf(visit), (answers, env) => {
      const all = allValues(answers);
      if (!all.ok) return evaluationFailed(visit, all, env);
      const [error = null, cause = null] = all.values;
      for (const [template, value] of [
        [state.error, error],
        [state.cause, cause],
      ] as const) {
        if (template !== null && typeof value !== 'string') {
          return wrongType(visit, fieldOf(template), "'string'", value, env);
        }
      }
      // Both are strings or absent by now.
      const failure = { error: error as string | null, cause: cause as string | null };
      return failed(visit, failure, env);
    }),
};

/**
 * The first rule whose condition is true. All conditions are asked at once, but one that fails
 * after a true one does no harm: AWS would not have evaluated it (measured).
 */
function choose(visit: Visit, state: StateOf<'Choice'>): Work {
  const conditions = state.rules.map(({ condition }) => condition);
  return ask(visit, conditions, statesOf(visit), (answers: readonly Filled[], env) => {
    for (const [index, answer] of answers.entries()) {
      const rule = state.rules[index];
      if (rule === undefined) break;
      if (!answer.ok) return evaluationFailed(visit, answer, env);
      if (typeof answer.value !== 'boolean') {
        return wrongType(visit, fieldOf(rule.condition), "'boolean'", answer.value, env);
      }
      if (answer.value) return leaveState(visit, rule, visit.frame.input, statesOf(visit));
    }
    if (state.otherwise === null) {
      // AWS's words and its error, which no Catcher takes (measured), not States.NoChoiceMatched.
      const what =
        'Failed to transition out of the state. The state does not point to a next state.';
      return failed(visit, { error: RUNTIME_ERROR, cause: prefixed(visit, what) }, env);
    }
    return leaveState(visit, state.otherwise, visit.frame.input, statesOf(visit));
  });
}

/** Records until when, so that a restart waits for the same instant. */
function beginWait(visit: Visit, state: StateOf<'Wait'>): Work {
  const template = state.seconds ?? state.timestamp;
  return ask(visit, [template], statesOf(visit), ([answer], env) => {
    if (template === null || answer === undefined) return { kind: 'idle' };
    if (!answer.ok) return evaluationFailed(visit, answer, env);
    const { value } = answer;
    let until: number;
    if (state.seconds !== null) {
      if (!isSeconds(value, 0)) {
        return wrongType(visit, fieldOf(template), 'a whole number of seconds', value, env);
      }
      until = Date.parse(visit.frame.enteredTime) + value * 1000;
    } else {
      if (!isTimestamp(value)) {
        return wrongType(visit, fieldOf(template), 'an RFC 3339 timestamp', value, env);
      }
      until = Date.parse(value);
    }
    return rows({ lane: visit.lane.id, event: null, note: { kind: 'waiting', until } });
  });
}
