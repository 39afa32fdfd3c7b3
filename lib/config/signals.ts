import {
  type AwsDimensions,
  type AwsMetricName,
  type AwsSource,
  namespaceOf,
} from './aws-metrics.ts';
import { type Dimension, METRICS, type MetricName, metricNamespace } from './metrics.ts';

/** Stands in a dimension for the id of the API of WebSockets, which only a deployment knows. */
export const SOCKETS_API = '{sockets-api}';

/** What a deployment knows in place of such words. */
export type Ids = Readonly<Record<string, string>>;

/** One time series of CloudWatch, and what is asked of it. */
export interface Series {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  /** `Average`, `Sum`, `Maximum`, `Minimum`, `SampleCount`, or a percentile: `p99`. */
  readonly statistic: Statistic;
}

export type Statistic =
  | 'Average'
  | 'Sum'
  | 'Maximum'
  | 'Minimum'
  | 'SampleCount'
  | 'p50'
  | 'p95'
  | 'p99';

/** A series, or arithmetic over several by name. */
export type Signal =
  | { readonly kind: 'series'; readonly series: Series }
  | {
      readonly kind: 'math';
      readonly expression: string;
      readonly of: Readonly<Record<string, Series>>;
    };

type DimensionsOf<M extends MetricName> = {
  readonly [D in (typeof METRICS)[M]['dimensions'][number] & Dimension]: string;
};

/** A metric of ours: a dimension that is missing or is not its own does not compile. */
export function ours<M extends MetricName>(
  stage: string,
  name: M,
  statistic: Statistic,
  dimensions: DimensionsOf<M>,
): Series {
  return { namespace: metricNamespace(stage), name: METRICS[name].name, dimensions, statistic };
}

export function aws<S extends AwsSource>(
  source: S,
  name: AwsMetricName<S>,
  statistic: Statistic,
  dimensions: AwsDimensions<S>,
): Series {
  return { namespace: namespaceOf(source), name, dimensions, statistic };
}

export function series(of: Series): Signal {
  return { kind: 'series', series: of };
}

export function math(expression: string, of: Readonly<Record<string, Series>>): Signal {
  return { kind: 'math', expression, of };
}

/** What one alarm of CloudWatch looks at, at most. */
export const SERIES_OF_AN_ALARM = 10;

/** Every series that a signal is made of. */
export function seriesOf(signal: Signal): readonly Series[] {
  return signal.kind === 'series' ? [signal.series] : Object.values(signal.of);
}
