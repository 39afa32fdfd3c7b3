import type { Chart, State } from './types.ts';

/** The order in which fields of a state are read best; states are built in another. */
const FIELDS = [
  'Type',
  'Comment',
  'Resource',
  'Arguments',
  'TimeoutSeconds',
  'HeartbeatSeconds',
  'Seconds',
  'Timestamp',
  'Items',
  'ItemSelector',
  'MaxConcurrency',
  'ItemProcessor',
  'Branches',
  'Choices',
  'Retry',
  'Catch',
  'Assign',
  'Output',
  'Error',
  'Cause',
  'Default',
  'Next',
  'End',
];

/** The chart with its states in the order in which they are reached, and their fields in order. */
export function tidy(chart: Chart): Chart {
  return {
    StartAt: chart.StartAt,
    States: Object.fromEntries(
      Object.entries(chart.States).map(([name, state]) => [name, tidyState(state)]),
    ),
  };
}

function tidyState(state: State): State {
  const sorted = Object.fromEntries(
    FIELDS.filter((field) => Object.hasOwn(state, field)).map((field) => [
      field,
      state[field as keyof State],
    ]),
  ) as unknown as State;
  if (sorted.Type === 'Parallel') return { ...sorted, Branches: sorted.Branches.map(tidy) };
  if (sorted.Type === 'Map') {
    const { ProcessorConfig, ...chart } = sorted.ItemProcessor;
    return { ...sorted, ItemProcessor: { ProcessorConfig, ...tidy(chart) } };
  }
  return sorted;
}
