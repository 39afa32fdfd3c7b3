/** Parallel and Map: opening their scopes, joining results, and failing as a whole. */
import type { Json } from '#core/json.ts';
import { type Execution, type Frame, type Lane, lanesBelow } from './execution.ts';
import { RUNTIME_ERROR } from './failure.ts';
import type { Failure } from './history.ts';
import { LIMITS, type MapState, type ParallelState } from './machine.ts';
import {
  allValues,
  ask,
  type Draft,
  draft,
  type Env,
  evaluationFailed,
  evaluationFailure,
  failed,
  failureNote,
  prefixed,
  rows,
  statesOf,
  tooManyBytes,
  type Visit,
  type Work,
  wrongType,
} from './work.ts';
import { errorDetails, fieldOf, isSeconds } from './work-task.ts';

export function startParallel(visit: Visit, state: ParallelState): Work {
  return ask(visit, [state.arguments], statesOf(visit), (answers, env) => {
    const all = allValues(answers);
    if (!all.ok) return evaluationFailed(visit, all, env);
    const [given = null] = all.values;
    const input = state.arguments === null ? visit.frame.input : given;
    const tooLarge = tooManyBytes(visit, JSON.stringify(input));
    if (tooLarge !== null) return failed(visit, tooLarge, env);
    return rows(draft(visit.lane, 'ParallelStateStarted', {}, { kind: 'branches', input }));
  });
}

export function startMap(visit: Visit, state: MapState): Work {
  const templates = [state.items, state.maxConcurrency];
  return ask(visit, templates, statesOf(visit), (answers, env) => {
    const all = allValues(answers);
    if (!all.ok) return evaluationFailed(visit, all, env);
    const [list = null, limit = null] = all.values;
    const items = state.items === null ? visit.frame.input : list;
    if (!Array.isArray(items)) {
      if (state.items !== null) {
        return wrongType(visit, fieldOf(state.items), "'array'", items, env);
      }
      const cause = prefixed(visit, 'The input of a Map without Items must be an array.');
      return failed(visit, { error: RUNTIME_ERROR, cause }, env);
    }
    if (state.maxConcurrency !== null && !isSeconds(limit, 0)) {
      return wrongType(visit, fieldOf(state.maxConcurrency), 'a whole number', limit, env);
    }
    // 0 and absent mean the ceiling of an inline Map.
    const asked = Number(limit ?? 0);
    const concurrency =
      asked === 0 ? LIMITS.mapConcurrency : Math.min(asked, LIMITS.mapConcurrency);
    const length = items.length;
    return rows(
      draft(
        visit.lane,
        'MapStateStarted',
        { mapStateStartedEventDetails: { length } },
        { kind: 'items', items, concurrency },
      ),
    );
  });
}

/** `lane` is a new iteration; what its ItemSelector sees is the Map's input and this item. */
export function startIteration(execution: Execution, lane: Lane): Work {
  const { parent, item } = lane;
  if (parent === null || item === null || parent.position.at !== 'children')
    return { kind: 'idle' };
  const { frame } = parent.position;
  const state = frame.state as MapState;
  const map: Visit = { execution, lane: parent, frame };
  const states = statesOf({ ...map, lane }, {}, {});
  return ask(map, [state.itemSelector], states, (answers, env) => {
    const all = allValues(answers);
    if (!all.ok) {
      // The Map fails, not the iteration: it never began.
      const { details, failure } = evaluationFailure(map, all);
      const own = draft(lane, 'EvaluationFailed', details);
      return rows(own, ...containerFailed(map, lane, failure, env));
    }
    const [selected = null] = all.values;
    const input: Json = state.itemSelector === null ? item.value : selected;
    const tooLarge = tooManyBytes(map, JSON.stringify(input));
    if (tooLarge !== null) return rows(...containerFailed(map, lane, tooLarge, env));
    const details = { name: state.name, index: item.index };
    return rows(
      draft(
        lane,
        'MapIterationStarted',
        { mapIterationStartedEventDetails: details },
        { kind: 'iteration', input },
      ),
    );
  });
}

/** All branches or iterations have ended: their outputs, in order, are the result. */
export function joinChildren(visit: Visit, outputs: readonly Json[], env: Env): Work {
  const tooLarge = tooManyBytes(visit, JSON.stringify(outputs));
  if (tooLarge !== null) return failed(visit, tooLarge, env);
  const type = visit.frame.state.type === 'Map' ? 'MapStateSucceeded' : 'ParallelStateSucceeded';
  return rows(draft(visit.lane, type));
}

/** The end of a lane whose last state has been left. */
export function endLane(lane: Lane, output: Json): Work {
  const { parent, item } = lane;
  if (parent === null) {
    const details = {
      output: JSON.stringify(output),
      outputDetails: { truncated: false } as const,
    };
    return rows(draft(lane, 'ExecutionSucceeded', { executionSucceededEventDetails: details }));
  }
  if (item === null || !('frame' in parent.position)) return { kind: 'idle' };
  const details = { name: parent.position.frame.state.name, index: item.index };
  return rows(draft(lane, 'MapIterationSucceeded', { mapIterationSucceededEventDetails: details }));
}

/** A failure that nothing in this lane takes: it ends the execution, or fails what is around. */
export function raise(
  execution: Execution,
  lane: Lane,
  frame: Frame,
  failure: Failure,
  env: Env,
): Work {
  if (lane.parent === null) {
    const details = { executionFailedEventDetails: errorDetails(failure) };
    return rows(draft(lane, 'ExecutionFailed', details));
  }
  const { position } = lane.parent;
  if (!('frame' in position)) return { kind: 'idle' };
  const around: Visit = { execution, lane: lane.parent, frame: position.frame };
  const own: Draft[] = [];
  if (frame.state.type === 'Task') own.push(draft(lane, 'TaskStateAborted'));
  if (lane.item !== null) {
    const details = { name: position.frame.state.name, index: lane.item.index };
    own.push(draft(lane, 'MapIterationFailed', { mapIterationFailedEventDetails: details }));
  }
  return rows(...own, ...containerFailed(around, lane, failure, env));
}

/**
 * The container fails with the failure of one child, and its other children are aborted: what they
 * had asked outside is not called back, and their answers are dropped.
 */
function containerFailed(visit: Visit, child: Lane, failure: Failure, env: Env): Draft[] {
  const aborted = lanesBelow(visit.execution, visit.lane)
    .filter((lane) => lane !== child)
    .reverse()
    .flatMap((lane) => abort(lane));
  const type = visit.frame.state.type === 'Map' ? 'MapStateFailed' : 'ParallelStateFailed';
  const own = draft(visit.lane, type, {}, failureNote(visit, failure, env));
  // It follows the failing child's last event (recorded).
  return [...aborted, { ...own, follows: child.id }];
}

function abort(lane: Lane): Draft[] {
  const drafts: Draft[] = [];
  if ('frame' in lane.position) {
    const { type } = lane.position.frame.state;
    if (type === 'Task' || type === 'Wait' || type === 'Parallel' || type === 'Map') {
      drafts.push(draft(lane, `${type}StateAborted`));
    }
  }
  const { parent, item } = lane;
  if (
    item !== null &&
    parent !== null &&
    lane.position.at !== 'iterating' &&
    'frame' in parent.position
  ) {
    const details = { name: parent.position.frame.state.name, index: item.index };
    drafts.push(draft(lane, 'MapIterationAborted', { mapIterationAbortedEventDetails: details }));
  }
  return drafts;
}
