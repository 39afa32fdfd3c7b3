import { type Series, type Signal, type Statistic, series } from './signals.ts';
import type { StageSettings } from './stage-settings.ts';

/** One picture of a dashboard. */
export interface Chart {
  readonly title: string;
  readonly lines: Lines;
}

export type Lines = readonly { readonly label: string; readonly signal: Signal }[];

export const line = (label: string, of: Series): Lines[number] => ({ label, signal: series(of) });

export interface DashboardSpec {
  /** See `dashboardName`. */
  readonly name: string;
  readonly about: string;
  readonly charts: readonly Chart[];
}

/** Dashboards are of an account, not of a region, so those of a lost one go on having their names. */
export function dashboardName(
  { stage, region, takesOver }: Pick<StageSettings, 'stage' | 'region' | 'takesOver'>,
  name: string,
): string {
  const own = `cloudflow-${stage}-${name}`;
  return takesOver === null ? own : `${own}-${region}`;
}

/** How long most, nearly all and almost every one took. */
export const percentiles = (of: (statistic: Statistic) => Series): Lines =>
  (['p50', 'p95', 'p99'] as const).map((statistic) => line(statistic, of(statistic)));
