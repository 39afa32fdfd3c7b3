import { behaviourOf } from './behaviour.ts';
import type { Decision } from './decision.ts';
import { COMMAND_ID, command, EVENT_LIMIT, failStep, record, skipStep } from './decision.ts';
import { finish } from './ending.ts';
import { isFinal } from './events.ts';
import { beginIterations } from './for-each.ts';
import { testLoop } from './loop.ts';
import type { Place } from './program-index.ts';
import { keyOf } from './program-index.ts';
import { exceededBy } from './quota.ts';
import { dependenciesDone, isEnding, stepAt, walk } from './state.ts';
import { BEHAVIOURS, startStep } from './step-start.ts';
import { stop } from './stop.ts';

/**
 * How one thing follows from another inside a decision.
 *
 * P1 Work is done in the order in which it was queued: breadth first, never recursive.
 * P2 Whatever is queued can be found again from state alone (`lookEverywhere`), so a pause or a
 *    yield may drop the queue.
 */

/** Queues all that may follow from state: after a pause, a yield, or a halt. */
export function lookEverywhere(decision: Decision): void {
  decision.work.length = 0;
  for (const { place, step, scope } of walk(decision.index, decision.state, true)) {
    if (step.status === 'QUEUED') {
      if (dependenciesDone(place.info, scope)) decision.work.push({ kind: 'ready', place });
    } else if (place.info.inner.size > 0) {
      decision.work.push({ kind: 'drained', container: place, iteration: 0 });
    }
  }
  decision.work.push({ kind: 'drained', container: null, iteration: 0 });
}

/** Works off what follows, up to the limit of one decision. `halted`: before this decision. */
export function settle(decision: Decision, halted: boolean): void {
  let known = halted;
  if (decision.state.halted && !known) {
    known = true;
    halt(decision);
  }
  for (let next = 0; !isFinal(decision.state.status) && !exhausted(decision); next++) {
    const work = decision.work[next];
    if (work === undefined) return;
    if (decision.events.length >= EVENT_LIMIT) {
      record(decision, { type: 'execution_yielded' });
      command(decision, { kind: 'timer', id: COMMAND_ID.yielded, dueAt: decision.now });
      return;
    }
    switch (work.kind) {
      case 'ready':
        startStep(decision, work.place, null);
        break;
      case 'begin':
        beginIterations(decision, work.container, work.from, work.to);
        break;
      case 'drained':
        drained(decision, work.container);
        break;
      case 'test': {
        const { step } = work.container.info;
        if (step.type === 'loop') testLoop(decision, work.container, step, null);
        break;
      }
    }
    if (decision.state.halted && !known) {
      known = true;
      halt(decision);
      next = -1;
    }
  }
}

/** Ends an execution that has used up its quota. False: it has not. */
function exhausted(decision: Decision): boolean {
  const { state } = decision;
  if (state.status !== 'RUNNING' || isEnding(state) || state.root.open === 0) return false;
  const quota = exceededBy(state, decision.quota);
  if (quota === null) return false;
  record(decision, { type: 'quota_exceeded', quota });
  stop(decision, 'the execution may record no more');
  return true;
}

function drained(decision: Decision, container: Place | null): void {
  if (container === null) {
    finish(decision);
    return;
  }
  const current = stepAt(decision.state, container);
  if (current.status !== 'EXECUTING') return;
  const { step } = container.info;
  behaviourOf(BEHAVIOURS, step).drained?.(decision, container, step as never, current);
}

/** `on_failure: halt`: what has not begun is skipped, no attempt follows, what runs goes on. */
function halt(decision: Decision): void {
  for (const { place, step } of walk(decision.index, decision.state, true)) {
    if (step.status === 'QUEUED') {
      skipStep(decision, place, 'K', 'HALTED');
    } else if (step.retryAt !== null && step.error !== null) {
      command(decision, { kind: 'abandon', id: COMMAND_ID.timer(keyOf(place)) });
      failStep(decision, place, step.error);
    }
  }
  lookEverywhere(decision);
}
