import { type Series, type Signal, type Statistic, series } from './signals.ts';

/** One picture of a dashboard. */
export interface Chart {
  readonly title: string;
  readonly lines: Lines;
}

export type Lines = readonly { readonly label: string; readonly signal: Signal }[];

export const line = (label: string, of: Series): Lines[number] => ({ label, signal: series(of) });

export interface DashboardSpec {
  /** The dashboard is called `cloudflow-<stage>-<name>`. */
  readonly name: string;
  readonly about: string;
  readonly charts: readonly Chart[];
}

/** How long most, nearly all and almost every one took. */
export const percentiles = (of: (statistic: Statistic) => Series): Lines =>
  (['p50', 'p95', 'p99'] as const).map((statistic) => line(statistic, of(statistic)));
