import type { DimensionsOf, Level, Measured, Metrics } from '#ports/metrics.ts';
import { createSeriesTable, createWatches } from './series.ts';

/** CloudWatch takes this many values of one metric in one document. */
const MAX_VALUES = 100;
/** ... and this many metrics. */
const MAX_METRICS = 100;

export interface EmfMetrics extends Metrics {
  /** Writes what was measured since the last time, and forgets it. Must not throw. */
  flush(): void;
}

/**
 * Metrics as lines of the log, in the embedded format that CloudWatch makes metrics of: no call, no
 * client, no wait. One line holds all metrics of the same dimensions.
 *
 * Our own and not @aws-lambda-powertools/metrics: that keeps one set of dimensions a flush, prints
 * each as it comes when a hundred values are full, and is written for one invocation of a function;
 * the engine measures dozens of series at a time, for days, and must bound what it writes.
 */
export function createEmfMetrics(options: {
  readonly namespace: string;
  readonly program: string;
  readonly write: (line: string) => void;
  /** Real milliseconds since the epoch. */
  readonly now: () => number;
}): EmfMetrics {
  const table = createSeriesTable(MAX_VALUES);
  const watches = createWatches();

  function write(
    dimensions: DimensionsOf<string>,
    told: readonly { readonly metric: Measured | Level; readonly value: number | number[] }[],
  ): void {
    const document = {
      _aws: {
        Timestamp: options.now(),
        CloudWatchMetrics: [
          {
            Namespace: options.namespace,
            Dimensions: [Object.keys(dimensions)],
            Metrics: told.map(({ metric: { name, unit, bySecond } }) => ({
              Name: name,
              Unit: unit,
              ...(bySecond === true ? { StorageResolution: 1 } : {}),
            })),
          },
        ],
      },
      program: options.program,
      ...dimensions,
      ...Object.fromEntries(told.map(({ metric, value }) => [metric.name, value])),
    };
    options.write(`${JSON.stringify(document)}\n`);
  }

  return {
    add(metric, dimensions, value = 1) {
      table.note(metric, dimensions, value);
    },
    watch: (metric, dimensions, read) => watches.add({ metric, dimensions, read }),
    flush() {
      const told = [
        ...[...table.all()].map(({ metric, dimensions, sum, values }) => ({
          metric,
          dimensions,
          value: metric.kind === 'count' ? sum : values,
        })),
        ...[...watches.all()].map(({ metric, dimensions, read }) => ({
          metric,
          dimensions,
          value: read(),
        })),
      ];
      table.clear();
      const together = Map.groupBy(told, ({ metric, dimensions }) =>
        JSON.stringify(metric.dimensions.map((name) => [name, dimensions[name]])),
      );
      for (const group of together.values()) {
        for (let at = 0; at < group.length; at += MAX_METRICS) {
          const part = group.slice(at, at + MAX_METRICS);
          write(part[0]?.dimensions ?? {}, part);
        }
      }
    },
  };
}
