/**
 * What is measured, by metrics that are declared once (config/metrics.ts) and told by their
 * declaration. Values of dimensions are of small vocabularies of ours, for each combination is a time
 * series that is paid for: never a tenant, an id or a name that somebody chose.
 */
export interface Metrics {
  /** Adds to a sum, or notes one more value of a distribution. Cheap, and never throws. */
  add<D extends string>(metric: Measured<D>, dimensions: DimensionsOf<D>, value?: number): void;
  /** Reads a level each time metrics are told, until `end`. `read` must not throw. */
  watch<D extends string>(
    metric: Level<D>,
    dimensions: DimensionsOf<D>,
    read: () => number,
  ): { end(): void };
}

export type MetricUnit = 'Count' | 'Milliseconds' | 'Seconds' | 'Percent';

interface Metric<D extends string> {
  readonly name: string;
  readonly about: string;
  readonly unit: MetricUnit;
  readonly dimensions: readonly D[];
  /** Kept by the second; absent: by the minute. */
  readonly bySecond?: true;
}

/** `count`: sums. `values`: a distribution, of which percentiles are asked. */
export interface Measured<D extends string = string> extends Metric<D> {
  readonly kind: 'count' | 'values';
}

/** How much there is of something now. */
export interface Level<D extends string = string> extends Metric<D> {
  readonly kind: 'level';
}

export type DimensionsOf<D extends string> = { readonly [Name in D]: string };

/** For those whom nobody listens to. */
export const NO_METRICS: Metrics = {
  add: () => undefined,
  watch: () => ({ end: () => undefined }),
};
