import type { ForEachStep } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { classesThatMayFail, inside, outputsSource, outputsTemplate } from './container.ts';
import { runnerBindings } from './expressions.ts';
import { expression } from './records.ts';
import { failing, recordTask, runnerTask, stepPayload, stepTask } from './task.ts';
import type { AslValue, Chart, MapState } from './types.ts';
import type { Arrival, Exit, Place, Sources, Writing } from './writing.ts';
import { addState, arrive, finishAll, leaving, newAslScope, startOf, variable } from './writing.ts';

/**
 * `items` has them from the runner; the Map with the step's name runs the body for each; `done`
 * closes. Iterations never fail: they end with `{status, output}`, which is the step's output.
 */
export function emitForEach(
  writing: Writing,
  place: Place,
  step: ForEachStep,
  incoming: readonly Exit[],
): Exit[] {
  const itemsName = writing.names.helper(step.path, 'items');
  const name = writing.names.step(step.path);
  const arrival = arrive(incoming, itemsName);
  const items = runnerTask(
    writing,
    place,
    {
      name: itemsName,
      kind: 'items',
      payload: {
        ...stepPayload(writing, place, step),
        ...runnerBindings(place, [...expressionsOf(step.items)], step),
      },
    },
    arrival,
  );
  const failed = failing(writing, place, step, items, arrival);
  const counted = variable(place.asl, 'm', step.no);
  items.Assign = { [counted]: expression('$states.result.Payload.items') };
  const begun: Arrival = { known: arrival.known, pending: new Set() };
  arrive([{ ...leaving(place, items, new Map(), begun), finish: null }], name);

  const results = variable(place.asl, 'r', step.no);
  const map: MapState = addState(place, name, {
    Type: 'Map',
    Items: expression(`$${counted}`),
    ItemSelector: {
      item: expression('$states.context.Map.Item.Value'),
      index: expression('$states.context.Map.Item.Index'),
    },
    MaxConcurrency: step.concurrency,
    ItemProcessor: {
      ProcessorConfig: { Mode: 'INLINE' },
      ...emitIteration(writing, place, step, begun),
    },
    Assign: { [results]: expression('$states.result') },
  });
  writing.hints.set(map, { times: step.maxItems });
  const tooMuch = failing(writing, place, step, map, begun);
  const done = stepTask(
    writing,
    place,
    step,
    {
      kind: 'container',
      name: writing.names.helper(step.path, 'done'),
      payload: {
        type: step.type,
        output: expression(`$${results}`),
        failed: expression(`$count($${results}[status = 'FAILED'])`),
      },
    },
    [{ ...leaving(place, map, new Map(), begun), finish: null }],
  );
  return [...failed, ...tooMuch, ...done];
}

function emitIteration(writing: Writing, place: Place, step: ForEachStep, begun: Arrival): Chart {
  const asl = newAslScope(writing, place.asl);
  const item = variable(asl, 'x', step.no);
  const index = variable(asl, 'i', step.no);
  const body: Place = {
    ...inside(place, step, step.body),
    asl,
    item,
    index,
    indices: [...place.indices, index],
  };
  const name = writing.names.helper(step.path, 'item');
  const arrival = arrive([startOf(body, begun)], name);
  const taken = addState(body, name, {
    Type: 'Pass',
    Assign: {
      [item]: expression('$states.input.item'),
      [index]: expression('$states.input.index'),
    },
  });
  const ends = writing.emitScope(writing, body, [
    { ...leaving(body, taken, new Map(), arrival), finish: null },
  ]);
  finishAll(
    body,
    reported(writing, body, step, ends),
    () => writing.names.helper(step.path, 'end'),
    (way) => (sources) => iterationResult(step, way, sources),
  );
  return asl.chart;
}

/** What no Task would carry any more is recorded before the iteration's variables are gone. */
function reported(writing: Writing, body: Place, step: ForEachStep, ends: readonly Exit[]): Exit[] {
  const open = ends.filter((exit) => exit.pending.size > 0);
  const closed = ends.filter((exit) => exit.pending.size === 0);
  if (open.length === 0) return closed;
  return [...closed, ...recordTask(writing, body, writing.names.helper(step.path, 'record'), open)];
}

function iterationResult(step: ForEachStep, way: Arrival, sources: Sources): AslValue {
  const classes = classesThatMayFail(step.body, way.known, sources);
  if (classes === null) return { status: 'SUCCESS', output: outputsTemplate(step.body, sources) };
  return {
    status: expression(`'F' in ${classes} ? 'FAILED' : 'SUCCESS'`),
    output: expression(`'F' in ${classes} ? null : ${outputsSource(step.body, sources)}`),
  };
}
