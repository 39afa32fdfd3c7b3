import type { DimensionsOf, Level, Measured } from '#ports/metrics.ts';

/** One time series since the last time that it was told. */
export interface Series {
  readonly metric: Measured | Level;
  readonly dimensions: DimensionsOf<string>;
  /** Of a count. */
  sum: number;
  /** Of a distribution: every `stride`-th value that came. */
  values: number[];
  stride: number;
  seen: number;
}

/** Time series by metric and dimensions. */
export interface SeriesTable {
  note(metric: Measured, dimensions: DimensionsOf<string>, value: number): void;
  all(): Iterable<Series>;
  clear(): void;
}

/** More than a program could have by its declarations: what would be past it is a fault of ours. */
const MAX_SERIES = 5_000;

/**
 * Holds at most `maxValues` of each distribution: when they are full, every second is dropped and from
 * then on only every second that comes is kept. What stays is spread evenly over what came, so
 * percentiles hold; how many there were is said by counts.
 */
export function createSeriesTable(maxValues: number): SeriesTable {
  const table = new Map<string, Series>();
  return {
    note(metric, dimensions, value) {
      if (!Number.isFinite(value)) return;
      const key = seriesKey(metric, dimensions);
      let series = table.get(key);
      if (series === undefined) {
        if (table.size >= MAX_SERIES) return;
        series = { metric, dimensions, sum: 0, values: [], stride: 1, seen: 0 };
        table.set(key, series);
      }
      series.sum += value;
      if (metric.kind === 'count') return;
      const kept = series.seen % series.stride === 0;
      series.seen += 1;
      if (!kept) return;
      if (series.values.length >= maxValues) {
        series.values = series.values.filter((_, i) => i % 2 === 0);
        series.stride *= 2;
        if ((series.seen - 1) % series.stride !== 0) return;
      }
      series.values.push(value);
    },
    all: () => table.values(),
    clear: () => table.clear(),
  };
}

export function seriesKey(
  metric: Measured | Level,
  dimensions: { readonly [name: string]: string },
): string {
  return [metric.name, ...metric.dimensions.map((name) => dimensions[name] ?? '')].join('\u0000');
}

/** Levels that are watched, and how to read them. */
export interface Watched {
  readonly metric: Level;
  readonly dimensions: DimensionsOf<string>;
  readonly read: () => number;
}

export function createWatches(): {
  add(watched: Watched): { end(): void };
  all(): Iterable<Watched>;
} {
  const watches = new Set<Watched>();
  return {
    add(watched) {
      watches.add(watched);
      return { end: () => void watches.delete(watched) };
    },
    all: () => watches,
  };
}
