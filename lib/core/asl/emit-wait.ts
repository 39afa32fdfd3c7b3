import type { WaitStep } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { CLASS } from './classes.ts';
import { runnerBindings } from './expressions.ts';
import { expression, plainSource } from './records.ts';
import { failing, runnerTask, stepPayload, stepTask } from './task.ts';
import type { WaitState } from './types.ts';
import type { Arrival, Exit, Place, Writing } from './writing.ts';
import { addState, after, arrive, leaving, variable } from './writing.ts';

/**
 * A short wait whose length is known is a Wait and nothing else. Any other begins with the runner: it
 * reads durations and instants as the engine does, and people can see until when the step waits.
 */
export function emitWait(
  writing: Writing,
  place: Place,
  step: WaitStep,
  incoming: readonly Exit[],
): Exit[] {
  const name = writing.names.step(step.path);
  const seconds = shortSeconds(step);
  if (seconds !== null) {
    const state: WaitState = { Type: 'Wait', Seconds: seconds };
    return waited(writing, place, step, name, state, arrive(incoming, name));
  }
  const timer = writing.names.helper(step.path, 'timer');
  const arrival = arrive(incoming, timer);
  const template = step.duration ?? step.until;
  if (template === null) throw new TypeError(`wait '${step.path}' has neither duration nor until`);
  const task = runnerTask(
    writing,
    place,
    {
      name: timer,
      kind: 'timer',
      payload: {
        ...stepPayload(writing, place, step),
        ...runnerBindings(place, [...expressionsOf(template)], step),
      },
    },
    arrival,
  );
  const failed = failing(writing, place, step, task, arrival);
  const until = variable(place.asl, 'u', step.no);
  task.Assign = { [until]: expression('$states.result.Payload.until') };
  const begun: Arrival = { known: arrival.known, pending: new Set() };
  const met = arrive([{ ...leaving(place, task, new Map(), begun), finish: null }], name);
  const state: WaitState = { Type: 'Wait', Timestamp: expression(`$${until}`) };
  return [...waited(writing, place, step, name, state, met), ...failed];
}

/** Wait counts whole seconds; rounded up, so that no wait is shorter than asked for. */
function shortSeconds(step: WaitStep): number | null {
  const { duration } = step;
  if (step.slow || duration?.kind !== 'literal' || typeof duration.value !== 'number') return null;
  return Math.ceil(duration.value / 1_000);
}

/** A wait that something undoes has to be recorded with that, so the runner closes it. */
function waited(
  writing: Writing,
  place: Place,
  step: WaitStep,
  name: string,
  state: WaitState,
  arrival: Arrival,
): Exit[] {
  addState(place, name, state);
  if (step.compensate !== null) {
    const over = { ...leaving(place, state, new Map(), arrival), finish: null };
    const done = writing.names.helper(step.path, 'done');
    const task = { kind: 'transform', name: done, payload: {} } as const;
    return stepTask(writing, place, step, task, [over]);
  }
  const source = plainSource('S', { status: 'SUCCESS', attempts: 1 });
  return [leaving(place, state, new Map([[step, source]]), after(arrival, step, CLASS.S, false))];
}
