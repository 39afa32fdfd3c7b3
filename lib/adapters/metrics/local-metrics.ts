import type { DimensionsOf, Level, Measured, Metrics } from '#ports/metrics.ts';
import { createSeriesTable, createWatches } from './series.ts';

/** Values of a distribution that percentiles are made of. */
const KEPT_VALUES = 1_000;
const QUANTILES = [0.5, 0.95, 0.99] as const;

export interface LocalMetrics extends Metrics {
  /** Everything since the start, in the text format that Prometheus reads. */
  text(): string;
}

/** Metrics in the memory of this process: for the local platform and for tests. */
export function createLocalMetrics(): LocalMetrics {
  const table = createSeriesTable(KEPT_VALUES);
  const watches = createWatches();
  return {
    add(metric, dimensions, value = 1) {
      table.note(metric, dimensions, value);
    },
    watch: (metric, dimensions, read) => watches.add({ metric, dimensions, read }),
    text() {
      const lines = new Map<Measured | Level, string[]>();
      const linesOf = (metric: Measured | Level): string[] => {
        const known = lines.get(metric);
        if (known !== undefined) return known;
        const made = [
          `# HELP ${nameOf(metric)} ${metric.about}`,
          `# TYPE ${nameOf(metric)} ${TYPES[metric.kind]}`,
        ];
        lines.set(metric, made);
        return made;
      };
      for (const { metric, dimensions, sum, values, seen } of table.all()) {
        const name = nameOf(metric);
        if (metric.kind === 'count') {
          linesOf(metric).push(`${name}${labels(dimensions)} ${sum}`);
          continue;
        }
        const sorted = values.toSorted((a, b) => a - b);
        linesOf(metric).push(
          ...QUANTILES.map(
            (quantile) =>
              `${name}${labels({ ...dimensions, quantile: String(quantile) })} ${at(sorted, quantile)}`,
          ),
          `${name}_sum${labels(dimensions)} ${sum}`,
          `${name}_count${labels(dimensions)} ${seen}`,
        );
      }
      for (const { metric, dimensions, read } of watches.all()) {
        linesOf(metric).push(`${nameOf(metric)}${labels(dimensions)} ${read()}`);
      }
      return `${[...lines.values()].flat().join('\n')}\n`;
    },
  };
}

const TYPES = { count: 'counter', values: 'summary', level: 'gauge' } as const;

/** `ApiLatency` in milliseconds is `cloudflow_api_latency_milliseconds`. */
export function nameOf({ name, unit, kind }: Measured | Level): string {
  const snake = name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
  const of = unit === 'Count' ? '' : `_${unit.toLowerCase()}`;
  return `cloudflow_${snake}${of}${kind === 'count' ? '_total' : ''}`;
}

function labels(dimensions: DimensionsOf<string>): string {
  const pairs = Object.entries(dimensions).map(
    ([name, value]) => `${name.toLowerCase()}=${JSON.stringify(value)}`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function at(sorted: readonly number[], quantile: number): number {
  const place = Math.min(sorted.length - 1, Math.floor(sorted.length * quantile));
  return sorted[place] ?? 0;
}
